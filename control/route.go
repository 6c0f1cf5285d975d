// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// CreateRoute sends packets of a table's subnets for a block through a peering
// connection, to the VPC's internet gateway or to a NAT gateway of the VPC. To make the same route again changes nothing.
//
// Errors: InvalidRouteTableID.NotFound, InvalidGatewayID.NotFound,
// InvalidVpcPeeringConnectionID.NotFound, NatGatewayNotFound, InvalidParameterValue,
// RouteAlreadyExists, RouteLimitExceeded.
func (s *Service) CreateRoute(ctx context.Context, caller Caller, table string, route secgroup.Route) error {
	return s.changeRoutes(ctx, caller, table, func(tx *model.Tx, t *secgroup.RouteTable) error {
		if err := checkRoute(tx.Snapshot, t, route); err != nil {
			return err
		}
		if i := routeTo(t, route.Destination); i >= 0 {
			if t.Routes[i] == route {
				return nil
			}
			return secgroup.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", route.Destination)
		}
		if len(t.Routes) >= s.quotas(tx.Snapshot, caller.Scope).RoutesPerTable {
			return secgroup.Errorf("RouteLimitExceeded", "The maximum number of routes has been reached.")
		}
		t.Routes = append(t.Routes, route)
		return nil
	})
}

// ReplaceRoute sends packets for a block that a route is for another way.
//
// Errors: as of CreateRoute, and InvalidRoute.NotFound.
func (s *Service) ReplaceRoute(ctx context.Context, caller Caller, table string, route secgroup.Route) error {
	return s.changeRoutes(ctx, caller, table, func(tx *model.Tx, t *secgroup.RouteTable) error {
		if err := checkRoute(tx.Snapshot, t, route); err != nil {
			return err
		}
		i := routeTo(t, route.Destination)
		if i < 0 {
			return noRoute(t, route.Destination)
		}
		t.Routes[i] = route
		return nil
	})
}

// DeleteRoute removes the route for a block. The routes within the VPC stay.
//
// Errors: InvalidRouteTableID.NotFound, InvalidRoute.NotFound,
// InvalidParameterValue.
func (s *Service) DeleteRoute(ctx context.Context, caller Caller, table string, destination netip.Prefix) error {
	return s.changeRoutes(ctx, caller, table, func(tx *model.Tx, t *secgroup.RouteTable) error {
		i := routeTo(t, destination)
		if i < 0 && slices.Contains(blocksOf(tx.Snapshot, t.VPC), destination) {
			return secgroup.Errorf("InvalidParameterValue", "cannot remove local route %s in route table %s", destination, t.ID)
		}
		if i < 0 {
			return noRoute(t, destination)
		}
		t.Routes = slices.Delete(t.Routes, i, i+1)
		return nil
	})
}

func (s *Service) changeRoutes(ctx context.Context, caller Caller, table string, change func(*model.Tx, *secgroup.RouteTable) error) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		t, err := routeTableOf(tx.Snapshot, caller.Scope, table)
		if err != nil {
			return err
		}
		next := *t
		next.Routes = slices.Clone(t.Routes)
		if err := change(tx, &next); err != nil {
			return err
		}
		tx.RouteTables.Put(&next)
		return nil
	})
}

var noGateway = absent{"InvalidGatewayID.NotFound", "gateway"}

// checkTarget refuses routes to what is no active peering connection, and neither
// the internet gateway nor a NAT gateway of the table's VPC.
func checkTarget(snap *model.Snapshot, t *secgroup.RouteTable, route secgroup.Route) error {
	if route.Gateway != "" {
		g := snap.InternetGateways.Get(route.Gateway)
		if g == nil || g.Scope != t.Scope {
			return noGateway.err(route.Gateway)
		}
		if !snap.Active(t, &route) {
			return secgroup.Errorf("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", t.ID, g.ID)
		}
		return nil
	}
	if route.NAT != "" {
		g, err := natGatewayOf(snap, t.Scope, route.NAT)
		if err != nil {
			return err
		}
		if g.VPC != t.VPC {
			return secgroup.Errorf("InvalidParameterValue", "route table %s and nat gateway %s belong to different networks", t.ID, g.ID)
		}
		if !g.There() {
			return noNATGateway.err(g.ID)
		}
		return nil
	}
	p := snap.Peerings.Get(route.Peering)
	if p == nil || p.Side(t.Scope) == nil {
		return noPeering.err(route.Peering)
	}
	if !snap.Active(t, &route) {
		return secgroup.Errorf("InvalidParameterValue", "The peering connection %s is not an active one of the VPC %s.", p.ID, t.VPC)
	}
	return nil
}

// checkRoute refuses routes to what is not there or not the VPC's, and for what
// lies in the VPC.
func checkRoute(snap *model.Snapshot, t *secgroup.RouteTable, route secgroup.Route) error {
	if err := checkTarget(snap, t, route); err != nil {
		return err
	}
	if slices.ContainsFunc(blocksOf(snap, t.VPC), func(block netip.Prefix) bool {
		return block.Bits() <= route.Destination.Bits() && block.Contains(route.Destination.Addr())
	}) {
		return secgroup.Errorf("InvalidParameterValue",
			"The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.",
			route.Destination)
	}
	return nil
}

func routeTo(t *secgroup.RouteTable, destination netip.Prefix) int {
	return slices.IndexFunc(t.Routes, func(r secgroup.Route) bool { return r.Destination == destination })
}

func noRoute(t *secgroup.RouteTable, destination netip.Prefix) error {
	return secgroup.Errorf("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", destination, t.ID)
}

func blocksOf(snap *model.Snapshot, vpc string) []netip.Prefix {
	v := snap.VPCs.Get(vpc)
	return prefixesOf(slices.Concat(v.CIDRs, v.IPv6))
}
