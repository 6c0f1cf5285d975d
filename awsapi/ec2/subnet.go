// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) subnetOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateSubnet", s.createSubnet),
		awsapi.RegionalOp(s.control, "DeleteSubnet", s.deleteSubnet),
		awsapi.RegionalOp(s.control, "DescribeSubnets", s.describeSubnets),
		awsapi.RegionalOp(s.control, "CreateDefaultSubnet", s.createDefaultSubnet),
		awsapi.RegionalOp(s.control, "ModifySubnetAttribute", s.modifySubnetAttribute),
		awsapi.RegionalOp(s.control, "AssociateSubnetCidrBlock", s.associateSubnetBlock),
		awsapi.RegionalOp(s.control, "DisassociateSubnetCidrBlock", s.disassociateSubnetBlock),
	}
}

var errTwoZones = secgroup.Errorf("InvalidParameterCombination",
	"The parameter availabilityZone cannot be used with the parameter availabilityZoneId")

func (s *Service) createSubnet(c *awsapi.Call, in *ec2types.CreateSubnetRequest) (func(context.Context) (*ec2types.CreateSubnetResult, error), error) {
	if in.Ipv4IpamPoolId != nil || in.Ipv4NetmaskLength != nil || in.Ipv6IpamPoolId != nil || in.Ipv6NetmaskLength != nil || in.OutpostArn != nil {
		return nil, errUnsupported
	}
	want := control.SubnetRequest{VPC: deref(in.VpcId), Zone: deref(in.AvailabilityZone), ZoneID: deref(in.AvailabilityZoneId)}
	native, ipv4, ipv6 := deref(in.Ipv6Native), deref(in.CidrBlock), deref(in.Ipv6CidrBlock)
	switch {
	case want.VPC == "":
		return nil, missing("vpcId")
	case native && ipv4 != "":
		return nil, secgroup.Errorf("InvalidParameterCombination",
			"When specifying ipv4 parameters, cidrBlock or ipv4IpamPoolId, you cannot set ipv6Native to true.")
	case native && ipv6 == "":
		return nil, secgroup.Errorf("MissingParameter", "Either 'ipv6CidrBlock' or 'ipv6IpamPoolId' should be provided.")
	case !native && ipv4 == "":
		return nil, secgroup.Errorf("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
	case want.Zone != "" && want.ZoneID != "":
		return nil, errTwoZones
	}
	var err error
	if ipv4 != "" {
		if want.CIDR, err = parseBlock("cidrBlock", ipv4, secgroup.ParseCIDR4); err != nil {
			return nil, err
		}
	}
	if ipv6 != "" {
		if want.IPv6, err = parseBlock("ipv6CidrBlock", ipv6, secgroup.ParseCIDR6); err != nil {
			return nil, err
		}
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.SubnetType)
	if err != nil {
		return nil, err
	}
	want.Tags = tags[control.SubnetType]
	return func(ctx context.Context) (*ec2types.CreateSubnetResult, error) {
		n, err := s.control.CreateSubnet(ctx, c.Behalf(), want)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateSubnetResult{Subnet: new(showSubnet(viewSubnet(s.control.Read(), n)))}, nil
	}, nil
}

func (s *Service) deleteSubnet(c *awsapi.Call, in *ec2types.DeleteSubnetRequest) (func(context.Context) (*ec2types.DeleteSubnetResult, error), error) {
	if deref(in.SubnetId) == "" {
		return nil, missing("subnetId")
	}
	return func(ctx context.Context) (*ec2types.DeleteSubnetResult, error) {
		return result[ec2types.DeleteSubnetResult](s.control.DeleteSubnet(ctx, c.Behalf(), *in.SubnetId))
	}, nil
}

// subnet is a subnet with how many addresses it has left.
type subnet struct {
	*secgroup.Subnet
	free int
}

func viewSubnet(snap *model.Snapshot, n *secgroup.Subnet) *subnet {
	return &subnet{n, control.FreeAddresses(snap, n)}
}

// cidr returns the IPv4 block as shown, "" when the subnet has none.
func (n *subnet) cidr() string {
	if !n.CIDR.IsValid() {
		return ""
	}
	return n.CIDR.String()
}

// block is an association with its state.
type block struct {
	secgroup.CIDRAssociation
	state string
}

// blocksIPv6 returns the IPv6 block that the subnet has and the one that it gave
// up last: clients wait until they see that it is gone.
func (n *subnet) blocksIPv6() []block {
	var blocks []block
	if n.IPv6 != nil {
		blocks = append(blocks, block{*n.IPv6, associated})
	}
	if n.FormerIPv6 != nil {
		blocks = append(blocks, block{*n.FormerIPv6, disassociated})
	}
	return blocks
}

func (n *subnet) arn() string { return arn(n.Scope, control.SubnetType, n.ID) }

func showSubnet(n *subnet) ec2types.Subnet {
	out := ec2types.Subnet{
		SubnetId: new(n.ID), SubnetArn: new(n.arn()), VpcId: new(n.VPC), OwnerId: new(n.Account), State: new("available"),
		CidrBlock: optional(n.cidr()), AvailableIpAddressCount: new(int32(n.free)),
		AvailabilityZone: new(n.Zone), AvailabilityZoneId: new(n.ZoneID), DefaultForAz: new(n.DefaultForZone),
		MapPublicIpOnLaunch: new(n.MapPublicIP), MapCustomerOwnedIpOnLaunch: new(false),
		AssignIpv6AddressOnCreation: new(n.AssignIPv6OnCreate), Ipv6Native: new(n.IPv6Native), EnableDns64: new(false),
		Ipv6CidrBlockAssociationSet: []ec2types.SubnetIpv6CidrBlockAssociation{}, Tags: tagSet(n.Tags),
		PrivateDnsNameOptionsOnLaunch: &ec2types.PrivateDnsNameOptionsOnLaunch{
			HostnameType: new("ip-name"), EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false),
		},
	}
	for _, b := range n.blocksIPv6() {
		out.Ipv6CidrBlockAssociationSet = append(out.Ipv6CidrBlockAssociationSet, *showSubnetBlock(b.CIDRAssociation, b.state))
	}
	return out
}

var subnetPaging = paging{
	operation: "DescribeSubnets", min: 5, max: 1000,
	withIDs: "The parameter SubnetIds cannot be used with the parameter MaxResults",
}

func (s *Service) describeSubnets(c *awsapi.Call, in *ec2types.DescribeSubnetsRequest) (func(context.Context) (*ec2types.DescribeSubnetsResult, error), error) {
	cursor, err := subnetPaging.cursor(c.Scope(), in, len(in.SubnetIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := subnetFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeSubnetsResult, error) {
		snap := s.control.Read()
		rows, err := control.Subnets(snap, c.Scope(), in.SubnetIds...)
		if err != nil {
			return nil, err
		}
		views := each(rows, func(n *secgroup.Subnet) *subnet { return viewSubnet(snap, n) })
		out := &ec2types.DescribeSubnetsResult{}
		out.Subnets, out.NextToken = list(cursor, views, match,
			func(n *subnet) string { return sortKey(n.Created, n.ID) }, showSubnet)
		return out, nil
	}, nil
}
