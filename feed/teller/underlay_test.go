// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	underHere  = netip.MustParseAddr("192.0.2.1")
	underThere = netip.MustParseAddr("192.0.2.2")
)

// mutateHosts changes where a host is reached, or whether.
func mutateHosts(rng *rand.Rand, tx *model.Tx) {
	n := rng.IntN(2)
	h := &secgroup.Host{Name: []string{"here", "there"}[n], Disabled: rng.IntN(8) == 0}
	switch rng.IntN(12) {
	case 0:
		tx.Hosts.Delete(h.Name)
		return
	case 1:
		h.Underlay = netip.MustParseAddr(fmt.Sprint("2001:db8::", 1+n))
	case 2:
	default:
		h.Underlay = netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + n + 10*rng.IntN(2))})
	}
	tx.Hosts.Put(h)
}

// apart is a world with one instance here and one there, in the same VPC, and one
// there in a VPC that is peered with it; no group names another.
func apart(t *testing.T) (*world, *Host, *feed.Delta) {
	w := newWorld(t)
	w.change(func(tx *model.Tx) {
		tx.Hosts.Put(&secgroup.Host{Name: "here", Underlay: underHere})
		tx.Hosts.Put(&secgroup.Host{Name: "there", Underlay: underThere})
		for n, host := range []string{"here", "there", "there", "there"} {
			id := fmt.Sprint("i-", n)
			tx.Instances.Put(&secgroup.Instance{ID: id, State: secgroup.Running, Host: host})
			vpc := []int{0, 0, 2, 1}[n]
			tx.Interfaces.Put(&secgroup.Interface{
				ID: fmt.Sprint("eni-", n), VPC: fmt.Sprint("vpc-", vpc), Subnet: fmt.Sprint("subnet-", vpc), Groups: []string{"sg-1"},
				Addresses: []netip.Addr{addressIn(vpc, 0, 10+n)}, Attachment: &secgroup.Attachment{Instance: id},
			})
		}
	})
	h := NewHost("here")
	return w, h, h.Update(w.model.Snapshot(), nil, true)
}

// TestElsewhereIsToldToWhoReachesIt: an address on another host is told with the
// way there to the hosts with an interface that can reach it, or be reached from it,
// and to no other (docs/spec/packet-semantics.md section 1.5).
func TestElsewhereIsToldToWhoReachesIt(t *testing.T) {
	_, _, d := apart(t)
	same := d.Addresses[feed.AddressKey{VPC: "vpc-0", Addr: addressIn(0, 0, 11)}]
	if same == nil || same.Underlay != underThere || same.VNI != 1 || same.Unrouted || len(same.Groups) != 0 {
		t.Errorf("told %+v of the address in the same VPC", same)
	}
	peered := d.Addresses[feed.AddressKey{VPC: "vpc-0", Addr: addressIn(2, 0, 12)}]
	if peered == nil || peered.Underlay != underThere || peered.VNI != 3 || !peered.Unrouted {
		t.Errorf("told %+v of the address in the peered VPC, to which there is no route", peered)
	}
	if len(d.Addresses) != 3 { // its own besides: none of the VPC with the same block
		t.Errorf("told %d addresses, want 3: %v", len(d.Addresses), d.Addresses)
	}
	if i := d.Interfaces["eni-0"]; i.VNI != 1 {
		t.Errorf("told number %d of the interface's VPC", i.VNI)
	}
}

// TestOneHostIsToldNothingMore: without an underlay, here or there, an address that
// no rule names is nobody's business.
func TestOneHostIsToldNothingMore(t *testing.T) {
	w, h, _ := apart(t)
	for _, host := range []secgroup.Host{{Name: "here"}, {Name: "there"}, {Name: "there", Underlay: underThere, Disabled: true}} {
		w.change(func(tx *model.Tx) {
			tx.Hosts.Put(&secgroup.Host{Name: "here", Underlay: underHere})
			tx.Hosts.Put(&secgroup.Host{Name: "there", Underlay: underThere})
			tx.Hosts.Put(&host)
		})
		changed := map[model.Ref]struct{}{{Kind: model.Hosts, ID: "here"}: {}, {Kind: model.Hosts, ID: "there"}: {}}
		h.Update(w.model.Snapshot(), changed, false)
		if len(h.addresses) != 1 {
			t.Errorf("with %+v the host is told of %d addresses, want its own", host, len(h.addresses))
		}
	}
}

// TestJoiningElsewhereIsOneAddress: an interface that an instance there gets, or
// loses, is one address to this host.
func TestJoiningElsewhereIsOneAddress(t *testing.T) {
	w, h, _ := apart(t)
	at := feed.AddressKey{VPC: "vpc-0", Addr: addressIn(0, 0, 11)}
	update := func(state secgroup.InstanceState) *feed.Delta {
		w.change(func(tx *model.Tx) { tx.Instances.Put(&secgroup.Instance{ID: "i-1", State: state, Host: "there"}) })
		return h.Update(w.model.Snapshot(), map[model.Ref]struct{}{{Kind: model.Instances, ID: "i-1"}: {}}, false)
	}
	if d := update(secgroup.Stopped); len(d.Addresses) != 1 || d.Addresses[at] != nil || d.Empty() {
		t.Errorf("of a stopped instance the host is told %v", d.Addresses)
	}
	if d := update(secgroup.Running); len(d.Addresses) != 1 || d.Addresses[at] == nil || len(d.Interfaces)+len(d.Groups)+len(d.Instances) != 0 {
		t.Errorf("of an instance that starts the host is told %+v", d)
	}
}

// TestClaimedElsewhereIsNotReached: an interface that another host has claimed for a
// device of somebody else is no place to send to, member or not
// (docs/spec/packet-semantics.md section 1.12).
func TestClaimedElsewhereIsNotReached(t *testing.T) {
	w, h, _ := apart(t)
	at := feed.AddressKey{VPC: "vpc-0", Addr: addressIn(0, 0, 11)}
	w.change(func(tx *model.Tx) {
		i := *tx.Interfaces.Get("eni-1")
		i.Attachment = &secgroup.Attachment{Claim: &secgroup.Claim{Host: "there", Device: "tap0"}}
		tx.Interfaces.Put(&i)
		rule := secgroup.Rule{ID: "sgr-1", RuleKey: secgroup.RuleKey{Protocol: secgroup.TCP, Peer: secgroup.Peer{Group: "sg-1"}}}
		tx.Groups.Put(&secgroup.Group{ID: "sg-1", VPC: "vpc-0", Rules: []secgroup.Rule{rule}})
	})
	changed := map[model.Ref]struct{}{{Kind: model.Interfaces, ID: "eni-1"}: {}, {Kind: model.Groups, ID: "sg-1"}: {}}
	d := h.Update(w.model.Snapshot(), changed, false)
	if a := d.Addresses[at]; a == nil || a.Underlay.IsValid() || a.VNI != 0 || len(a.Groups) != 1 {
		t.Errorf("told %+v of a member that is claimed", a)
	}
}
