// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	groupsForVPCPaging = paging{operation: "GetSecurityGroupsForVpc", min: 5, max: 1000}

	groupsForVPCFilters = filters[secgroup.Group]{names: map[string]func(*secgroup.Group) []string{
		"description":    one(func(g *secgroup.Group) string { return g.Description }),
		"group-id":       one(func(g *secgroup.Group) string { return g.ID }),
		"group-name":     one(func(g *secgroup.Group) string { return g.Name }),
		"owner-id":       one(func(g *secgroup.Group) string { return g.Account }),
		"primary-vpc-id": one(func(g *secgroup.Group) string { return g.VPC }),
	}}
)

// getSecurityGroupsForVPC is section 3.11 of docs/spec/ec2-api.md.
func (s *Service) getSecurityGroupsForVPC(c *awsapi.Call, in *ec2types.GetSecurityGroupsForVpcRequest) (func(context.Context) (*ec2types.GetSecurityGroupsForVpcResult, error), error) {
	vpc := deref(in.VpcId)
	if vpc == "" {
		return nil, missing("vpcId")
	}
	cursor, err := groupsForVPCPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	match, err := groupsForVPCFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.GetSecurityGroupsForVpcResult, error) {
		groups, err := control.SecurityGroupsFor(s.control.Read(), c.Scope(), vpc)
		if err != nil {
			return nil, err
		}
		shown, token := list(cursor, groups, match, groupAge, func(g *secgroup.Group) ec2types.SecurityGroupForVpc {
			return ec2types.SecurityGroupForVpc{
				GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, OwnerId: &g.Account, PrimaryVpcId: &g.VPC,
				Tags: tagSetOrEmpty(g.Tags),
			}
		})
		return &ec2types.GetSecurityGroupsForVpcResult{SecurityGroupForVpcs: shown, NextToken: token}, nil
	}, nil
}
