// SPDX-License-Identifier: Apache-2.0

package services

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Facts are what the services know of an interface and its instance.
type Facts struct {
	Interface  *secgroup.Interface
	Instance   *secgroup.Instance
	Subnet     *secgroup.Subnet
	VPC        *secgroup.VPC
	Interfaces []*secgroup.Interface // of the instance and of the same owner as Interface, by device index
	snap       *model.Snapshot
}

// FactsOf returns the facts of an interface, nil unless it is an instance's.
func FactsOf(snap *model.Snapshot, id string) *Facts {
	i := snap.Interfaces.Get(id)
	if i == nil || i.Attachment == nil {
		return nil
	}
	f := &Facts{Interface: i, Instance: snap.Instances.Get(i.Attachment.Instance), Subnet: snap.Subnets.Get(i.Subnet), VPC: snap.VPCs.Get(i.VPC), snap: snap}
	if f.Instance == nil || f.Subnet == nil || f.VPC == nil {
		return nil
	}
	for other := range snap.Interfaces.By(model.ByInstance, f.Instance.ID) {
		if other.Scope == i.Scope {
			f.Interfaces = append(f.Interfaces, other)
		}
	}
	slices.SortFunc(f.Interfaces, func(a, b *secgroup.Interface) int {
		return cmp.Compare(a.Attachment.DeviceIndex, b.Attachment.DeviceIndex)
	})
	return f
}

// inVPC reports whether an address is of the asker's VPC.
func (f *Facts) inVPC(a netip.Addr) bool {
	for _, blocks := range [][]secgroup.CIDRAssociation{f.VPC.CIDRs, f.VPC.IPv6} {
		if slices.ContainsFunc(blocks, func(b secgroup.CIDRAssociation) bool { return b.Prefix.Contains(a) }) {
			return true
		}
	}
	return false
}

// fleet returns the fleet that the instance runs for, nil for none.
func (f *Facts) fleet() *secgroup.Fleet {
	if what := f.Instance.Streaming; what != nil && what.Kind == secgroup.FleetKind {
		return f.snap.Fleets.Get(model.StreamingName(what.Owner, what.Name))
	}
	return nil
}
