// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// public returns what stands for an interface's addresses on the internet, and
// whether its VPC is joined to that.
func public(snap *model.Snapshot, row *secgroup.Interface) (internet bool, out []feed.Public) {
	if snap.Gateway(row.VPC) == nil {
		return false, nil
	}
	for _, a := range row.Addresses {
		if p := snap.PublicAddress(row, a); p.IsValid() {
			out = append(out, feed.Public{Public: p, Private: a})
		}
	}
	return true, out
}

// routes returns what the network's table says of destinations that no interface
// has: nil if it leads none of them to the internet or to a NAT gateway.
func (n network) routes(snap *model.Snapshot) *feed.Routes {
	t, v := n.table(snap), snap.VPCs.Get(n.VPC)
	if t == nil || v == nil {
		return nil
	}
	out := &feed.Routes{}
	for _, p := range blocks(v) {
		out.Routes = append(out.Routes, feed.Route{Prefix: p.Masked()})
	}
	leads := false
	for i := range t.Routes {
		r := &t.Routes[i]
		way := feed.Route{Prefix: r.Destination.Masked()}
		if snap.Active(t, r) {
			way.Internet = r.Gateway != ""
			if g := snap.NATGateways.Get(r.NAT); g != nil {
				way.Via = g.Private
			}
		}
		leads = leads || way.Internet || way.Via.IsValid()
		out.Routes = append(out.Routes, way)
	}
	if !leads {
		return nil
	}
	slices.SortFunc(out.Routes, func(a, b feed.Route) int { return a.Prefix.Compare(b.Prefix) })
	return out
}

// blocks returns the address blocks of a VPC.
func blocks(v *secgroup.VPC) []netip.Prefix {
	var out []netip.Prefix
	for _, b := range slices.Concat(v.CIDRs, v.IPv6) {
		out = append(out, b.Prefix)
	}
	return out
}

// subnets returns the blocks of all subnets of a VPC.
func subnets(snap *model.Snapshot, vpc string) (out []netip.Prefix) {
	for s := range snap.Subnets.By(model.ByVPC, vpc) {
		out = append(out, s.CIDR)
		if s.IPv6 != nil {
			out = append(out, s.IPv6.Prefix)
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return out
}

// updateRoutes brings the routes of the host's networks up to date.
func (h *Host) updateRoutes(snap *model.Snapshot, d *feed.Delta) {
	want := map[string]*feed.Routes{}
	for id := range h.routes {
		want[id] = nil
	}
	for _, at := range h.networks {
		for n := range at {
			want[n.ID] = n.routes(snap)
		}
	}
	for id, r := range want {
		diff(h.routes, d.Routes, id, r)
	}
}

// associated notes which interface an Elastic IP address stands for now, and
// returns it and the one that it stood for before.
func (h *Host) associated(snap *model.Snapshot, id string) (now, was string) {
	was = h.elastic[id]
	if e := snap.ElasticIPs.Get(id); e != nil {
		now = e.Interface
	}
	if now == "" {
		delete(h.elastic, id)
	} else {
		h.elastic[id] = now
	}
	return now, was
}
