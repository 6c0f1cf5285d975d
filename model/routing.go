// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/secgroup"
)

// ActivePeering returns the active peering connection of two VPCs, nil for none.
// There is one at most.
func (s *Snapshot) ActivePeering(a, b string) *secgroup.Peering {
	for p := range s.Peerings.By(ByVPC, a) {
		if p.State == secgroup.PeeringActive && p.Other(a).VPC == b {
			return p
		}
	}
	return nil
}

// MainRouteTable returns the table of a VPC's subnets that are tied to no other.
// One that was never changed is not stored.
func (s *Snapshot) MainRouteTable(v *secgroup.VPC) *secgroup.RouteTable {
	if t := s.RouteTables.Get(v.MainRouteTable); t != nil {
		return t
	}
	return &secgroup.RouteTable{Scope: v.Scope, ID: v.MainRouteTable, VPC: v.ID, Created: v.Created}
}

// RouteTableOf returns the table that routes for a subnet; explicit reports
// whether that is another than the VPC's main table, or tied to the subnet all
// the same. It returns nil when the VPC is not there.
func (s *Snapshot) RouteTableOf(subnet, vpc string) (t *secgroup.RouteTable, explicit bool) {
	for t := range s.RouteTables.By(BySubnet, subnet) {
		return t, true
	}
	if v := s.VPCs.Get(vpc); v != nil {
		return s.MainRouteTable(v), false
	}
	return nil, false
}

// Route returns the active peering connection through which a table sends packets
// for an address, nil for none: then they stay in the VPC or go nowhere.
func (s *Snapshot) Route(t *secgroup.RouteTable, a netip.Addr) *secgroup.Peering {
	r := t.Route(a)
	if r == nil {
		return nil
	}
	if r.Peering == "" || !s.Active(t, r) {
		return nil
	}
	return s.Peerings.Get(r.Peering)
}
