// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// groupOperations are the operations on groups and their rules.
func (s *Service) groupOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateSecurityGroup", s.createSecurityGroup),
		awsapi.RegionalOp(s.control, "DeleteSecurityGroup", s.deleteSecurityGroup),
		awsapi.RegionalOp(s.control, "DescribeSecurityGroups", s.describeSecurityGroups),
		awsapi.RegionalOp(s.control, "DescribeSecurityGroupRules", s.describeSecurityGroupRules),
		awsapi.RegionalOp(s.control, "AuthorizeSecurityGroupIngress", s.authorizeIngress),
		awsapi.RegionalOp(s.control, "AuthorizeSecurityGroupEgress", s.authorizeEgress),
		awsapi.RegionalOp(s.control, "RevokeSecurityGroupIngress", s.revokeIngress),
		awsapi.RegionalOp(s.control, "RevokeSecurityGroupEgress", s.revokeEgress),
		awsapi.RegionalOp(s.control, "ModifySecurityGroupRules", s.modifySecurityGroupRules),
		awsapi.RegionalOp(s.control, "UpdateSecurityGroupRuleDescriptionsIngress", s.redescribeIngress),
		awsapi.RegionalOp(s.control, "UpdateSecurityGroupRuleDescriptionsEgress", s.redescribeEgress),
		awsapi.RegionalOp(s.control, "GetSecurityGroupsForVpc", s.getSecurityGroupsForVPC),
	}
}

// createSecurityGroup is section 3.1 of docs/spec/ec2-api.md.
func (s *Service) createSecurityGroup(c *awsapi.Call, in *ec2types.CreateSecurityGroupRequest) (func(context.Context) (*ec2types.CreateSecurityGroupResult, error), error) {
	name, err := secgroup.CheckGroupName(deref(in.GroupName))
	if err != nil {
		return nil, err
	}
	if err := secgroup.CheckGroupDescription(deref(in.Description)); err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.GroupType)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateSecurityGroupResult, error) {
		g, err := s.control.CreateSecurityGroup(ctx, c.Behalf(), control.NewGroup{
			VPC: deref(in.VpcId), Name: name, Description: *in.Description, Tags: tags[control.GroupType],
		})
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateSecurityGroupResult{
			GroupId: &g.ID, SecurityGroupArn: new(arn(g.Scope, control.GroupType, g.ID)), Tags: tagSet(g.Tags),
		}, nil
	}, nil
}

// deleteSecurityGroup is section 3.2.
func (s *Service) deleteSecurityGroup(c *awsapi.Call, in *ec2types.DeleteSecurityGroupRequest) (func(context.Context) (*ec2types.DeleteSecurityGroupResult, error), error) {
	ref := control.GroupRef{ID: deref(in.GroupId), Name: deref(in.GroupName)}
	if ref == (control.GroupRef{}) {
		return nil, missing("groupName or groupId")
	}
	if ref.ID != "" && !secgroup.WellFormed(secgroup.GroupPrefix, ref.ID) {
		return nil, secgroup.Errorf(badGroupID, "The security-group ID '%s' is malformed", ref.ID)
	}
	return func(ctx context.Context) (*ec2types.DeleteSecurityGroupResult, error) {
		id, err := s.control.DeleteSecurityGroup(ctx, c.Behalf(), ref)
		if err != nil {
			return nil, err
		}
		return &ec2types.DeleteSecurityGroupResult{Return: new(true), GroupId: &id}, nil
	}, nil
}

var groupPaging = paging{
	operation: "DescribeSecurityGroups", min: 5, max: 1000, old: true,
	withIDs: "The parameter securityGroupIdSet cannot be used with the parameter maxResults",
}

// describeSecurityGroups is section 3.3.
func (s *Service) describeSecurityGroups(c *awsapi.Call, in *ec2types.DescribeSecurityGroupsRequest) (func(context.Context) (*ec2types.DescribeSecurityGroupsResult, error), error) {
	cursor, err := groupPaging.cursor(c.Scope(), in, len(in.GroupIds) > 0)
	if err != nil {
		return nil, err
	}
	after, ok := cursor.place()
	if !ok {
		return nil, groupPaging.badToken(*in.NextToken)
	}
	for _, id := range in.GroupIds {
		if err := secgroup.CheckID(secgroup.GroupPrefix, id, badGroupID); err != nil {
			return nil, err
		}
	}
	// An unknown name is reported before a bad filter (section 1.5).
	match, badFilter := compileGroupFilters(in.Filters)
	if badFilter != nil && (len(in.GroupNames) == 0 || deref(in.DryRun)) {
		return nil, badFilter
	}
	return func(context.Context) (*ec2types.DescribeSecurityGroupsResult, error) {
		snap := s.control.Read()
		rows := groupFinder.rows(snap, c.Scope(), in.Filters, after)
		if len(in.GroupIds)+len(in.GroupNames) > 0 {
			named, err := control.SecurityGroups(snap, c.Scope(), in.GroupIds, in.GroupNames)
			if err != nil {
				return nil, err
			}
			rows = aged(&snap.Groups, named, after)
		}
		if badFilter != nil {
			return nil, badFilter
		}
		shown, token := walk(cursor, rows, match, func(g *secgroup.Group) string { return snap.Groups.Place(g).Key() },
			func(g *secgroup.Group) ec2types.SecurityGroup { return s.showGroup(snap, g) })
		return &ec2types.DescribeSecurityGroupsResult{SecurityGroups: shown, NextToken: token}, nil
	}, nil
}

var groupFinder = finder[secgroup.Group]{
	table: func(snap *model.Snapshot) *model.Table[secgroup.Group] { return &snap.Groups },
	scope: func(g *secgroup.Group) secgroup.Scope { return g.Scope },
	by: []way{
		{"group-id", theirIDs, itself},
		{"ip-permission.group-id", model.ByReferenced, itself}, {"egress.ip-permission.group-id", model.ByReferenced, itself},
		{"ip-permission.cidr", model.ByBlock, blockValue}, {"egress.ip-permission.cidr", model.ByBlock, blockValue},
		{"ip-permission.ipv6-cidr", model.ByBlock, blockValue}, {"egress.ip-permission.ipv6-cidr", model.ByBlock, blockValue},
		{"ip-permission.prefix-list-id", model.ByPrefixList, itself}, {"egress.ip-permission.prefix-list-id", model.ByPrefixList, itself},
		tagWay,
		{"vpc-id", model.ByVPC, itself},
	},
}

func blockValue(scope secgroup.Scope, _, block string) string { return model.BlockValue(scope, block) }

// groupAge is a group's place in listings that are made of other things.
func groupAge(g *secgroup.Group) string { return sortKey(g.Created, g.ID) }

// showGroup returns a group as results show it.
func (s *Service) showGroup(snap *model.Snapshot, g *secgroup.Group) ec2types.SecurityGroup {
	return ec2types.SecurityGroup{
		OwnerId: &g.Account, GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPC,
		SecurityGroupArn:    new(arn(g.Scope, control.GroupType, g.ID)),
		IpPermissions:       s.showRules(snap, g, false),
		IpPermissionsEgress: s.showRules(snap, g, true),
		Tags:                tagSet(g.Tags),
	}
}

// groupFilters are those of section 3.3.
var groupFilters = filters[secgroup.Group]{
	names: withRuleFilters(map[string]func(*secgroup.Group) []string{
		"description": one(func(g *secgroup.Group) string { return g.Description }),
		"group-id":    one(func(g *secgroup.Group) string { return g.ID }),
		"group-name":  one(func(g *secgroup.Group) string { return g.Name }),
		"owner-id":    one(func(g *secgroup.Group) string { return g.Account }),
		"vpc-id":      one(func(g *secgroup.Group) string { return g.VPC }),
	}),
	tags: func(g *secgroup.Group) secgroup.Tags { return g.Tags },
}

// withRuleFilters adds the filters on rules, which different rules of a group may
// satisfy, for both directions.
func withRuleFilters(names map[string]func(*secgroup.Group) []string) map[string]func(*secgroup.Group) []string {
	for name, value := range ruleFilters {
		for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
			names[prefix+name] = func(g *secgroup.Group) []string {
				var values []string
				for i := range g.Rules {
					if g.Rules[i].Egress != egress {
						continue
					}
					if v := value(&g.Rules[i]); v != "" {
						values = append(values, v)
					}
				}
				return values
			}
		}
	}
	return names
}

// compileGroupFilters is groupFilters with the check that the real service makes
// of one value: what is neither a VPC's id nor a pattern.
func compileGroupFilters(in []ec2types.Filter) (func(*secgroup.Group) bool, error) {
	for i := range in {
		if deref(in[i].Name) != "vpc-id" {
			continue
		}
		for _, v := range in[i].Values {
			if !strings.HasPrefix(v, secgroup.VPCPrefix+"-") && !strings.ContainsAny(v, "*?") {
				return nil, secgroup.Errorf("InvalidParameterValue", "vpc-id")
			}
		}
	}
	return groupFilters.compile(in)
}
