// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// relatedOperations are those on what ties groups to other VPCs than their own.
func (s *Service) relatedOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "DescribeSecurityGroupReferences", s.describeReferences),
		awsapi.RegionalOp(s.control, "DescribeStaleSecurityGroups", s.describeStaleGroups),
		awsapi.RegionalOp(s.control, "AssociateSecurityGroupVpc", s.associateGroupVPC),
		awsapi.RegionalOp(s.control, "DisassociateSecurityGroupVpc", s.disassociateGroupVPC),
		awsapi.RegionalOp(s.control, "DescribeSecurityGroupVpcAssociations", s.describeGroupVPCAssociations),
	}
}

// describeReferences is section 3.9 of docs/spec/ec2-api.md.
func (s *Service) describeReferences(c *awsapi.Call, in *ec2types.DescribeSecurityGroupReferencesRequest) (func(context.Context) (*ec2types.DescribeSecurityGroupReferencesResult, error), error) {
	if len(in.GroupId) == 0 {
		return nil, missing("groupId")
	}
	for _, id := range in.GroupId {
		if err := secgroup.CheckID(secgroup.GroupPrefix, id, badGroupID); err != nil {
			return nil, err
		}
	}
	return func(context.Context) (*ec2types.DescribeSecurityGroupReferencesResult, error) {
		found, err := control.GroupReferences(s.control.Read(), c.Scope(), in.GroupId)
		if err != nil {
			return nil, err
		}
		return &ec2types.DescribeSecurityGroupReferencesResult{
			SecurityGroupReferenceSet: each(found, func(r control.GroupReference) ec2types.SecurityGroupReference {
				return ec2types.SecurityGroupReference{GroupId: new(r.Group), ReferencingVpcId: new(r.VPC), VpcPeeringConnectionId: new(r.Peering)}
			}),
		}, nil
	}, nil
}

var stalePaging = paging{operation: "DescribeStaleSecurityGroups", min: 5, max: 255}

// describeStaleGroups is section 3.10.
func (s *Service) describeStaleGroups(c *awsapi.Call, in *ec2types.DescribeStaleSecurityGroupsRequest) (func(context.Context) (*ec2types.DescribeStaleSecurityGroupsResult, error), error) {
	vpc := deref(in.VpcId)
	if vpc == "" {
		return nil, missing("vpcId")
	}
	cursor, err := stalePaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeStaleSecurityGroupsResult, error) {
		found, err := s.control.StaleGroups(s.control.Read(), c.Scope(), vpc)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeStaleSecurityGroupsResult{}
		out.StaleSecurityGroupSet, out.NextToken = list(cursor, found, func(*control.StaleGroup) bool { return true },
			func(g *control.StaleGroup) string { return sortKey(g.Created, g.ID) }, showStaleGroup)
		return out, nil
	}, nil
}

func showStaleGroup(g *control.StaleGroup) ec2types.StaleSecurityGroup {
	show := func(p secgroup.Permission) ec2types.StaleIpPermission {
		out := ec2types.StaleIpPermission{IpProtocol: new(p.Protocol.String()), UserIdGroupPairs: each(p.Peers, showGroupPair)}
		if p.Protocol.HasPorts() {
			out.FromPort, out.ToPort = new(p.From), new(p.To)
		}
		return out
	}
	return ec2types.StaleSecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPC,
		StaleIpPermissions: each(g.Permissions[0], show), StaleIpPermissionsEgress: each(g.Permissions[1], show),
	}
}

// showGroupPair shows a peer that is a group.
func showGroupPair(pair secgroup.Pair) ec2types.UserIdGroupPair {
	return ec2types.UserIdGroupPair{
		GroupId: new(pair.Group), GroupName: optional(pair.GroupName), UserId: optional(pair.GroupOwner), Description: pair.Description,
		VpcId: optional(pair.GroupVPC), VpcPeeringConnectionId: optional(pair.GroupPeering), PeeringStatus: optional(pair.PeeringStatus),
	}
}

// groupAndVPC checks what an association is named by (section 3.12).
func groupAndVPC(group, vpc *string) error {
	if err := secgroup.CheckID(secgroup.GroupPrefix, deref(group), badGroupID); err != nil {
		return err
	}
	if deref(vpc) == "" {
		return missing("vpcId")
	}
	return nil
}

func (s *Service) associateGroupVPC(c *awsapi.Call, in *ec2types.AssociateSecurityGroupVpcRequest) (func(context.Context) (*ec2types.AssociateSecurityGroupVpcResult, error), error) {
	return func(ctx context.Context) (*ec2types.AssociateSecurityGroupVpcResult, error) {
		already, err := s.control.AssociateGroup(ctx, c.Behalf(), *in.GroupId, *in.VpcId)
		if err != nil {
			return nil, err
		}
		state := "associating"
		if already {
			state = associated
		}
		return &ec2types.AssociateSecurityGroupVpcResult{State: &state}, nil
	}, groupAndVPC(in.GroupId, in.VpcId)
}

func (s *Service) disassociateGroupVPC(c *awsapi.Call, in *ec2types.DisassociateSecurityGroupVpcRequest) (func(context.Context) (*ec2types.DisassociateSecurityGroupVpcResult, error), error) {
	return func(ctx context.Context) (*ec2types.DisassociateSecurityGroupVpcResult, error) {
		if err := s.control.DisassociateGroup(ctx, c.Behalf(), *in.GroupId, *in.VpcId); err != nil {
			return nil, err
		}
		return &ec2types.DisassociateSecurityGroupVpcResult{State: new("disassociating")}, nil
	}, groupAndVPC(in.GroupId, in.VpcId)
}

var (
	groupVPCPaging = paging{operation: "DescribeSecurityGroupVpcAssociations", min: 5, max: 1000}

	// A group and a VPC of one association have one owner: nothing is shared.
	groupVPCFilters = filters[secgroup.GroupAssociation]{names: map[string]func(*secgroup.GroupAssociation) []string{
		"group-id":       one(func(a *secgroup.GroupAssociation) string { return a.Group }),
		"group-owner-id": one(func(a *secgroup.GroupAssociation) string { return a.Account }),
		"state":          one(func(*secgroup.GroupAssociation) string { return associated }),
		"vpc-id":         one(func(a *secgroup.GroupAssociation) string { return a.VPC }),
		"vpc-owner-id":   one(func(a *secgroup.GroupAssociation) string { return a.Account }),
	}}
)

func (s *Service) describeGroupVPCAssociations(c *awsapi.Call, in *ec2types.DescribeSecurityGroupVpcAssociationsRequest) (func(context.Context) (*ec2types.DescribeSecurityGroupVpcAssociationsResult, error), error) {
	cursor, err := groupVPCPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	match, err := groupVPCFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeSecurityGroupVpcAssociationsResult, error) {
		out := &ec2types.DescribeSecurityGroupVpcAssociationsResult{}
		out.SecurityGroupVpcAssociations, out.NextToken = list(cursor, control.GroupAssociations(s.control.Read(), c.Scope()), match,
			func(a *secgroup.GroupAssociation) string { return sortKey(a.Created, a.Group+a.VPC) },
			func(a *secgroup.GroupAssociation) ec2types.SecurityGroupVpcAssociation {
				return ec2types.SecurityGroupVpcAssociation{
					GroupId: &a.Group, GroupOwnerId: &a.Account, VpcId: &a.VPC, VpcOwnerId: &a.Account, State: new(associated),
				}
			})
		return out, nil
	}, nil
}
