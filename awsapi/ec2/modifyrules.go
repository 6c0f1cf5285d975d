// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"fmt"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// modifySecurityGroupRules is section 3.7 of docs/spec/ec2-api.md.
func (s *Service) modifySecurityGroupRules(c *awsapi.Call, in *ec2types.ModifySecurityGroupRulesRequest) (func(context.Context) (*ec2types.ModifySecurityGroupRulesResult, error), error) {
	group := deref(in.GroupId)
	if group == "" {
		return nil, missing("groupId")
	}
	if len(in.SecurityGroupRules) == 0 {
		return nil, missing("securityGroupRules")
	}
	if err := secgroup.CheckID(secgroup.GroupPrefix, group, badGroupID); err != nil {
		return nil, err
	}
	changes := make([]control.RuleContent, len(in.SecurityGroupRules))
	seen := map[string]bool{}
	for i, u := range in.SecurityGroupRules {
		id := deref(u.SecurityGroupRuleId)
		if id == "" {
			return nil, missing(fmt.Sprintf("SecurityGroupRule.%d.SecurityGroupRuleId", i+1))
		}
		if err := checkRuleIDs([]string{id}); err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, secgroup.Errorf("InvalidParameterValue", "Duplicated security group rule ID '%s'", id)
		}
		seen[id] = true
		content, err := parseContent(deref(u.SecurityGroupRule))
		if err != nil {
			return nil, err
		}
		changes[i] = control.RuleContent{ID: id, Content: content}
	}
	return func(ctx context.Context) (*ec2types.ModifySecurityGroupRulesResult, error) {
		if err := s.control.ModifySecurityGroupRules(ctx, c.Behalf(), group, changes); err != nil {
			return nil, err
		}
		return &ec2types.ModifySecurityGroupRulesResult{Return: new(true)}, nil
	}, nil
}

// parseContent checks what a rule shall say: a permission with one peer.
func parseContent(in ec2types.SecurityGroupRuleRequest) (secgroup.Permission, error) {
	p := ec2types.IpPermission{IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort}
	peers := 0
	if in.CidrIpv4 != nil {
		peers++
		p.IpRanges = []ec2types.IpRange{{CidrIp: in.CidrIpv4, Description: in.Description}}
	}
	if in.CidrIpv6 != nil {
		peers++
		p.Ipv6Ranges = []ec2types.Ipv6Range{{CidrIpv6: in.CidrIpv6, Description: in.Description}}
	}
	if in.PrefixListId != nil {
		peers++
		p.PrefixListIds = []ec2types.PrefixListId{{PrefixListId: in.PrefixListId, Description: in.Description}}
	}
	if in.ReferencedGroupId != nil {
		peers++
		p.UserIdGroupPairs = []ec2types.UserIdGroupPair{{GroupId: in.ReferencedGroupId, Description: in.Description}}
	}
	content, err := parsePermission(&p)
	switch {
	case peers > 1:
		err = secgroup.Errorf("InvalidParameterCombination", "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified")
	case err == nil && peers == 0:
		err = secgroup.Errorf("MissingParameter", "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId")
	}
	return content, err
}

// redescribe is both UpdateSecurityGroupRuleDescriptions operations (section 3.8).
func (s *Service) redescribe(c *awsapi.Call, r ruleChange, descriptions []ec2types.SecurityGroupRuleDescription) (func(context.Context) error, error) {
	if err := r.checkGroup(); err != nil {
		return nil, err
	}
	switch {
	case len(r.list) > 0 && len(descriptions) > 0:
		return nil, combined("'ipPermissions' may not be used in combination with 'securityGroupRuleDescriptions'.")
	case len(r.list) > 0:
		permissions, err := parsePermissions(r.list)
		return func(ctx context.Context) error {
			return s.control.DescribeRulesAnew(ctx, c.Behalf(), r.group, r.egress, permissions)
		}, err
	case len(descriptions) == 0:
		return nil, missing("ipPermissions")
	}
	wanted := make([]control.RuleDescription, len(descriptions))
	for i, d := range descriptions {
		wanted[i] = control.RuleDescription{ID: deref(d.SecurityGroupRuleId), Description: d.Description}
		if wanted[i].ID == "" {
			return nil, missing(fmt.Sprintf("SecurityGroupRuleDescription.%d.SecurityGroupRuleId", i+1))
		}
		if err := checkRuleIDs([]string{wanted[i].ID}); err != nil {
			return nil, err
		}
		if err := secgroup.CheckRuleDescription(deref(d.Description)); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) error {
		return s.control.DescribeRulesAnewByID(ctx, c.Behalf(), r.group, r.egress, wanted)
	}, nil
}

func (s *Service) redescribeIngress(c *awsapi.Call, in *ec2types.UpdateSecurityGroupRuleDescriptionsIngressRequest) (func(context.Context) (*ec2types.UpdateSecurityGroupRuleDescriptionsIngressResult, error), error) {
	run, err := s.redescribe(c, ruleChange{
		group: control.GroupRef{ID: deref(in.GroupId), Name: deref(in.GroupName)}, list: in.IpPermissions,
	}, in.SecurityGroupRuleDescriptions)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.UpdateSecurityGroupRuleDescriptionsIngressResult, error) {
		if err := run(ctx); err != nil {
			return nil, err
		}
		return &ec2types.UpdateSecurityGroupRuleDescriptionsIngressResult{Return: new(true)}, nil
	}, nil
}

func (s *Service) redescribeEgress(c *awsapi.Call, in *ec2types.UpdateSecurityGroupRuleDescriptionsEgressRequest) (func(context.Context) (*ec2types.UpdateSecurityGroupRuleDescriptionsEgressResult, error), error) {
	run, err := s.redescribe(c, ruleChange{
		egress: true, named: true,
		group: control.GroupRef{ID: deref(in.GroupId), Name: deref(in.GroupName)}, list: in.IpPermissions,
	}, in.SecurityGroupRuleDescriptions)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.UpdateSecurityGroupRuleDescriptionsEgressResult, error) {
		if err := run(ctx); err != nil {
			return nil, err
		}
		return &ec2types.UpdateSecurityGroupRuleDescriptionsEgressResult{Return: new(true)}, nil
	}, nil
}
