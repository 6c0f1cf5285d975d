// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// public returns what stands for an interface's addresses on the internet, and
// whether its VPC is joined to that.
func public(snap *model.Snapshot, row *secgroup.Interface) (internet bool, out []Public) {
	if snap.Gateway(row.VPC) == nil {
		return false, nil
	}
	for _, a := range row.Addresses {
		if p := snap.PublicAddress(row, a); p.IsValid() {
			out = append(out, Public{p, a})
		}
	}
	return true, out
}

// routes returns what the network's table says of destinations that no interface
// has: nil if it leads none of them to the internet.
func (n network) routes(snap *model.Snapshot) *Routes {
	t, v := n.table(snap), snap.VPCs.Get(n.VPC)
	if t == nil || v == nil {
		return nil
	}
	out := &Routes{}
	out.add(false, blocks(v)...)
	leads := false
	for i := range t.Routes {
		r := &t.Routes[i]
		internet := r.Gateway != "" && snap.Active(t, r)
		leads = leads || internet
		out.add(internet, r.Destination)
	}
	if !leads {
		return nil
	}
	slices.SortFunc(out.Routes, func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
	return out
}

func (r *Routes) add(internet bool, prefixes ...netip.Prefix) {
	for _, p := range prefixes {
		r.Routes = append(r.Routes, Route{p.Masked(), internet})
	}
}

// blocks returns the address blocks of a VPC.
func blocks(v *secgroup.VPC) []netip.Prefix {
	var out []netip.Prefix
	for _, b := range slices.Concat(v.CIDRs, v.IPv6) {
		out = append(out, b.Prefix)
	}
	return out
}

// updateRoutes brings the routes of the host's networks up to date.
func (h *Host) updateRoutes(snap *model.Snapshot, d *Delta) {
	want := map[string]*Routes{}
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
