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

// The operations on VPCs that exist are section 4.2 of docs/spec/ec2-api.md.

func (s *Service) createDefaultVPC(c *awsapi.Call, _ *ec2types.CreateDefaultVpcRequest) (func(context.Context) (*ec2types.CreateDefaultVpcResult, error), error) {
	return func(ctx context.Context) (*ec2types.CreateDefaultVpcResult, error) {
		v, err := s.control.CreateDefaultVPC(ctx, c.Behalf())
		if err != nil {
			return nil, err
		}
		vpc := showVPC(v)
		vpc.State = new("pending")
		return &ec2types.CreateDefaultVpcResult{Vpc: &vpc}, nil
	}, nil
}

func (s *Service) modifyVPCAttribute(c *awsapi.Call, in *ec2types.ModifyVpcAttributeRequest) (func(context.Context) (*ec2types.ModifyVpcAttributeResult, error), error) {
	if deref(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	var change control.VPCChange
	var given []string
	for _, f := range []struct {
		name  string
		value *ec2types.AttributeBooleanValue
		field **bool
	}{
		{"enableDnsHostnames", in.EnableDnsHostnames, &change.DNSHostnames},
		{"enableDnsSupport", in.EnableDnsSupport, &change.DNSSupport},
		{"enableNetworkAddressUsageMetrics", in.EnableNetworkAddressUsageMetrics, &change.UsageMetrics},
	} {
		if f.value != nil && f.value.Value != nil {
			given, *f.field = append(given, f.name), f.value.Value
		}
	}
	if err := oneAttribute(given); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.ModifyVpcAttributeResult, error) {
		return result[ec2types.ModifyVpcAttributeResult](s.control.ModifyVPCAttribute(ctx, c.Behalf(), *in.VpcId, change))
	}, nil
}

func (s *Service) associateVPCBlock(c *awsapi.Call, in *ec2types.AssociateVpcCidrBlockRequest) (func(context.Context) (*ec2types.AssociateVpcCidrBlockResult, error), error) {
	if in.Ipv4IpamPoolId != nil || in.Ipv4NetmaskLength != nil || in.Ipv6IpamPoolId != nil || in.Ipv6NetmaskLength != nil ||
		in.Ipv6Pool != nil || in.Ipv6CidrBlock != nil {
		return nil, errUnsupported
	}
	if border := deref(in.Ipv6CidrBlockNetworkBorderGroup); border != "" && border != c.Region {
		return nil, errUnsupported
	}
	ipv4, ipv6 := deref(in.CidrBlock), deref(in.AmazonProvidedIpv6CidrBlock)
	var block netip.Prefix // none: an IPv6 block of the service's choice
	var err error
	switch {
	case deref(in.VpcId) == "":
		return nil, missing("vpcId")
	case ipv4 == "" && !ipv6:
		return nil, secgroup.Errorf("MissingParameter", "Either 'cidrBlock' or 'amazonProvidedIpv6CidrBlock' should be provided.")
	case ipv4 != "" && ipv6:
		return nil, secgroup.Errorf("InvalidParameterCombination",
			"The parameter cidrBlock cannot be used with the parameter amazonProvidedIpv6CidrBlock")
	case ipv4 != "":
		if block, err = parseBlock("cidrBlock", ipv4, secgroup.ParseCIDR4); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (*ec2types.AssociateVpcCidrBlockResult, error) {
		made, err := s.control.AssociateVPCBlock(ctx, c.Behalf(), *in.VpcId, block)
		if err != nil {
			return nil, err
		}
		out := &ec2types.AssociateVpcCidrBlockResult{VpcId: in.VpcId}
		out.CidrBlockAssociation, out.Ipv6CidrBlockAssociation = showEither(c.Region, made, associating)
		return out, nil
	}, nil
}

func (s *Service) disassociateVPCBlock(c *awsapi.Call, in *ec2types.DisassociateVpcCidrBlockRequest) (func(context.Context) (*ec2types.DisassociateVpcCidrBlockResult, error), error) {
	if deref(in.AssociationId) == "" {
		return nil, missing("associationId")
	}
	return func(ctx context.Context) (*ec2types.DisassociateVpcCidrBlockResult, error) {
		vpc, gone, err := s.control.DisassociateVPCBlock(ctx, c.Behalf(), *in.AssociationId)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DisassociateVpcCidrBlockResult{VpcId: &vpc}
		out.CidrBlockAssociation, out.Ipv6CidrBlockAssociation = showEither(c.Region, gone, disassociating)
		return out, nil
	}, nil
}

// showEither returns a block of a VPC in the form of its family; the other is
// nil.
func showEither(region string, a secgroup.CIDRAssociation, state string) (*ec2types.VpcCidrBlockAssociation, *ec2types.VpcIpv6CidrBlockAssociation) {
	if a.Prefix.Addr().Is4() {
		return showVPCBlock(a, state), nil
	}
	return nil, showVPCIPv6Block(region, a, state)
}

func showVPCBlock(a secgroup.CIDRAssociation, state string) *ec2types.VpcCidrBlockAssociation {
	return &ec2types.VpcCidrBlockAssociation{
		AssociationId: new(a.ID), CidrBlock: new(a.Prefix.String()), CidrBlockState: &ec2types.VpcCidrBlockState{State: &state},
	}
}

func showVPCIPv6Block(region string, a secgroup.CIDRAssociation, state string) *ec2types.VpcIpv6CidrBlockAssociation {
	return &ec2types.VpcIpv6CidrBlockAssociation{
		AssociationId: new(a.ID), Ipv6CidrBlock: new(a.Prefix.String()), Ipv6CidrBlockState: &ec2types.VpcCidrBlockState{State: &state},
		Ipv6Pool: new(ipv6Pool), NetworkBorderGroup: &region, IpSource: new("amazon"), Ipv6AddressAttribute: new("public"),
	}
}
