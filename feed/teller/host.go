// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Host computes what one host is told. It has one owner.
type Host struct {
	name string

	instances  map[string]*feed.Instance
	interfaces map[string]*feed.Interface
	groups     map[string]*feed.Group
	addresses  map[feed.AddressKey]*feed.Address
	owned      map[string][]feed.AddressKey // interface -> the addresses it was told to own
	listed     map[string]string            // interface -> the instance that was told to have it

	networks networks   // of the host's interfaces
	underlay netip.Addr // where other hosts reach this one; zero: nowhere, so none matters
	routes   map[string]*feed.Routes
	elastic  map[string]string // Elastic IP address -> interface that it stands for
	called   map[string]string // group -> its name, as instances were told; see facts
	doors    keyset            // interfaces and instances of endpoints that instances were told of

	uses    count  // group -> how many of the host's interfaces carry it
	names   count  // group -> how many of the used groups' rules name it
	retired keyset // groups that the last delta's rules stopped naming; see Update
}

// NewHost returns a Host that has been told nothing.
func NewHost(name string) *Host {
	return &Host{
		name: name, instances: map[string]*feed.Instance{}, interfaces: map[string]*feed.Interface{},
		groups: map[string]*feed.Group{}, addresses: map[feed.AddressKey]*feed.Address{}, owned: map[string][]feed.AddressKey{},
		listed: map[string]string{}, networks: networks{}, routes: map[string]*feed.Routes{}, elastic: map[string]string{},
		called: map[string]string{}, doors: keyset{},
		uses: count{}, names: count{}, retired: keyset{},
	}
}

// Update returns what changed for the host. changed lists the rows that changed
// since the last call; all says that anything may have.
//
// A change of rules and the memberships it needs arrive in one delta: addresses
// of newly named groups are told together with the rules that name them (the
// receiver takes addresses first), and those of groups that are no longer named
// are taken back only by the next Update (see Pending), after the rules are
// gone. So at no moment does a rule miss a member that it has before and after.
func (h *Host) Update(snap *model.Snapshot, changed map[model.Ref]struct{}, all bool) *feed.Delta {
	d := &feed.Delta{
		Revision: snap.Revision, Instances: map[string]*feed.Instance{}, Interfaces: map[string]*feed.Interface{},
		Groups: map[string]*feed.Group{}, Addresses: map[feed.AddressKey]*feed.Address{}, Routes: map[string]*feed.Routes{},
	}
	instances, interfaces, groups := h.touched(snap, changed, all)
	h.addUninformed(snap, changed, instances)
	trim := h.retired
	h.retired = keyset{}

	for id := range instances {
		if was := h.instances[id]; was != nil {
			for _, ifc := range was.Interfaces {
				delete(h.listed, ifc)
			}
		}
		diff(h.instances, d.Instances, id, h.instance(snap, id))
	}
	for id := range instances {
		if now := h.instances[id]; now != nil {
			for _, ifc := range now.Interfaces {
				h.listed[ifc] = id
			}
		}
	}
	// What the host's networks reach, and where that is, may be something else.
	reached := h.moved(snap) || all || reroutes(changed)
	for id := range interfaces {
		was := h.interfaces[id]
		diff(h.interfaces, d.Interfaces, id, h.iface(snap, id))
		reached = h.networks.move(was, h.interfaces[id]) || reached
		h.uses.move(carried(was), carried(h.interfaces[id]), groups.add, groups.add)
	}
	for id := range groups {
		was := h.groups[id]
		diff(h.groups, d.Groups, id, h.group(snap, id))
		members := func(group string) {
			for ifc := range snap.Interfaces.By(model.ByGroup, group) {
				interfaces.add(ifc.ID)
			}
		}
		h.names.move(named(was), named(h.groups[id]), members, h.retired.add)
	}
	for id := range trim {
		for ifc := range snap.Interfaces.By(model.ByGroup, id) {
			interfaces.add(ifc.ID)
		}
	}
	if reached {
		h.addKnown(snap, interfaces)
		h.updateRoutes(snap, d)
	}
	h.updateAddresses(snap, interfaces, d)
	return d
}

// reroutes reports whether any of the rows decides where packets go.
func reroutes(changed map[model.Ref]struct{}) bool {
	for ref := range changed {
		switch ref.Kind {
		case model.Peerings, model.RouteTables, model.VPCs, model.InternetGateways, model.NATGateways:
			return true
		}
	}
	return false
}

// addKnown adds every interface that the host is, or may have to be, told of.
func (h *Host) addKnown(snap *model.Snapshot, interfaces keyset) {
	for id := range h.interfaces {
		interfaces.add(id)
	}
	for id := range h.owned {
		interfaces.add(id)
	}
	for id := range h.names {
		for ifc := range snap.Interfaces.By(model.ByGroup, id) {
			interfaces.add(ifc.ID)
		}
	}
	h.addElsewhere(snap, interfaces)
}

// Pending reports whether the next Update has something to take back even if
// nothing else changes.
func (h *Host) Pending() bool { return len(h.retired) > 0 }

// touched returns what must be looked at again because of the changed rows.
func (h *Host) touched(snap *model.Snapshot, changed map[model.Ref]struct{}, all bool) (instances, interfaces, groups keyset) {
	instances, interfaces, groups = keyset{}, keyset{}, keyset{}
	instance := func(id string) {
		instances.add(id)
		for ifc := range snap.Interfaces.By(model.ByInstance, id) {
			interfaces.add(ifc.ID)
		}
	}
	if all {
		for id := range h.instances {
			instance(id)
		}
		for i := range snap.Instances.By(model.ByHost, h.name) {
			instance(i.ID)
		}
		for ifc := range snap.Interfaces.By(model.ByClaim, h.name) {
			interfaces.add(ifc.ID)
		}
		h.addKnown(snap, interfaces)
		for e := range snap.ElasticIPs.All() {
			h.associated(snap, e.ID)
		}
		for id := range h.uses { // a used group that was missing may be there now
			groups.add(id)
		}
		return
	}
	for ref := range changed {
		switch ref.Kind {
		case model.Instances:
			instance(ref.ID)
			for id, ifc := range h.interfaces {
				if ifc.Instance == ref.ID {
					interfaces.add(id)
				}
			}
		case model.Interfaces:
			interfaces.add(ref.ID)
			if on, ok := h.listed[ref.ID]; ok {
				instances.add(on)
			}
			if ifc := snap.Interfaces.Get(ref.ID); ifc != nil && ifc.Attachment != nil && ifc.Claimed() == nil {
				instances.add(ifc.Attachment.Instance)
			}
		case model.Groups:
			if h.uses[ref.ID] > 0 {
				groups.add(ref.ID)
			}
		case model.PrefixLists:
			for g := range snap.Groups.By(model.ByPrefixList, ref.ID) {
				if h.uses[g.ID] > 0 {
					groups.add(g.ID)
				}
			}
		case model.RouteTables: // which subnets it routes for may be others
			if t := snap.RouteTables.Get(ref.ID); t != nil {
				h.addLocal(t.VPC, interfaces)
			}
			for vpc, at := range h.networks {
				if at[network{ref.ID, vpc}] > 0 {
					h.addLocal(vpc, interfaces)
				}
			}
		case model.Hosts:
			h.addOn(snap, ref.ID, interfaces)
		case model.ElasticIPs:
			now, was := h.associated(snap, ref.ID)
			interfaces.add(now)
			interfaces.add(was)
		case model.InternetGateways: // which VPC it left is not said
			for id := range h.interfaces {
				interfaces.add(id)
			}
		case model.Quotas:
			for id, ifc := range h.interfaces {
				if on := snap.Instances.Get(ifc.Instance); on != nil && model.ScopeID(on.Scope) == ref.ID {
					interfaces.add(id)
				} else if row := snap.Interfaces.Get(id); ifc.Device != "" && row != nil && model.ScopeID(row.Scope) == ref.ID {
					interfaces.add(id)
				}
			}
		case model.VPCs:
			h.addLocal(ref.ID, interfaces)
		case model.Subnets: // which addresses of its VPC are nobody's is something else
			if s := snap.Subnets.Get(ref.ID); s != nil {
				h.addLocal(s.VPC, interfaces)
				continue
			}
			for id := range h.interfaces { // whose it was is not said
				interfaces.add(id)
			}
		}
	}
	return
}

// addLocal adds the host's interfaces in a VPC.
func (h *Host) addLocal(vpc string, interfaces keyset) {
	for id, ifc := range h.interfaces {
		if ifc.VPC == vpc {
			interfaces.add(id)
		}
	}
}

// instance returns what the host is told of an instance, nil if it has none.
func (h *Host) instance(snap *model.Snapshot, id string) *feed.Instance {
	row := snap.Instances.Get(id)
	if row == nil || row.Host != h.name || row.State == secgroup.Terminated {
		return nil
	}
	out := &feed.Instance{ID: id, State: row.State, UserData: row.UserData, FirstBoot: row.Boots <= 1 && row.State == secgroup.Pending, Reboots: row.Reboots}
	attached := slices.Collect(snap.Interfaces.By(model.ByInstance, id))
	slices.SortFunc(attached, func(a, b *secgroup.Interface) int {
		return cmp.Compare(a.Attachment.DeviceIndex, b.Attachment.DeviceIndex)
	})
	for _, ifc := range attached {
		out.Interfaces = append(out.Interfaces, ifc.ID)
	}
	if what := row.Streaming; what != nil {
		out.Gateway, out.Joins = what.Kind == secgroup.GatewayKind, what.Directory
		out.Translates = what.Kind == secgroup.NATKind
		if e := snap.VPCEndpoints.Get(what.Name); e != nil && what.Kind == secgroup.EndpointKind {
			out.Endpoint, out.Service = e.ID, e.Service
		}
		for _, ifc := range attached { // that of the management network is the service's, as the instance is
			switch managed := ifc.Scope == row.Scope; {
			case len(ifc.Addresses) == 0 || out.Gateway || out.Translates:
			case out.Endpoint != "" && !managed:
				out.Answers = ifc.Addresses[0]
			case out.Endpoint == "" && what.Kind != secgroup.EndpointKind && managed:
				out.Streams = ifc.Addresses[0]
			}
		}
	}
	out.Facts = h.facts(snap, row, attached)
	return out
}

// iface returns what the host is told of an interface, nil unless the host has
// claimed it or it is attached to an instance of the host that runs or is about to.
func (h *Host) iface(snap *model.Snapshot, id string) *feed.Interface {
	row := snap.Interfaces.Get(id)
	if row == nil || row.Attachment == nil {
		return nil
	}
	subnet, vpc := snap.Subnets.Get(row.Subnet), snap.VPCs.Get(row.VPC)
	if subnet == nil || vpc == nil {
		return nil
	}
	out := &feed.Interface{
		ID: id, Owner: row.Account, Subnet: row.Subnet, VPC: row.VPC, VNI: vpc.VNI, Network: networkOf(snap, row.Subnet, row.VPC).ID, DeviceIndex: row.Attachment.DeviceIndex, MAC: row.MAC,
		SourceDestCheck: row.SourceDestCheck, Groups: slices.Sorted(slices.Values(row.Groups)),
	}
	if c := row.Claimed(); c != nil {
		if c.Host != h.name {
			return nil
		}
		out.Device, out.Own, out.For, out.Releasing = c.Device, c.Own, c.For, c.Releasing
		out.TrackedFlows = trackedFlows(snap, row.Scope, "")
	} else {
		on := snap.Instances.Get(row.Attachment.Instance)
		if on == nil || on.Host != h.name || on.State != secgroup.Pending && on.State != secgroup.Running {
			return nil
		}
		out.Instance = on.ID
		out.TrackedFlows = trackedFlows(snap, on.Scope, on.Type)
	}
	if row.Requester == secgroup.NATRequester {
		out.Groups = []string{openGroup}
	}
	if row.Tracking != nil {
		out.Tracking = *row.Tracking
	}
	add := func(block netip.Prefix, addrs []netip.Addr, prefixes []netip.Prefix) {
		for _, a := range addrs {
			out.Addresses = append(out.Addresses, netip.PrefixFrom(a, block.Bits()))
		}
		out.Prefixes = append(out.Prefixes, prefixes...)
		if len(addrs)+len(prefixes) > 0 && !subnet.NoRouter {
			out.Gateways = append(out.Gateways, block.Masked().Addr().Next())
		}
	}
	add(subnet.CIDR, row.Addresses, row.Prefixes)
	if subnet.IPv6 != nil {
		add(subnet.IPv6.Prefix, row.IPv6, row.IPv6Prefixes)
	}
	out.VPCPrefixes, out.Subnets = blocks(vpc), subnets(snap, row.VPC)
	out.Internet, out.Public = public(snap, row)
	return out
}

// trackedFlows returns the allowance of an instance: what an operator set for its
// account and Region, otherwise what its type says (docs/spec/packet-semantics.md
// section 3.8). 0 is the data path's default, which is that of no type.
func trackedFlows(snap *model.Snapshot, scope secgroup.Scope, kind string) int {
	if own := snap.Quotas.Get(model.ScopeID(scope)); own != nil {
		if n := own.Values[secgroup.TrackedFlowsQuota]; n > 0 {
			return n
		}
	}
	limits, _ := secgroup.InstanceTypeLimits(kind)
	return limits.TrackedFlows
}

// group returns a group's rules, nil unless an interface of the host carries it.
// Of prefix lists that they name it has the newest entries; a list that is not
// there has none.
func (h *Host) group(snap *model.Snapshot, id string) *feed.Group {
	if id == openGroup && h.uses[id] > 0 {
		return everything()
	}
	row := snap.Groups.Get(id)
	if row == nil || h.uses[id] == 0 {
		return nil
	}
	g := &feed.Group{ID: id}
	lists := map[string][]netip.Prefix{} // those of the group's rules, which share them
	for i := range row.Rules {
		r := &row.Rules[i]
		dir := flow.Ingress
		if r.Egress {
			dir = flow.Egress
		}
		g.Rules[dir] = append(g.Rules[dir], policy.Rule{
			ID: r.ID, Protocol: int(r.Protocol), From: int(r.From), To: int(r.To),
			Peer: policy.Peer{Prefix: r.Peer.Prefix, Prefixes: entries(snap, lists, r.Peer.PrefixList), Group: r.Peer.Group},
		})
	}
	return g
}

// entries returns the prefixes of a list, nil for no list. It keeps them in lists.
func entries(snap *model.Snapshot, lists map[string][]netip.Prefix, id string) []netip.Prefix {
	list := snap.PrefixLists.Get(id)
	if list == nil {
		return nil
	}
	if prefixes, ok := lists[id]; ok {
		return prefixes
	}
	prefixes := make([]netip.Prefix, len(list.Entries))
	for i, e := range list.Entries {
		prefixes[i] = e.Prefix
	}
	lists[id] = prefixes
	return prefixes
}

// updateAddresses brings the addresses of the given interfaces up to date. An
// address that moved from one interface to another is one change.
func (h *Host) updateAddresses(snap *model.Snapshot, interfaces keyset, d *feed.Delta) {
	want := map[feed.AddressKey]*feed.Address{}
	for id := range interfaces {
		for _, key := range h.owned[id] {
			if _, told := want[key]; !told {
				want[key] = nil
			}
		}
		delete(h.owned, id)
		row := snap.Interfaces.Get(id)
		if row == nil {
			continue
		}
		a := &feed.Address{Interface: id, Local: h.interfaces[id] != nil}
		for _, g := range row.Groups {
			if h.names[g] > 0 || h.retired.has(g) {
				a.Groups = append(a.Groups, g)
			}
		}
		slices.Sort(a.Groups)
		a.Underlay, a.VNI = h.elsewhere(snap, row)
		var unnamed, unrouted *feed.Address // seldom needed, and there are a million of a
		for _, v := range h.networks.views(snap, row) {
			seen := a
			switch {
			case !v.routed:
				if unrouted == nil {
					unrouted = &feed.Address{Interface: id, Local: a.Local, Underlay: a.Underlay, VNI: a.VNI, Unrouted: true}
				}
				seen = unrouted
			case !v.named:
				if unnamed == nil {
					unnamed = &feed.Address{Interface: id, Local: a.Local, Underlay: a.Underlay, VNI: a.VNI}
				}
				seen = unnamed
			}
			if seen.Underlay.IsValid() || !seen.Unrouted && (seen.Local || len(seen.Groups) > 0) {
				want[v.AddressKey] = seen
				h.owned[id] = append(h.owned[id], v.AddressKey)
			}
		}
	}
	for key, a := range want {
		diff(h.addresses, d.Addresses, key, a)
	}
}

// diff makes told[key] the new value and notes it in out if it differs.
func diff[K comparable, V any](told, out map[K]*V, key K, now *V) {
	was := told[key]
	if was == nil && now == nil || was != nil && now != nil && reflect.DeepEqual(was, now) {
		return
	}
	if now == nil {
		delete(told, key)
	} else {
		told[key] = now
	}
	out[key] = now
}

func carried(ifc *feed.Interface) []string {
	if ifc == nil {
		return nil
	}
	return ifc.Groups
}

// named returns the groups that a group's rules name, each once.
func named(g *feed.Group) []string {
	if g == nil {
		return nil
	}
	seen := keyset{}
	for _, rules := range g.Rules {
		for i := range rules {
			if id := rules[i].Peer.Group; id != "" {
				seen.add(id)
			}
		}
	}
	return seen.sorted()
}
