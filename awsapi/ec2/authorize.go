// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ruleChange is a request to authorize, revoke or describe anew, whichever its
// direction and form: the operations of two directions differ in their types only.
type ruleChange struct {
	egress  bool
	named   bool // knows groups by name although it is about egress
	group   control.GroupRef
	list    []ec2types.IpPermission
	flat    flatForm
	ruleIDs []string                    // Revoke
	tags    []ec2types.TagSpecification // Authorize
}

// checkGroup checks how the request names its group: most egress operations know
// no names (docs/spec/ec2-api.md section 3.0).
func (r *ruleChange) checkGroup() error {
	switch {
	case r.egress && !r.named && r.group.ID == "":
		return missing("groupId")
	case r.group == control.GroupRef{}:
		return missing("groupName or groupId")
	case r.group.ID == "":
		return nil
	}
	return secgroup.CheckID(secgroup.GroupPrefix, r.group.ID, badGroupID)
}

// authorize is both Authorize operations (section 3.5).
func (s *Service) authorize(c *awsapi.Call, r ruleChange) (func(context.Context) ([]ec2types.SecurityGroupRule, error), error) {
	if err := r.checkGroup(); err != nil {
		return nil, err
	}
	if len(r.list) == 0 && !r.flat.given() {
		return nil, secgroup.Errorf("MissingParameter", "Missing source specification: include source security group or CIDR information")
	}
	permissions, err := r.flat.permissions(r.list)
	if err != nil {
		return nil, err
	}
	withoutPeer := func(p secgroup.Permission) bool { return len(p.Peers) == 0 }
	if s.control.RequiresPeers() && slices.ContainsFunc(permissions, withoutPeer) {
		return nil, errNoPeer
	}
	tags, err := parseTagSpecifications(r.tags, control.RuleType)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]ec2types.SecurityGroupRule, error) {
		added, err := s.control.AuthorizeSecurityGroup(ctx, c.Behalf(), r.group, r.egress, permissions, tags[control.RuleType])
		if err != nil {
			return nil, err
		}
		snap := s.control.Read()
		return each(added.Rules, func(rule secgroup.Rule) ec2types.SecurityGroupRule {
			return s.showRule(snap, added.Group, &rule)
		}), nil
	}, nil
}

func (s *Service) authorizeIngress(c *awsapi.Call, in *ec2types.AuthorizeSecurityGroupIngressRequest) (func(context.Context) (*ec2types.AuthorizeSecurityGroupIngressResult, error), error) {
	run, err := s.authorize(c, ruleChange{
		group: control.GroupRef{ID: deref(in.GroupId), Name: deref(in.GroupName)},
		list:  in.IpPermissions, tags: in.TagSpecifications,
		flat: flatForm{in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.AuthorizeSecurityGroupIngressResult, error) {
		rules, err := run(ctx)
		if err != nil {
			return nil, err
		}
		return &ec2types.AuthorizeSecurityGroupIngressResult{Return: new(true), SecurityGroupRules: rules}, nil
	}, nil
}

func (s *Service) authorizeEgress(c *awsapi.Call, in *ec2types.AuthorizeSecurityGroupEgressRequest) (func(context.Context) (*ec2types.AuthorizeSecurityGroupEgressResult, error), error) {
	run, err := s.authorize(c, ruleChange{
		egress: true,
		group:  control.GroupRef{ID: deref(in.GroupId)},
		list:   in.IpPermissions, tags: in.TagSpecifications,
		flat: flatForm{in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.AuthorizeSecurityGroupEgressResult, error) {
		rules, err := run(ctx)
		if err != nil {
			return nil, err
		}
		return &ec2types.AuthorizeSecurityGroupEgressResult{Return: new(true), SecurityGroupRules: rules}, nil
	}, nil
}
