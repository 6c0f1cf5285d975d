// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// revoke is both Revoke operations, by permission or by rule id
// (docs/spec/ec2-api.md section 3.6).
func (s *Service) revoke(c *awsapi.Call, r ruleChange) (func(context.Context) (control.Revoked, error), error) {
	if err := r.checkGroup(); err != nil {
		return nil, err
	}
	byPermission := len(r.list) > 0 || r.flat.given()
	if len(r.ruleIDs) > 0 {
		if byPermission {
			return nil, combined("'ipPermissions' may not be used in combination with 'securityGroupRuleIds'.")
		}
		return func(ctx context.Context) (control.Revoked, error) {
			return s.control.RevokeSecurityGroupRules(ctx, c.Behalf(), r.group, r.egress, r.ruleIDs)
		}, checkRuleIDs(r.ruleIDs)
	}
	if !byPermission {
		return nil, missing("ipPermissions or securityGroupRuleIds")
	}
	permissions, err := r.flat.permissions(r.list)
	return func(ctx context.Context) (control.Revoked, error) {
		return s.control.RevokeSecurityGroup(ctx, c.Behalf(), r.group, r.egress, permissions)
	}, err
}

// revokedRules returns what is gone; the list is always there.
func revokedRules(done control.Revoked) []ec2types.RevokedSecurityGroupRule {
	return each(done.Rules, func(rule secgroup.Rule) ec2types.RevokedSecurityGroupRule {
		return revokedRule(done.Group, &rule)
	})
}

// unknownPermissions returns what named no rule; nil, thus absent, for nothing.
func unknownPermissions(done control.Revoked) []ec2types.IpPermission {
	if done.Unknown == nil {
		return nil
	}
	return ipPermissions(done.Unknown)
}

func (s *Service) revokeIngress(c *awsapi.Call, in *ec2types.RevokeSecurityGroupIngressRequest) (func(context.Context) (*ec2types.RevokeSecurityGroupIngressResult, error), error) {
	run, err := s.revoke(c, ruleChange{
		group: control.GroupRef{ID: deref(in.GroupId), Name: deref(in.GroupName)},
		list:  in.IpPermissions, ruleIDs: in.SecurityGroupRuleIds,
		flat: flatForm{in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.RevokeSecurityGroupIngressResult, error) {
		done, err := run(ctx)
		if err != nil {
			return nil, err
		}
		return &ec2types.RevokeSecurityGroupIngressResult{
			Return: new(true), RevokedSecurityGroupRules: revokedRules(done), UnknownIpPermissions: unknownPermissions(done),
		}, nil
	}, nil
}

func (s *Service) revokeEgress(c *awsapi.Call, in *ec2types.RevokeSecurityGroupEgressRequest) (func(context.Context) (*ec2types.RevokeSecurityGroupEgressResult, error), error) {
	run, err := s.revoke(c, ruleChange{
		egress: true,
		group:  control.GroupRef{ID: deref(in.GroupId)},
		list:   in.IpPermissions, ruleIDs: in.SecurityGroupRuleIds,
		flat: flatForm{in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId, in.FromPort, in.ToPort},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.RevokeSecurityGroupEgressResult, error) {
		done, err := run(ctx)
		if err != nil {
			return nil, err
		}
		return &ec2types.RevokeSecurityGroupEgressResult{
			Return: new(true), RevokedSecurityGroupRules: revokedRules(done), UnknownIpPermissions: unknownPermissions(done),
		}, nil
	}, nil
}
