// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

var comparePrefixes = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// world is a model with a store behind it, changed at random.
type world struct {
	t     *testing.T
	store *store.Store
	model *model.Model
}

func newWorld(t *testing.T) *world {
	s, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	w := &world{t, s, m}
	w.change(func(tx *model.Tx) {
		for v := range vpcs {
			vpc := fmt.Sprint("vpc-", v)
			block := netip.PrefixFrom(addressIn(v, 0, 0), 16)
			tx.VPCs.Put(&secgroup.VPC{ID: vpc, VNI: uint32(1 + v), CIDRs: []secgroup.CIDRAssociation{{Prefix: block}}, MainRouteTable: fmt.Sprintf("rtb-%d-0", v)})
			for n := range 2 {
				subnet := &secgroup.Subnet{ID: fmt.Sprint("subnet-", v), VPC: vpc, CIDR: netip.PrefixFrom(addressIn(v, n, 0), 24)}
				if n > 0 {
					subnet.ID += "-further"
				}
				tx.Subnets.Put(subnet)
			}
		}
		p := &secgroup.Peering{ID: "pcx-0", State: secgroup.PeeringActive}
		p.Requester.VPC, p.Accepter.VPC = "vpc-0", "vpc-2"
		tx.Peerings.Put(p)
	})
	return w
}

func (w *world) change(f func(*model.Tx)) {
	w.t.Helper()
	tx := w.model.Begin()
	tx.Guard("test")
	f(tx)
	guards, writes, err := tx.Commit()
	if err != nil {
		w.t.Fatal(err)
	}
	rev, err := w.store.Commit(w.t.Context(), guards, writes)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.model.Await(w.t.Context(), rev); err != nil {
		w.t.Fatal(err)
	}
}

// vpcs is how many VPCs a world has. The first two have equal blocks; the last
// may be peered with the first.
const vpcs = 3

// addressIn returns an address of a VPC's subnet.
func addressIn(v, subnet, host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(v / 2), byte(subnet), byte(host)})
}

// mutateRoutes changes the peering connection of the world, or a route table.
func mutateRoutes(rng *rand.Rand, tx *model.Tx) {
	v := rng.IntN(2) * 2 // of one of the two VPCs that may be peered
	vpc, other := fmt.Sprint("vpc-", v), 2-v
	switch table := fmt.Sprintf("rtb-%d-%d", v, rng.IntN(2)); rng.IntN(10) {
	case 0:
		p := &secgroup.Peering{ID: fmt.Sprint("pcx-", rng.IntN(4)/3), State: secgroup.PeeringActive}
		p.Requester.VPC, p.Accepter.VPC = "vpc-0", "vpc-2"
		if rng.IntN(3) == 0 {
			p.State = secgroup.PeeringDeleted
		}
		if rng.IntN(3) == 0 {
			p.Accepter.Region = "elsewhere"
		}
		for q := range tx.Peerings.All() {
			if q.ID != p.ID && q.State == secgroup.PeeringActive {
				p.State = secgroup.PeeringDeleted // one is active at most
			}
		}
		tx.Peerings.Put(p)
	case 1:
		tx.RouteTables.Delete(table)
	case 2: // another main table
		next := *tx.VPCs.Get(vpc)
		next.MainRouteTable = table
		tx.VPCs.Put(&next)
	default:
		t := &secgroup.RouteTable{ID: table, VPC: vpc}
		for _, bits := range []int{16, 24, 31} {
			if rng.IntN(3) == 0 {
				continue
			}
			to := netip.PrefixFrom(addressIn(other, rng.IntN(2), 10+2*rng.IntN(4)), bits).Masked()
			t.Routes = append(t.Routes, secgroup.Route{Destination: to, Peering: fmt.Sprint("pcx-", rng.IntN(8)/7)})
		}
		if rng.IntN(2) == 0 {
			t.Routes = append(t.Routes, secgroup.Route{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: fmt.Sprint("igw-", rng.IntN(2))})
		}
		for _, subnet := range []string{fmt.Sprint("subnet-", v), fmt.Sprint("subnet-", v, "-further")} {
			if tied, explicit := tx.RouteTableOf(subnet, vpc); rng.IntN(2) == 0 && (!explicit || tied.ID == table) {
				t.Subnets = append(t.Subnets, secgroup.RouteAssociation{ID: subnet, Subnet: subnet})
			}
		}
		tx.RouteTables.Put(t)
	}
}

// mutate changes one thing that a host may or may not care about.
func mutate(rng *rand.Rand, tx *model.Tx) {
	v := rng.IntN(vpcs)
	vpc, groupID := fmt.Sprint("vpc-", v), func() string { return fmt.Sprintf("sg-%d-%d", v, rng.IntN(4)) }
	if rng.IntN(6) == 0 {
		mutateRoutes(rng, tx)
		return
	}
	if rng.IntN(4) == 0 {
		mutateInternet(rng, tx)
		return
	}
	if rng.IntN(8) == 0 { // an operator sets what instances may track, or resets it
		q := &secgroup.Quotas{Values: map[string]int{secgroup.TrackedFlowsQuota: rng.IntN(2) * 1000}}
		if tx.Quotas.Put(q); rng.IntN(2) == 0 {
			tx.Quotas.Delete(model.ScopeID(q.Scope))
		}
		return
	}
	if rng.IntN(8) == 0 {
		mutateHosts(rng, tx)
		return
	}
	if rng.IntN(8) == 0 {
		mutateFacts(rng, tx)
		return
	}
	list := func() string { return fmt.Sprint("pl-", rng.IntN(3)) }
	switch n := rng.IntN(12); {
	case n < 3: // a group with rules that name groups, or none
		g := &secgroup.Group{ID: groupID(), Name: fmt.Sprint("name-", rng.IntN(3)), VPC: vpc}
		for i := range rng.IntN(4) {
			r := secgroup.Rule{ID: fmt.Sprint("sgr-", rng.IntN(1000)), RuleKey: secgroup.RuleKey{Egress: i%2 == 1, Protocol: secgroup.TCP, From: int32(rng.IntN(3)), To: 5}}
			switch rng.IntN(4) {
			case 0, 1:
				r.Peer.Group = fmt.Sprintf("sg-%d-%d", rng.IntN(vpcs), rng.IntN(4))
			case 2:
				r.Peer.PrefixList = list()
			default:
				r.Peer.Prefix = netip.MustParsePrefix("10.0.0.0/8")
			}
			g.Rules = append(g.Rules, r)
		}
		tx.Groups.Put(g)
	case n < 4:
		tx.Groups.Delete(groupID())
	case n < 6: // an instance in some state, on this host or another
		states := []secgroup.InstanceState{secgroup.Pending, secgroup.Running, secgroup.Stopped, secgroup.ShuttingDown, secgroup.Terminated}
		tx.Instances.Put(&secgroup.Instance{
			ID: fmt.Sprint("i-", rng.IntN(4)), State: states[rng.IntN(len(states))], Type: []string{"t3.nano", "t3.small"}[rng.IntN(2)], Host: []string{"here", "here", "there"}[rng.IntN(3)], Boots: rng.IntN(3),
		})
	case n < 9: // an interface: attached or not, with one of few addresses
		ifc := &secgroup.Interface{
			ID: fmt.Sprintf("eni-%d-%d", v, rng.IntN(5)), VPC: vpc, Subnet: fmt.Sprint("subnet-", v), Groups: []string{groupID()},
		}
		if other := groupID(); other != ifc.Groups[0] {
			ifc.Groups = append(ifc.Groups, other)
		}
		n := rng.IntN(2)
		if n > 0 {
			ifc.Subnet += "-further"
		}
		addr := addressIn(v, n, 10+rng.IntN(8))
		for other := range tx.Interfaces.By(model.ByAddress, model.AddressValue(vpc, addr.String())) {
			if other.ID != ifc.ID { // addresses are unique: the other one gives it up
				gives := *other
				gives.Addresses = nil
				tx.Interfaces.Put(&gives)
			}
		}
		ifc.Addresses = []netip.Addr{addr}
		switch rng.IntN(9) {
		case 0:
			ifc.Attachment = &secgroup.Attachment{Claim: &secgroup.Claim{
				Host: []string{"here", "there"}[rng.IntN(2)], Device: ifc.ID, Own: rng.IntN(2) == 0, Releasing: rng.IntN(3) == 0,
			}}
		case 1, 2, 3, 4, 5, 6:
			ifc.Attachment = &secgroup.Attachment{Instance: fmt.Sprint("i-", rng.IntN(4)), DeviceIndex: rng.IntN(2)}
		}
		tx.Interfaces.Put(ifc)
	case n < 11: // a prefix list with other entries, or none
		l := &secgroup.PrefixList{ID: list(), Version: rng.Int64N(1000)}
		for i := range rng.IntN(4) {
			l.Entries = append(l.Entries, secgroup.PrefixListEntry{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(11 + i)}), 8+rng.IntN(2))})
		}
		tx.PrefixLists.Put(l)
	case n < 12 && rng.IntN(2) == 0:
		tx.PrefixLists.Delete(list())
	default:
		tx.Interfaces.Delete(fmt.Sprintf("eni-%d-%d", v, rng.IntN(5)))
	}
}

// told is everything a receiver knows after the deltas so far.
type told struct {
	Instances  map[string]*feed.Instance
	Interfaces map[string]*feed.Interface
	Groups     map[string]*feed.Group
	Addresses  map[feed.AddressKey]*feed.Address
	Routes     map[string]*feed.Routes
}

func newTold() *told {
	return &told{map[string]*feed.Instance{}, map[string]*feed.Interface{}, map[string]*feed.Group{}, map[feed.AddressKey]*feed.Address{}, map[string]*feed.Routes{}}
}

func merge[K comparable, V any](into, d map[K]*V) {
	for k, v := range d {
		into[k] = v
	}
	maps.DeleteFunc(into, func(_ K, v *V) bool { return v == nil })
}

func (t *told) take(d *feed.Delta) {
	merge(t.Instances, d.Instances)
	merge(t.Interfaces, d.Interfaces)
	merge(t.Groups, d.Groups)
	merge(t.Addresses, d.Addresses)
	merge(t.Routes, d.Routes)
}

// listed returns how many entries of prefix lists a receiver knows.
func listed(t *told) (n int) {
	for _, g := range t.Groups {
		for _, rules := range g.Rules {
			for _, r := range rules {
				n += len(r.Peer.Prefixes)
			}
		}
	}
	return n
}

// drain applies Update until nothing is pending.
func drain(t *told, h *Host, snap *model.Snapshot, changed map[model.Ref]struct{}, all bool) {
	t.take(h.Update(snap, changed, all))
	for h.Pending() {
		t.take(h.Update(snap, nil, false))
	}
}

func TestFollowingEqualsBeingToldAnew(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	w := newWorld(t)
	sub := w.model.Subscribe()
	defer sub.Close()
	host, follower := NewHost("here"), newTold()
	most := 0    // addresses with groups that the host was told of at one time
	entries := 0 // of prefix lists, likewise
	far := 0     // addresses of another VPC than the network that sees them, likewise
	claims := 0  // interfaces that the host has claimed, likewise
	out := seen{}
	informed := 0 // instances that were told of groups and endpoints, likewise
	everything := func() bool {
		return informed > 0 && most > 0 && entries > 0 && far > 0 && claims > 0 && out == seen{true, true, true, true, true, true}
	}
	for step := 0; step < 800 || step < 8000 && !everything(); step++ { // rare things come late in some walks
		w.change(func(tx *model.Tx) {
			for range 1 + rng.IntN(3) {
				mutate(rng, tx)
			}
		})
		if rng.IntN(3) == 0 {
			continue // let changes coalesce
		}
		snap, changed, all, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		drain(follower, host, snap, changed, all || rng.IntN(20) == 0)
		out.look(follower)
		named, peered := 0, 0
		for key, a := range follower.Addresses {
			named += len(a.Groups)
			if vpc := len("vpc-"); key.VPC[vpc] != snap.Interfaces.Get(a.Interface).VPC[vpc] { // of rtb-, too
				peered++
			}
		}
		held := 0
		for _, ifc := range follower.Interfaces {
			if ifc.Device != "" {
				held++
			}
		}
		far, claims, informed = max(far, peered), max(claims, held), max(informed, informedOf(follower))
		most, entries = max(most, named), max(entries, listed(follower))
		anew := newTold()
		drain(anew, NewHost("here"), snap, nil, true)
		if d := cmp.Diff(anew, follower, comparePrefixes); d != "" {
			t.Fatalf("step %d: a follower (+) differs from one told anew (-):\n%s", step, d)
		}
	}
	if !everything() {
		t.Errorf("the walk did not tell the host of everything: it tests too little: %d named, %d entries, %d far, %d claims, %d informed, %+v", most, entries, far, claims, informed, out)
	}
}

// TestNamesArriveBeforeAndLeaveAfter holds the order that keeps a rule change
// from dropping or admitting anything in between.
func TestNamesArriveBeforeAndLeaveAfter(t *testing.T) {
	w := newWorld(t)
	rule := func(peer string) []secgroup.Rule {
		return []secgroup.Rule{{ID: "sgr-1", RuleKey: secgroup.RuleKey{Protocol: secgroup.TCP, Peer: secgroup.Peer{Group: peer}}}}
	}
	member := netip.MustParseAddr("10.0.0.20")
	w.change(func(tx *model.Tx) {
		tx.Groups.Put(&secgroup.Group{ID: "sg-web", VPC: "vpc-0"})
		tx.Groups.Put(&secgroup.Group{ID: "sg-db", VPC: "vpc-0"})
		tx.Instances.Put(&secgroup.Instance{ID: "i-db", State: secgroup.Running, Host: "here"})
		tx.Interfaces.Put(&secgroup.Interface{
			ID: "eni-db", VPC: "vpc-0", Subnet: "subnet-0", Groups: []string{"sg-db"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.10")},
			Attachment: &secgroup.Attachment{Instance: "i-db"},
		})
		tx.Interfaces.Put(&secgroup.Interface{ID: "eni-web", VPC: "vpc-0", Subnet: "subnet-0", Groups: []string{"sg-web"}, Addresses: []netip.Addr{member}})
	})
	h := NewHost("here")
	if d := h.Update(w.model.Snapshot(), nil, true); d.Addresses[feed.AddressKey{VPC: "vpc-0", Addr: member}] != nil {
		t.Error("the host is told of an address that no rule of its needs")
	}
	setRules := func(rules []secgroup.Rule) *feed.Delta {
		w.change(func(tx *model.Tx) { tx.Groups.Put(&secgroup.Group{ID: "sg-db", VPC: "vpc-0", Rules: rules}) })
		return h.Update(w.model.Snapshot(), map[model.Ref]struct{}{{Kind: model.Groups, ID: "sg-db"}: {}}, false)
	}
	d := setRules(rule("sg-web"))
	if a := d.Addresses[feed.AddressKey{VPC: "vpc-0", Addr: member}]; a == nil || !slices.Equal(a.Groups, []string{"sg-web"}) || d.Groups["sg-db"] == nil {
		t.Errorf("naming a group tells %+v of its member, rules %v; want both in one delta", a, d.Groups)
	}
	d = setRules(nil)
	if _, gone := d.Addresses[feed.AddressKey{VPC: "vpc-0", Addr: member}]; gone || !h.Pending() {
		t.Error("the member went together with the rule that named it; it must go after")
	}
	d = h.Update(w.model.Snapshot(), nil, false)
	if a, gone := d.Addresses[feed.AddressKey{VPC: "vpc-0", Addr: member}]; !gone || a != nil || h.Pending() {
		t.Errorf("the next delta says %v of the member, pending %v; want it gone", d.Addresses, h.Pending())
	}
}
