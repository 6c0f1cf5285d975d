// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"strconv"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ruleFilters are what filters of DescribeSecurityGroups compare of each rule;
// "" is nothing to compare with (docs/spec/ec2-api.md section 3.3). Rules name
// groups by id, so no group name is ever there.
var ruleFilters = map[string]func(*secgroup.Rule) string{
	"cidr":           func(r *secgroup.Rule) string { return rangeText(r, true) },
	"ipv6-cidr":      func(r *secgroup.Rule) string { return rangeText(r, false) },
	"prefix-list-id": func(r *secgroup.Rule) string { return r.Peer.PrefixList },
	"group-id":       func(r *secgroup.Rule) string { return r.Peer.Group },
	"group-name":     func(*secgroup.Rule) string { return "" },
	"user-id":        func(r *secgroup.Rule) string { return r.GroupOwner },
	"protocol":       func(r *secgroup.Rule) string { return r.Protocol.String() },
	"from-port":      func(r *secgroup.Rule) string { return strconv.Itoa(int(r.From)) },
	"to-port":        func(r *secgroup.Rule) string { return strconv.Itoa(int(r.To)) },
}

func rangeText(r *secgroup.Rule, v4 bool) string {
	if prefix := r.Peer.Prefix; prefix.IsValid() && prefix.Addr().Is4() == v4 {
		return prefix.String()
	}
	return ""
}

var rulePaging = paging{
	operation: "DescribeSecurityGroupRules", min: 5, max: 1000, old: true,
	withIDs: "The parameter 'securityGroupRuleIds' may not be used in combination with 'maxResults'.",
}

// describeSecurityGroupRules is section 3.4.
func (s *Service) describeSecurityGroupRules(c *awsapi.Call, in *ec2types.DescribeSecurityGroupRulesRequest) (func(context.Context) (*ec2types.DescribeSecurityGroupRulesResult, error), error) {
	cursor, err := rulePaging.cursor(c.Scope(), in, len(in.SecurityGroupRuleIds) > 0)
	if err != nil {
		return nil, err
	}
	if err := checkRuleIDs(in.SecurityGroupRuleIds); err != nil {
		return nil, err
	}
	match, err := compileRuleFilters(in.Filters)
	if err != nil {
		return nil, err
	}
	after, ok := parseRulePlace(cursor.after)
	if !ok {
		return nil, rulePaging.badToken(*in.NextToken)
	}
	return func(context.Context) (*ec2types.DescribeSecurityGroupRulesResult, error) {
		snap := s.control.Read()
		rules, err := listRules(snap, c.Scope(), in, after)
		if err != nil {
			return nil, err
		}
		shown, token := walk(cursor, rules, match, func(r *control.GroupRule) string { return placeOfRule(snap, r).key() },
			func(r *control.GroupRule) ec2types.SecurityGroupRule {
				out := s.showRule(snap, r.Group, r.Rule)
				out.Tags = tagSetOrEmpty(r.Rule.Tags)
				return out
			})
		return &ec2types.DescribeSecurityGroupRulesResult{SecurityGroupRules: shown, NextToken: token}, nil
	}, nil
}

// checkRuleIDs checks the form of rule ids, which is a loose one.
func checkRuleIDs(ids []string) error {
	for _, id := range ids {
		if !secgroup.WellFormedRule(id) {
			return secgroup.Errorf("InvalidSecurityGroupRuleId.Malformed", "The security group rule ID '%s' is malformed", id)
		}
	}
	return nil
}

// showRule returns a rule as results show it, without tags when it has
// none. The ports are there even when the protocol has none: -1.
func (s *Service) showRule(snap *model.Snapshot, g *secgroup.Group, r *secgroup.Rule) ec2types.SecurityGroupRule {
	out := ec2types.SecurityGroupRule{
		SecurityGroupRuleId: &r.ID, GroupId: &g.ID, GroupOwnerId: &g.Account, IsEgress: &r.Egress,
		IpProtocol: new(r.Protocol.String()), FromPort: &r.From, ToPort: &r.To,
		Description: r.Description, Tags: tagSet(r.Tags),
		SecurityGroupRuleArn: new(arn(g.Scope, control.RuleType, r.ID)),
		CidrIpv4:             optional(rangeText(r, true)),
		CidrIpv6:             optional(rangeText(r, false)),
		PrefixListId:         optional(r.Peer.PrefixList),
	}
	if r.Peer.Group != "" {
		out.ReferencedGroupInfo = showReferenced(s.control.ShowPeer(snap, g, r.Pair()))
	}
	return out
}

func showReferenced(pair secgroup.Pair, _ bool) *ec2types.ReferencedSecurityGroup {
	return &ec2types.ReferencedSecurityGroup{
		GroupId: &pair.Group, UserId: optional(pair.GroupOwner),
		VpcId: optional(pair.GroupVPC), VpcPeeringConnectionId: optional(pair.GroupPeering), PeeringStatus: optional(pair.PeeringStatus),
	}
}

// revokedRule returns a rule that is no more as Revoke shows it.
func revokedRule(g *secgroup.Group, r *secgroup.Rule) ec2types.RevokedSecurityGroupRule {
	return ec2types.RevokedSecurityGroupRule{
		SecurityGroupRuleId: &r.ID, GroupId: &g.ID, IsEgress: &r.Egress,
		IpProtocol: new(r.Protocol.String()), FromPort: &r.From, ToPort: &r.To, Description: r.Description,
		CidrIpv4:          optional(rangeText(r, true)),
		CidrIpv6:          optional(rangeText(r, false)),
		PrefixListId:      optional(r.Peer.PrefixList),
		ReferencedGroupId: optional(r.Peer.Group),
	}
}
