// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"cmp"
	"slices"
	"strings"
)

// Adopted is what Open found in force.
type Adopted struct {
	Interfaces []string  // ids, sorted
	Networks   []string  // with routes to the internet, sorted
	Addresses  []Address // with the groups they were put in, if any
}

// Adopted returns what is in force now; right after Open, that is what an
// earlier process left. Whoever reconciles detaches and deletes what is not
// wanted any more.
func (d *Datapath) Adopted() Adopted {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out Adopted
	for id := range d.slots {
		out.Interfaces = append(out.Interfaces, id)
	}
	slices.Sort(out.Interfaces)
	for network := range d.ways {
		out.Networks = append(out.Networks, d.vpcOf(network))
	}
	slices.Sort(out.Networks)
	for p, a := range d.addresses {
		addr := Address{VPC: d.vpcOf(p.vpc), Addr: p.addr, Bits: p.bits}
		if a.slot != nil {
			addr.Interface = a.slot.id
		}
		if a.class != nil {
			addr.Groups = slices.Clone(a.class.groups)
		}
		addr.where(d.remotes[p])
		out.Addresses = append(out.Addresses, addr)
	}
	for p, r := range d.remotes {
		if d.addresses[p] == nil {
			addr := Address{VPC: d.vpcOf(p.vpc), Addr: p.addr, Bits: p.bits}
			addr.where(r)
			out.Addresses = append(out.Addresses, addr)
		}
	}
	slices.SortFunc(out.Addresses, func(a, b Address) int {
		if c := strings.Compare(a.VPC, b.VPC); c != 0 {
			return c
		}
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Bits, b.Bits))
	})
	return out
}
