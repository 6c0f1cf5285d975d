// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) vpcOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateVpc", s.createVPC),
		awsapi.RegionalOp(s.control, "DeleteVpc", s.deleteVPC),
		awsapi.RegionalOp(s.control, "DescribeVpcs", s.describeVPCs),
		awsapi.RegionalOp(s.control, "CreateDefaultVpc", s.createDefaultVPC),
		awsapi.RegionalOp(s.control, "ModifyVpcAttribute", s.modifyVPCAttribute),
		awsapi.RegionalOp(s.control, "AssociateVpcCidrBlock", s.associateVPCBlock),
		awsapi.RegionalOp(s.control, "DisassociateVpcCidrBlock", s.disassociateVPCBlock),
	}
}

// errUnsupported answers parameters whose function the installation does not
// have.
var errUnsupported = secgroup.Errorf("UnsupportedOperation", "The functionality you requested is not available in this region.")

// parseBlock reads an address block of a VPC or subnet.
func parseBlock(parameter, text string, parse func(string) (netip.Prefix, error)) (netip.Prefix, error) {
	block, err := parse(text)
	if err != nil {
		return block, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, parameter)
	}
	return block, nil
}

func (s *Service) createVPC(c *awsapi.Call, in *ec2types.CreateVpcRequest) (func(context.Context) (*ec2types.CreateVpcResult, error), error) {
	if in.Ipv4IpamPoolId != nil || in.Ipv4NetmaskLength != nil || in.Ipv6IpamPoolId != nil || in.Ipv6NetmaskLength != nil ||
		in.Ipv6Pool != nil || in.Ipv6CidrBlock != nil || in.VpcEncryptionControl != nil {
		return nil, errUnsupported
	}
	if border := deref(in.Ipv6CidrBlockNetworkBorderGroup); border != "" && border != c.Region {
		return nil, errUnsupported
	}
	want := control.VPCRequest{IPv6: deref(in.AmazonProvidedIpv6CidrBlock), Tenancy: deref(in.InstanceTenancy)}
	switch want.Tenancy {
	case "", "default", "dedicated":
	case "host": // for instances only
		return nil, secgroup.Errorf("UnsupportedTenancy", "The tenancy value 'host' is not supported for a VPC. Use 'default' or 'dedicated'.")
	default:
		return nil, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter instanceTenancy is invalid.", want.Tenancy)
	}
	var err error
	if deref(in.CidrBlock) == "" {
		return nil, missing("cidrBlock")
	}
	if want.CIDR, err = parseBlock("cidrBlock", *in.CidrBlock, secgroup.ParseCIDR4); err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.VPCType)
	if err != nil {
		return nil, err
	}
	want.Tags = tags[control.VPCType]
	return func(ctx context.Context) (*ec2types.CreateVpcResult, error) {
		v, err := s.control.CreateVPC(ctx, c.Behalf(), want)
		if err != nil {
			return nil, err
		}
		// Clients know these states from the real service and wait for the next
		// ones, which every later describe shows.
		vpc := showVPC(v)
		vpc.State = new("pending")
		if vpc.Ipv6CidrBlockAssociationSet == nil {
			vpc.Ipv6CidrBlockAssociationSet = []ec2types.VpcIpv6CidrBlockAssociation{}
		}
		for i := range vpc.Ipv6CidrBlockAssociationSet {
			vpc.Ipv6CidrBlockAssociationSet[i].Ipv6CidrBlockState.State = new(associating)
		}
		return &ec2types.CreateVpcResult{Vpc: &vpc}, nil
	}, nil
}

func (s *Service) deleteVPC(c *awsapi.Call, in *ec2types.DeleteVpcRequest) (func(context.Context) (*ec2types.DeleteVpcResult, error), error) {
	if deref(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	return func(ctx context.Context) (*ec2types.DeleteVpcResult, error) {
		return result[ec2types.DeleteVpcResult](s.control.DeleteVPC(ctx, c.Behalf(), *in.VpcId))
	}, nil
}

// The states of blocks of VPCs and subnets. What changes them answers with the
// state on the way there; what describes them shows where they have arrived.
const (
	associating    = "associating"
	associated     = "associated"
	disassociating = "disassociating"
	disassociated  = "disassociated"
)

// The pool from which AmazonProvidedIpv6CidrBlock takes blocks, by the name that
// clients know.
const ipv6Pool = "Amazon"

func showVPC(v *secgroup.VPC) ec2types.Vpc {
	vpc := ec2types.Vpc{
		VpcId: new(v.ID), OwnerId: new(v.Account), State: new("available"), CidrBlock: new(v.CIDRs[0].Prefix.String()),
		DhcpOptionsId: new(v.DHCPOptions), InstanceTenancy: new(v.Tenancy), IsDefault: new(v.Default), Tags: tagSet(v.Tags),
	}
	for _, a := range v.CIDRs {
		vpc.CidrBlockAssociationSet = append(vpc.CidrBlockAssociationSet, *showVPCBlock(a, associated))
	}
	for _, a := range v.IPv6 {
		vpc.Ipv6CidrBlockAssociationSet = append(vpc.Ipv6CidrBlockAssociationSet, *showVPCIPv6Block(v.Region, a, associated))
	}
	return vpc
}

var vpcPaging = paging{
	operation: "DescribeVpcs", min: 5, max: 1000,
	withIDs: "The parameter VpcIds cannot be used with the parameter MaxResults",
}

func (s *Service) describeVPCs(c *awsapi.Call, in *ec2types.DescribeVpcsRequest) (func(context.Context) (*ec2types.DescribeVpcsResult, error), error) {
	cursor, err := vpcPaging.cursor(c.Scope(), in, len(in.VpcIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := vpcFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeVpcsResult, error) {
		rows, err := control.VPCs(s.control.Read(), c.Scope(), in.VpcIds...)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeVpcsResult{}
		out.Vpcs, out.NextToken = list(cursor, rows, match,
			func(v *secgroup.VPC) string { return sortKey(v.Created, v.ID) }, showVPC)
		return out, nil
	}, nil
}
