// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// routeTableOperations are those on route tables and which subnets use them.
func (s *Service) routeTableOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateRouteTable", s.createRouteTable),
		awsapi.RegionalOp(s.control, "DeleteRouteTable", s.deleteRouteTable),
		awsapi.RegionalOp(s.control, "DescribeRouteTables", s.describeRouteTables),
		awsapi.RegionalOp(s.control, "AssociateRouteTable", s.associateRouteTable),
		awsapi.RegionalOp(s.control, "DisassociateRouteTable", s.disassociateRouteTable),
		awsapi.RegionalOp(s.control, "ReplaceRouteTableAssociation", s.replaceRouteTableAssociation),
		awsapi.RegionalOp(s.control, "CreateRoute", s.createRoute),
		awsapi.RegionalOp(s.control, "ReplaceRoute", s.replaceRoute),
		awsapi.RegionalOp(s.control, "DeleteRoute", s.deleteRoute),
	}
}

// routeTable is a table as it is shown: what its VPC adds to it, too.
type routeTable struct {
	*secgroup.RouteTable
	main         bool
	routes       []ec2types.Route
	associations []ec2types.RouteTableAssociation
}

const (
	localGateway = "local"
	activeRoute  = "active"
	blackhole    = "blackhole" // its peering connection is over, its gateway not attached
)

var routeTablePaging = paging{
	operation: "DescribeRouteTables", min: 5, max: 100,
	withIDs: "The parameter RouteTableIds cannot be used with the parameter MaxResults",
}

// ofRoutes returns a property of each route that has it.
func ofRoutes(of func(*ec2types.Route) *string) func(*routeTable) []string {
	return func(t *routeTable) []string { return present(t.routes, of) }
}

func ofAssociations(of func(*ec2types.RouteTableAssociation) *string) func(*routeTable) []string {
	return func(t *routeTable) []string { return present(t.associations, of) }
}

// present returns a property of each element that has it.
func present[T any](in []T, of func(*T) *string) []string {
	var out []string
	for i := range in {
		if v := of(&in[i]); v != nil {
			out = append(out, *v)
		}
	}
	return out
}

var routeTableFilters = filters[routeTable]{
	names: map[string]func(*routeTable) []string{
		"association.main": ofAssociations(func(a *ec2types.RouteTableAssociation) *string {
			if *a.Main {
				return new("true")
			}
			return new("false")
		}),
		"association.route-table-association-id": ofAssociations(func(a *ec2types.RouteTableAssociation) *string { return a.RouteTableAssociationId }),
		"association.route-table-id":             ofAssociations(func(a *ec2types.RouteTableAssociation) *string { return a.RouteTableId }),
		"association.subnet-id":                  ofAssociations(func(a *ec2types.RouteTableAssociation) *string { return a.SubnetId }),
		"association.gateway-id":                 ofAssociations(func(a *ec2types.RouteTableAssociation) *string { return a.GatewayId }),
		"owner-id":                               one(func(t *routeTable) string { return t.Account }),
		"route-table-id":                         one(func(t *routeTable) string { return t.ID }),
		"route.destination-cidr-block":           ofRoutes(func(r *ec2types.Route) *string { return r.DestinationCidrBlock }),
		"route.destination-ipv6-cidr-block":      ofRoutes(func(r *ec2types.Route) *string { return r.DestinationIpv6CidrBlock }),
		"route.nat-gateway-id":                   ofRoutes(func(r *ec2types.Route) *string { return r.NatGatewayId }),
		"route.gateway-id":                       ofRoutes(func(r *ec2types.Route) *string { return r.GatewayId }),
		"route.origin":                           ofRoutes(func(r *ec2types.Route) *string { return r.Origin }),
		"route.state":                            ofRoutes(func(r *ec2types.Route) *string { return r.State }),
		"route.vpc-peering-connection-id":        ofRoutes(func(r *ec2types.Route) *string { return r.VpcPeeringConnectionId }),
		"vpc-id":                                 one(func(t *routeTable) string { return t.VPC }),
	},
	tags: func(t *routeTable) secgroup.Tags { return t.Tags },
}

func (s *Service) describeRouteTables(c *awsapi.Call, in *ec2types.DescribeRouteTablesRequest) (func(context.Context) (*ec2types.DescribeRouteTablesResult, error), error) {
	cursor, err := routeTablePaging.cursor(c.Scope(), in, len(in.RouteTableIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := routeTableFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeRouteTablesResult, error) {
		snap := s.control.Read()
		tables := each(control.RouteTables(snap, c.Scope()), func(t *secgroup.RouteTable) *routeTable { return completeTable(snap, t) })
		rows, err := byID(tables, in.RouteTableIds, func(t *routeTable) string { return t.ID }, "InvalidRouteTableID.NotFound", "routeTable")
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeRouteTablesResult{}
		out.RouteTables, out.NextToken = list(cursor, rows, match,
			func(t *routeTable) string { return sortKey(t.Created, t.ID) }, showRouteTable)
		return out, nil
	}, nil
}

// completeTable adds the routes within the VPC to a table, and says which of the
// others lead nowhere.
func completeTable(snap *model.Snapshot, t *secgroup.RouteTable) *routeTable {
	v := snap.VPCs.Get(t.VPC)
	out := &routeTable{RouteTable: t, main: v.MainRouteTable == t.ID}
	route := func(to netip.Prefix, origin, state string) *ec2types.Route {
		r := ec2types.Route{Origin: &origin, State: &state}
		if to.Addr().Is4() {
			r.DestinationCidrBlock = new(to.String())
		} else {
			r.DestinationIpv6CidrBlock = new(to.String())
		}
		out.routes = append(out.routes, r)
		return &out.routes[len(out.routes)-1]
	}
	for _, blocks := range [][]secgroup.CIDRAssociation{v.CIDRs, v.IPv6} {
		for _, a := range blocks {
			route(a.Prefix, "CreateRouteTable", activeRoute).GatewayId = new(localGateway)
		}
	}
	for _, r := range t.Routes {
		state := blackhole
		if snap.Active(t, &r) {
			state = activeRoute
		}
		shown := route(r.Destination, "CreateRoute", state)
		shown.VpcPeeringConnectionId, shown.GatewayId, shown.NatGatewayId = optional(r.Peering), optional(r.Gateway), optional(r.NAT)
	}
	tie := func(id string) *ec2types.RouteTableAssociation {
		out.associations = append(out.associations, ec2types.RouteTableAssociation{
			Main: new(false), RouteTableAssociationId: &id, RouteTableId: &t.ID, AssociationState: routeAssociated(),
		})
		return &out.associations[len(out.associations)-1]
	}
	if out.main {
		*tie(control.MainRouteAssociation(t.ID)).Main = true
	}
	for _, a := range t.Subnets {
		tie(a.ID).SubnetId = new(a.Subnet)
	}
	return out
}

func routeAssociated() *ec2types.RouteTableAssociationState {
	return &ec2types.RouteTableAssociationState{State: new(associated)}
}

func showRouteTable(t *routeTable) ec2types.RouteTable {
	out := ec2types.RouteTable{
		RouteTableId: &t.ID, VpcId: &t.VPC, OwnerId: &t.Account, PropagatingVgws: []ec2types.PropagatingVgw{},
		Tags: tagSetOrEmpty(t.Tags), Routes: t.routes, Associations: t.associations,
	}
	if out.Associations == nil {
		out.Associations = []ec2types.RouteTableAssociation{}
	}
	return out
}

func (s *Service) createRouteTable(c *awsapi.Call, in *ec2types.CreateRouteTableRequest) (func(context.Context) (*ec2types.CreateRouteTableResult, error), error) {
	tags, err := parseTagSpecifications(in.TagSpecifications, control.RouteTableType)
	if err != nil {
		return nil, err
	}
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateRouteTableResult, error) {
		t, err := s.control.CreateRouteTable(ctx, c.Behalf(), deref(in.VpcId), tags[control.RouteTableType], token)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateRouteTableResult{
			RouteTable: new(showRouteTable(completeTable(s.control.Read(), t))), ClientToken: in.ClientToken,
		}, nil
	}, nil
}

func (s *Service) deleteRouteTable(c *awsapi.Call, in *ec2types.DeleteRouteTableRequest) (func(context.Context) (*ec2types.DeleteRouteTableResult, error), error) {
	return func(ctx context.Context) (*ec2types.DeleteRouteTableResult, error) {
		return result[ec2types.DeleteRouteTableResult](s.control.DeleteRouteTable(ctx, c.Behalf(), deref(in.RouteTableId)))
	}, nil
}

// associateRouteTable ties a table to a subnet; there are no gateways to tie it to.
func (s *Service) associateRouteTable(c *awsapi.Call, in *ec2types.AssociateRouteTableRequest) (func(context.Context) (*ec2types.AssociateRouteTableResult, error), error) {
	if in.GatewayId != nil || in.PublicIpv4Pool != nil {
		return nil, errUnsupported
	}
	if deref(in.SubnetId) == "" {
		return nil, missing("subnetId")
	}
	return func(ctx context.Context) (*ec2types.AssociateRouteTableResult, error) {
		id, err := s.control.AssociateRouteTable(ctx, c.Behalf(), deref(in.RouteTableId), *in.SubnetId)
		if err != nil {
			return nil, err
		}
		return &ec2types.AssociateRouteTableResult{AssociationId: &id, AssociationState: routeAssociated()}, nil
	}, nil
}

func (s *Service) disassociateRouteTable(c *awsapi.Call, in *ec2types.DisassociateRouteTableRequest) (func(context.Context) (*ec2types.DisassociateRouteTableResult, error), error) {
	return func(ctx context.Context) (*ec2types.DisassociateRouteTableResult, error) {
		return result[ec2types.DisassociateRouteTableResult](s.control.DisassociateRouteTable(ctx, c.Behalf(), deref(in.AssociationId)))
	}, nil
}

func (s *Service) replaceRouteTableAssociation(c *awsapi.Call, in *ec2types.ReplaceRouteTableAssociationRequest) (func(context.Context) (*ec2types.ReplaceRouteTableAssociationResult, error), error) {
	return func(ctx context.Context) (*ec2types.ReplaceRouteTableAssociationResult, error) {
		id, err := s.control.ReplaceRouteTableAssociation(ctx, c.Behalf(), deref(in.AssociationId), deref(in.RouteTableId))
		if err != nil {
			return nil, err
		}
		return &ec2types.ReplaceRouteTableAssociationResult{NewAssociationId: &id, AssociationState: routeAssociated()}, nil
	}, nil
}
