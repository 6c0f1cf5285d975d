// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
)

// Apply brings the host in line with a delta. The order keeps every packet's
// verdict that of the state before or after: who is behind an address first, in
// a way that changes no verdict yet where policies change too, then what
// interfaces are judged by, each interface with one atomic switch, and instances
// last. It returns when the kernel judges by the delta; making and
// removing instances goes on in Run.
func (a *Agent) Apply(d *feed.Delta) {
	began := time.Now()
	a.bringIn(d)
	took := time.Since(began)
	a.cfg.Log.Debug("in force", "revision", d.Revision, "requests", d.Origin, "instances", len(d.Instances), "interfaces", len(d.Interfaces),
		"groups", len(d.Groups), "addresses", len(d.Addresses), "routes", len(d.Routes), "took", took, "delay", d.Origin.Waited+took)
	if a.cfg.Applied != nil {
		a.cfg.Applied(d, took)
	}
}

func (a *Agent) bringIn(d *feed.Delta) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := a.applied == 0
	moved := map[string]bool{} // attached interfaces that shall be in another network
	for id, now := range d.Interfaces {
		if was := a.interfaces[id]; now == nil && was != nil {
			a.close(id, was.Instance)
		} else if now != nil && was != nil && now.Network != was.Network {
			moved[id] = true
		}
	}
	attached := a.giversFirst(d.Interfaces)
	merge(a.interfaces, d.Interfaces) // who is local decides what is told of addresses
	merge(a.groups, d.Groups)
	rejudge := a.outdate(d.Groups)
	a.mergeAddresses(d.Addresses)
	merge(a.routes, d.Routes)
	work := a.toDo(d.Instances)
	merge(a.instances, d.Instances)

	for _, id := range attached {
		if !moved[id] {
			a.try("interface "+id, func() error { return a.putInterface(id) }) // what judges it follows below
		}
	}
	// What changes with the policies takes effect with each interface's switch.
	turning := first || len(rejudge) > 0 || a.regrouped(d.Interfaces)
	// A network knows its addresses before an interface moves there, and the one
	// it leaves forgets them after.
	for key, now := range d.Addresses {
		if now != nil {
			a.tellAddress(key, turning)
		}
	}
	if first || len(d.Interfaces) > 0 {
		a.tellVNIs()
	}
	for id := range moved {
		if a.isAttached(id) {
			a.try("interface "+id, func() error { return a.putInterface(id) })
			a.tellAddressesOf(id)
		}
	}
	for key, now := range d.Addresses {
		if now == nil {
			a.tellAddress(key, false)
		}
	}
	for network := range d.Routes {
		a.tellRoutes(network)
	}
	a.judgeAll(d, rejudge)
	if turning {
		for key, now := range d.Addresses {
			if now != nil {
				a.tellAddress(key, false)
			}
		}
	}
	if first {
		a.dropLeftovers()
	}
	if first {
		a.bringOverlay()
	}
	if len(d.Interfaces)+len(d.Routes) > 0 {
		a.bringUplink()
	}
	for _, id := range work {
		a.work(id)
	}
	a.applied = d.Revision // less, if the store was restored from a backup
	for id, now := range d.Interfaces {
		switch {
		case now == nil:
			delete(a.claims, id)
		case now.Device != "":
			a.tryDevice(id)
		default:
			a.work(now.Instance)
		}
	}
	a.turn()
	a.signal()
}

// toDo returns the changed instances that somebody has to look at.
func (a *Agent) toDo(changed map[string]*feed.Instance) (ids []string) {
	for id, now := range changed {
		if now == nil || !sameWork(a.instances[id], now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// signal tells those who wait that something has come into force.
func (a *Agent) signal() {
	close(a.moved)
	a.moved = make(chan struct{})
}

// giversFirst returns the changed interfaces that are attached and stay wanted,
// those first that give up an address: another one may get it.
func (a *Agent) giversFirst(changed map[string]*feed.Interface) []string {
	var givers, others []string
	for id, now := range changed {
		if now == nil || now.Releasing || !a.isAttached(id) {
			continue
		}
		was := a.interfaces[id]
		if was != nil && (gives(was.Addresses, now.Addresses) || gives(was.Prefixes, now.Prefixes)) {
			givers = append(givers, id)
		} else {
			others = append(others, id)
		}
	}
	return append(givers, others...)
}

func gives(was, now []netip.Prefix) bool {
	return slices.ContainsFunc(was, func(p netip.Prefix) bool { return !slices.Contains(now, p) })
}

// merge takes a delta's values into all; nil removes.
func merge[K comparable, V any](all, delta map[K]*V) {
	for key, now := range delta {
		if now == nil {
			delete(all, key)
		} else {
			all[key] = now
		}
	}
}

func (a *Agent) isAttached(id string) bool { _, ok := a.attached[id]; return ok }

// putInterface makes the datapath know an attached interface as it is wanted
// now. The programs are on its device when it returns nil; it is closed until a
// policy judges it.
func (a *Agent) putInterface(id string) error {
	dev, want := a.attached[id], a.interfaces[id]
	if want == nil || want.Releasing {
		return nil // detached meanwhile
	}
	mac, err := net.ParseMAC(want.MAC)
	if err != nil {
		return fmt.Errorf("interface %s: %w", id, err)
	}
	spec := datapath.Interface{
		ID: id, Attached: want.Device != "", Own: want.Own, Instance: want.Instance, VPC: want.VPC, Network: want.Network, Device: dev.name, Ifindex: dev.index, MAC: mac,
		Prefixes: want.Prefixes, Internet: want.Internet, Public: map[netip.Addr]netip.Addr{},
		RouterAddresses: want.Gateways, VPCPrefixes: want.VPCPrefixes, Subnets: want.Subnets, SourceDestCheck: want.SourceDestCheck,
		Allowance: want.TrackedFlows,
	}
	for _, p := range want.Addresses {
		spec.Addresses = append(spec.Addresses, p.Addr())
		if p.Addr().Is4() {
			spec.Subnet = p.Masked()
		}
	}
	for _, p := range want.Public {
		spec.Public[p.Private] = p.Public
	}
	spec.Tracking.TCPEstablished = time.Duration(want.Tracking.TCPEstablished) * time.Second
	spec.Tracking.UDP = time.Duration(want.Tracking.UDP) * time.Second
	spec.Tracking.UDPStream = time.Duration(want.Tracking.UDPStream) * time.Second
	return a.cfg.Datapath.Attach(spec)
}

// regrouped reports whether an attached interface of a delta is judged by other
// groups than it shall be.
func (a *Agent) regrouped(changed map[string]*feed.Interface) bool {
	for id, now := range changed {
		if now != nil && a.isAttached(id) && !a.isJudged(id) {
			return true
		}
	}
	return false
}

// judgeAll switches the attached ones of a delta's interfaces, and those that
// changed groups judge, to the policies of their groups.
func (a *Agent) judgeAll(d *feed.Delta, rejudge []string) {
	for id, now := range d.Interfaces {
		if now != nil && a.isAttached(id) {
			a.tryJudge(id, d.Revision)
		}
	}
	for _, id := range rejudge {
		a.tryJudge(id, d.Revision)
	}
}

// close takes an interface out of force that is no longer wanted. It drops
// everything until release.
func (a *Agent) close(id, instance string) {
	dev, there := a.attached[id]
	if !there {
		return
	}
	delete(a.attached, id)
	a.closed[id] = closed{instance, dev}
	a.try("interface "+id, func() error {
		if _, still := a.closed[id]; !still {
			return nil
		}
		return a.cfg.Datapath.SetPolicy(id, 0, a.applied)
	})
	a.unjudge(id)
}

// release forgets a closed interface whose device is gone.
func (a *Agent) release(id string) {
	if _, there := a.closed[id]; !there {
		return
	}
	delete(a.closed, id)
	a.try("interface "+id, func() error {
		if err := a.cfg.Datapath.Detach(id); !errors.Is(err, datapath.ErrNotFound) {
			return err
		}
		return nil
	})
}

// closedOf returns the closed interfaces of an instance.
func (a *Agent) closedOf(instance string) []string {
	var ids []string
	for id, c := range a.closed {
		if c.instance == instance {
			ids = append(ids, id)
		}
	}
	return ids
}

// tellAddress makes the datapath know who is behind an address, or that nobody
// is. turning says that policies are about to change with its groups.
func (a *Agent) tellAddress(key feed.AddressKey, turning bool) {
	a.try(fmt.Sprintf("address %s in %s", key, key.VPC), func() error {
		want := a.addresses[key]
		if want == nil {
			err := a.forgetAddress(key)
			if errors.Is(err, datapath.ErrNotFound) {
				return nil // never told, or gone with its interface
			}
			return err
		}
		told := datapath.Address{VPC: key.VPC, Addr: key.Addr, Bits: key.Bits, Groups: want.Groups, Turning: turning}
		told.Host, told.VNI, told.Unrouted = want.Underlay, want.VNI, want.Unrouted
		if want.Local && a.isAttached(want.Interface) {
			told.Interface = want.Interface
		}
		return a.cfg.Datapath.PutAddress(told)
	})
}

func (a *Agent) forgetAddress(key feed.AddressKey) error {
	if key.Bits == 0 {
		return a.cfg.Datapath.DeleteAddress(key.VPC, key.Addr)
	}
	return a.cfg.Datapath.DeletePrefix(key.VPC, netip.PrefixFrom(key.Addr, key.Bits))
}

// mergeAddresses takes a delta's addresses into all.
func (a *Agent) mergeAddresses(delta map[feed.AddressKey]*feed.Address) {
	for key := range delta {
		if was := a.addresses[key]; was != nil {
			delete(a.owned[was.Interface], key)
			if len(a.owned[was.Interface]) == 0 {
				delete(a.owned, was.Interface)
			}
		}
	}
	merge(a.addresses, delta)
	for key, now := range delta {
		if now != nil {
			if a.owned[now.Interface] == nil {
				a.owned[now.Interface] = map[feed.AddressKey]struct{}{}
			}
			a.owned[now.Interface][key] = struct{}{}
		}
	}
}

// tellAddressesOf tells the addresses of one interface again, in every network.
func (a *Agent) tellAddressesOf(id string) {
	for key := range a.owned[id] {
		a.tellAddress(key, false)
	}
}

// dropLeftovers removes what an earlier agent left in the kernel and nobody
// wants any more. It runs once the first delta, which says everything, is in.
func (a *Agent) dropLeftovers() {
	for _, id := range slices.Collect(maps.Keys(a.attached)) {
		if a.interfaces[id] == nil {
			a.close(id, "")
		}
	}
	for _, left := range a.cfg.Datapath.Adopted().Addresses {
		key := feed.AddressKey{VPC: left.VPC, Addr: left.Addr, Bits: left.Bits}
		if a.addresses[key] == nil {
			a.tellAddress(key, false)
		}
	}
	for _, network := range a.cfg.Datapath.Adopted().Networks {
		if a.routes[network] == nil {
			a.tellRoutes(network)
		}
	}
	a.destroyLeftovers()
	a.cfg.Log.Info("brought in line", "interfaces", len(a.interfaces), "groups", len(a.groups), "addresses", len(a.addresses))
}
