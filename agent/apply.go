// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
)

// Apply brings the host in line with a delta. The order keeps every packet's
// verdict that of the state before or after: who is behind an address first,
// then what interfaces are judged by, each interface with one atomic switch, and
// instances last. It returns when the kernel judges by the delta; making and
// removing instances goes on in Run.
func (a *Agent) Apply(d *feed.Delta) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := a.applied == 0
	merge(a.interfaces, d.Interfaces) // who is local decides what is told of addresses
	merge(a.groups, d.Groups)
	merge(a.addresses, d.Addresses)
	merge(a.instances, d.Instances)

	for id, now := range d.Interfaces {
		if now != nil && a.isAttached(id) {
			a.try("interface "+id, func() error { return a.putInterface(id) }) // what judges it follows below
		}
	}
	for key := range d.Addresses {
		a.tellAddress(key)
	}
	for key, p := range a.policies {
		if slices.ContainsFunc(p.groups, func(g string) bool { _, changed := d.Groups[g]; return changed }) {
			a.tryRefresh(key, d.Revision)
		}
	}
	for id, now := range d.Interfaces {
		switch {
		case now == nil:
			a.detach(id)
		case a.isAttached(id):
			a.tryJudge(id, d.Revision)
		}
	}
	if first {
		a.dropLeftovers()
	}
	for id := range d.Instances {
		a.work(id)
	}
	for _, now := range d.Interfaces {
		if now != nil {
			a.work(now.Instance)
		}
	}
	if d.Revision > a.applied {
		a.applied = d.Revision
		close(a.moved)
		a.moved = make(chan struct{})
	}
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
	if want == nil {
		return nil // detached meanwhile
	}
	mac, err := net.ParseMAC(want.MAC)
	if err != nil {
		return fmt.Errorf("interface %s: %w", id, err)
	}
	spec := datapath.Interface{
		ID: id, VPC: want.VPC, Device: dev.name, Ifindex: dev.index, MAC: mac,
		RouterAddresses: want.Gateways, VPCPrefixes: want.VPCPrefixes, SourceDestCheck: want.SourceDestCheck,
	}
	for _, p := range want.Addresses {
		spec.Addresses = append(spec.Addresses, p.Addr())
	}
	spec.Tracking.TCPEstablished = time.Duration(want.Tracking.TCPEstablished) * time.Second
	spec.Tracking.UDP = time.Duration(want.Tracking.UDP) * time.Second
	spec.Tracking.UDPStream = time.Duration(want.Tracking.UDPStream) * time.Second
	return a.cfg.Datapath.Attach(spec)
}

// detach takes an interface out of force. Its device goes with its instance.
func (a *Agent) detach(id string) {
	if !a.isAttached(id) {
		return
	}
	a.try("interface "+id, func() error { return a.cfg.Datapath.Detach(id) })
	delete(a.attached, id)
	a.unjudge(id)
}

// tellAddress makes the datapath know who is behind an address, or that nobody
// is.
func (a *Agent) tellAddress(key feed.AddressKey) {
	a.try("address "+key.Addr.String()+" in "+key.VPC, func() error {
		want := a.addresses[key]
		if want == nil {
			return a.cfg.Datapath.DeleteAddress(key.VPC, key.Addr)
		}
		told := datapath.Address{VPC: key.VPC, Addr: key.Addr, Groups: want.Groups}
		if want.Local && a.isAttached(want.Interface) {
			told.Interface = want.Interface
		}
		return a.cfg.Datapath.PutAddress(told)
	})
}

// tellAddressesOf tells the addresses of one interface again.
func (a *Agent) tellAddressesOf(id string) {
	want := a.interfaces[id]
	for _, p := range want.Addresses {
		if key := (feed.AddressKey{VPC: want.VPC, Addr: p.Addr()}); a.addresses[key] != nil {
			a.tellAddress(key)
		}
	}
}

// dropLeftovers removes what an earlier agent left in the kernel and nobody
// wants any more. It runs once the first delta, which says everything, is in.
func (a *Agent) dropLeftovers() {
	for _, id := range slices.Collect(maps.Keys(a.attached)) {
		if a.interfaces[id] == nil {
			a.detach(id)
		}
	}
	for _, left := range a.cfg.Datapath.Adopted().Addresses {
		key := feed.AddressKey{VPC: left.VPC, Addr: left.Addr}
		if a.addresses[key] == nil {
			a.tellAddress(key)
		}
	}
	a.destroyLeftovers()
	a.cfg.Log.Info("brought in line", "interfaces", len(a.interfaces), "groups", len(a.groups), "addresses", len(a.addresses))
}
