// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// network is what interfaces of one VPC can reach that one route table routes
// for. Subnets that are tied to no table share the network of the VPC's name,
// whichever table is the main one; others have that of their table.
type network struct{ ID, VPC string }

// networkOf returns the network of the interfaces in a subnet.
func networkOf(snap *model.Snapshot, subnet, vpc string) network {
	if t, explicit := snap.RouteTableOf(subnet, vpc); explicit {
		return network{t.ID, vpc}
	}
	return network{vpc, vpc}
}

// table returns what routes for the network, nil if that is gone.
func (n network) table(snap *model.Snapshot) *secgroup.RouteTable {
	if n.ID != n.VPC {
		return snap.RouteTables.Get(n.ID)
	}
	if v := snap.VPCs.Get(n.VPC); v != nil {
		return snap.MainRouteTable(v)
	}
	return nil
}

// networks counts the interfaces of a host by VPC and network.
type networks map[string]map[network]int

// move counts one interface out of one network and into another; nil is none. It
// reports whether a network has come or gone.
func (n networks) move(was, now *feed.Interface) (changed bool) {
	if now != nil {
		at := network{now.Network, now.VPC}
		if n[at.VPC] == nil {
			n[at.VPC] = map[network]int{}
		}
		n[at.VPC][at]++
		changed = n[at.VPC][at] == 1
	}
	if was != nil {
		at := network{was.Network, was.VPC}
		if n[at.VPC][at]--; n[at.VPC][at] == 0 {
			delete(n[at.VPC], at)
			changed = true
		}
		if len(n[at.VPC]) == 0 {
			delete(n, at.VPC)
		}
	}
	return changed
}

// view is how a network of the host sees an address of an interface.
type view struct {
	feed.AddressKey
	named  bool // rules may name the groups of the interface
	routed bool // packets for the address go there
}

// views returns how the host's networks see the addresses of an interface. The
// networks of its VPC see all of them; those of a peered VPC see what their table
// routes to that connection, and rules there may name groups if both VPCs are in
// one Region (docs/spec/packet-semantics.md section 1.6). What a peered VPC's table
// does not route is seen as who may send. In every network an address means one
// place: package control sees to that.
func (n networks) views(snap *model.Snapshot, row *secgroup.Interface) []view {
	var out []view
	add := func(at network, named bool, routed func(netip.Addr) bool) {
		for _, addrs := range [][]netip.Addr{row.Addresses, row.IPv6} {
			for _, a := range addrs {
				out = append(out, view{feed.AddressKey{VPC: at.ID, Addr: a}, named, routed(a)})
			}
		}
		for _, prefixes := range [][]netip.Prefix{row.Prefixes, row.IPv6Prefixes} {
			for _, p := range prefixes {
				out = append(out, view{feed.AddressKey{VPC: at.ID, Addr: p.Addr(), Bits: p.Bits()}, named, routed(p.Addr())})
			}
		}
	}
	for at := range n[row.VPC] {
		add(at, true, func(netip.Addr) bool { return true })
	}
	for p := range snap.Peerings.By(model.ByVPC, row.VPC) {
		if p.State != secgroup.PeeringActive {
			continue
		}
		for at := range n[p.Other(row.VPC).VPC] {
			if t := at.table(snap); t != nil {
				add(at, p.References(), func(a netip.Addr) bool { return snap.Route(t, a) == p })
			}
		}
	}
	return out
}
