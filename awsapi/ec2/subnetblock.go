// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The operations on subnets that exist are section 4.3 of docs/spec/ec2-api.md.

func (s *Service) createDefaultSubnet(c *awsapi.Call, in *ec2types.CreateDefaultSubnetRequest) (func(context.Context) (*ec2types.CreateDefaultSubnetResult, error), error) {
	name, id := deref(in.AvailabilityZone), deref(in.AvailabilityZoneId)
	switch {
	case deref(in.Ipv6Native): // the default VPC has no IPv6 block
		return nil, errUnsupported
	case name == "" && id == "":
		return nil, missing("availabilityZone")
	case name != "" && id != "":
		return nil, errTwoZones
	}
	return func(ctx context.Context) (*ec2types.CreateDefaultSubnetResult, error) {
		n, err := s.control.CreateDefaultSubnet(ctx, c.Behalf(), name, id)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateDefaultSubnetResult{Subnet: new(showSubnet(viewSubnet(s.control.Read(), n)))}, nil
	}, nil
}

// modifySubnetAttribute changes one attribute. What would need names that the
// installation does not give (DNS64, resource names) can only be turned off,
// which it is.
func (s *Service) modifySubnetAttribute(c *awsapi.Call, in *ec2types.ModifySubnetAttributeRequest) (func(context.Context) (*ec2types.ModifySubnetAttributeResult, error), error) {
	if deref(in.SubnetId) == "" {
		return nil, missing("subnetId")
	}
	var change control.SubnetChange
	var given []string
	unsupported := in.CustomerOwnedIpv4Pool != nil || in.EnableLniAtDeviceIndex != nil || in.DisableLniAtDeviceIndex != nil
	if unsupported {
		given = append(given, "customerOwnedIpv4Pool")
	}
	for _, f := range []struct {
		name  string
		value *ec2types.AttributeBooleanValue
		field **bool // nil for what is always off
	}{
		{"assignIpv6AddressOnCreation", in.AssignIpv6AddressOnCreation, &change.AssignIPv6OnCreate},
		{"mapPublicIpOnLaunch", in.MapPublicIpOnLaunch, &change.MapPublicIP},
		{"mapCustomerOwnedIpOnLaunch", in.MapCustomerOwnedIpOnLaunch, nil},
		{"enableDns64", in.EnableDns64, nil},
		{"enableResourceNameDnsARecordOnLaunch", in.EnableResourceNameDnsARecordOnLaunch, nil},
		{"enableResourceNameDnsAAAARecordOnLaunch", in.EnableResourceNameDnsAAAARecordOnLaunch, nil},
	} {
		if f.value == nil || f.value.Value == nil {
			continue
		}
		if given = append(given, f.name); f.field == nil {
			unsupported = unsupported || *f.value.Value
			continue
		}
		*f.field = f.value.Value
	}
	if kind := deref(in.PrivateDnsHostnameTypeOnLaunch); kind != "" {
		if err := checkEnumeration("privateDnsHostnameTypeOnLaunch", kind, "HostnameType"); err != nil {
			return nil, err
		}
		given, unsupported = append(given, "privateDnsHostnameTypeOnLaunch"), unsupported || kind != ipName
	}
	if err := oneAttribute(given); err != nil {
		return nil, err
	}
	if unsupported {
		return nil, errUnsupported
	}
	return func(ctx context.Context) (*ec2types.ModifySubnetAttributeResult, error) {
		if change == (control.SubnetChange{}) { // off already
			_, err := control.Subnets(s.control.Read(), c.Scope(), *in.SubnetId)
			return result[ec2types.ModifySubnetAttributeResult](err)
		}
		return result[ec2types.ModifySubnetAttributeResult](s.control.ModifySubnetAttribute(ctx, c.Behalf(), *in.SubnetId, change))
	}, nil
}

func (s *Service) associateSubnetBlock(c *awsapi.Call, in *ec2types.AssociateSubnetCidrBlockRequest) (func(context.Context) (*ec2types.AssociateSubnetCidrBlockResult, error), error) {
	switch {
	case in.Ipv6IpamPoolId != nil || in.Ipv6NetmaskLength != nil:
		return nil, errUnsupported
	case deref(in.SubnetId) == "":
		return nil, missing("subnetId")
	case deref(in.Ipv6CidrBlock) == "":
		return nil, missing("ipv6CidrBlock")
	}
	block, err := parseBlock("ipv6CidrBlock", *in.Ipv6CidrBlock, secgroup.ParseCIDR6)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.AssociateSubnetCidrBlockResult, error) {
		made, err := s.control.AssociateSubnetBlock(ctx, c.Behalf(), *in.SubnetId, block)
		if err != nil {
			return nil, err
		}
		return &ec2types.AssociateSubnetCidrBlockResult{SubnetId: in.SubnetId, Ipv6CidrBlockAssociation: showSubnetBlock(made, associating)}, nil
	}, nil
}

func (s *Service) disassociateSubnetBlock(c *awsapi.Call, in *ec2types.DisassociateSubnetCidrBlockRequest) (func(context.Context) (*ec2types.DisassociateSubnetCidrBlockResult, error), error) {
	if deref(in.AssociationId) == "" {
		return nil, missing("associationId")
	}
	return func(ctx context.Context) (*ec2types.DisassociateSubnetCidrBlockResult, error) {
		subnet, gone, err := s.control.DisassociateSubnetBlock(ctx, c.Behalf(), *in.AssociationId)
		if err != nil {
			return nil, err
		}
		return &ec2types.DisassociateSubnetCidrBlockResult{SubnetId: &subnet, Ipv6CidrBlockAssociation: showSubnetBlock(gone, disassociating)}, nil
	}, nil
}

func showSubnetBlock(a secgroup.CIDRAssociation, state string) *ec2types.SubnetIpv6CidrBlockAssociation {
	return &ec2types.SubnetIpv6CidrBlockAssociation{
		AssociationId: new(a.ID), Ipv6CidrBlock: new(a.Prefix.String()),
		Ipv6CidrBlockState: &ec2types.SubnetCidrBlockState{State: &state},
		IpSource:           new("amazon"), Ipv6AddressAttribute: new("public"),
	}
}
