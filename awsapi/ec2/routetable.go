// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

var routeTablePaging = paging{
	operation: "DescribeRouteTables", min: 5, max: 100,
	withIDs: "The parameter RouteTableIds cannot be used with the parameter MaxResults",
}

func mainRouteTable(c *companion) string { return c.MainRouteTable }

// The one route that a main route table has for each block of its VPC.
const (
	localGateway = "local"
	routeOrigin  = "CreateRouteTable"
	routeState   = "active"
)

// ofBlocks returns the VPC's blocks of a family as text.
func ofBlocks(blocks func(*companion) []secgroup.CIDRAssociation) func(*companion) []string {
	return func(c *companion) []string { return associations(blocks(c), blockText) }
}

var routeTableFilters = filters[companion]{
	names: map[string]func(*companion) []string{
		"association.main":                       one(func(*companion) string { return "true" }),
		"association.route-table-association-id": one(func(c *companion) string { return association("rtbassoc", c.MainRouteTable) }),
		"association.route-table-id":             one(mainRouteTable),
		"association.subnet-id":                  func(*companion) []string { return nil },
		"association.gateway-id":                 func(*companion) []string { return nil },
		"owner-id":                               one(func(c *companion) string { return c.Account }),
		"route-table-id":                         one(mainRouteTable),
		"route.destination-cidr-block":           ofBlocks(func(c *companion) []secgroup.CIDRAssociation { return c.CIDRs }),
		"route.destination-ipv6-cidr-block":      ofBlocks(func(c *companion) []secgroup.CIDRAssociation { return c.IPv6 }),
		"route.gateway-id":                       one(func(*companion) string { return localGateway }),
		"route.origin":                           one(func(*companion) string { return routeOrigin }),
		"route.state":                            one(func(*companion) string { return routeState }),
		"vpc-id":                                 one(func(c *companion) string { return c.ID }),
	},
	tags: func(*companion) secgroup.Tags { return nil },
}

func (s *Service) describeRouteTables(c *awsapi.Call, in *ec2types.DescribeRouteTablesRequest) (func(context.Context) (*ec2types.DescribeRouteTablesResult, error), error) {
	cursor, err := routeTablePaging.cursor(scopeOf(c), in, len(in.RouteTableIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := routeTableFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeRouteTablesResult, error) {
		rows, err := byID(s.companions(scopeOf(c)), in.RouteTableIds, mainRouteTable, "InvalidRouteTableID.NotFound", "routeTable")
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeRouteTablesResult{}
		out.RouteTables, out.NextToken = list(cursor, rows, match,
			func(c *companion) string { return sortKey(c.Created, c.MainRouteTable) }, showRouteTable)
		return out, nil
	}, nil
}

func showRouteTable(c *companion) ec2types.RouteTable {
	table := ec2types.RouteTable{
		RouteTableId: new(c.MainRouteTable), VpcId: new(c.ID), OwnerId: new(c.Account),
		PropagatingVgws: []ec2types.PropagatingVgw{}, Tags: []ec2types.Tag{},
		Associations: []ec2types.RouteTableAssociation{{
			Main: new(true), RouteTableAssociationId: new(association("rtbassoc", c.MainRouteTable)), RouteTableId: new(c.MainRouteTable),
			AssociationState: &ec2types.RouteTableAssociationState{State: new(associated)},
		}},
	}
	for _, family := range []struct {
		blocks []secgroup.CIDRAssociation
		field  func(*ec2types.Route) **string
	}{
		{c.CIDRs, func(r *ec2types.Route) **string { return &r.DestinationCidrBlock }},
		{c.IPv6, func(r *ec2types.Route) **string { return &r.DestinationIpv6CidrBlock }},
	} {
		for _, a := range family.blocks {
			route := ec2types.Route{GatewayId: new(localGateway), Origin: new(routeOrigin), State: new(routeState)}
			*family.field(&route) = new(a.Prefix.String())
			table.Routes = append(table.Routes, route)
		}
	}
	return table
}
