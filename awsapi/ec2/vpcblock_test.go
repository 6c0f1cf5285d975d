// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func (r *rig) describeVPC(t *testing.T, id string) sdktypes.Vpc {
	t.Helper()
	return must(r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{VpcIds: []string{id}}))(t).Vpcs[0]
}

func (r *rig) describeSubnet(t *testing.T, id string) sdktypes.Subnet {
	t.Helper()
	return must(r.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{SubnetIds: []string{id}}))(t).Subnets[0]
}

func TestAssociateVpcCidrBlock(t *testing.T) {
	r := newRig(t, control.Config{})
	id := r.makeVPC(t, "10.0.0.0/16").VpcId
	four := must(r.AssociateVpcCidrBlock(t.Context(), &sdk.AssociateVpcCidrBlockInput{VpcId: id, CidrBlock: new("100.64.1.2/16")}))(t)
	if a := four.CidrBlockAssociation; *four.VpcId != *id || four.Ipv6CidrBlockAssociation != nil || *a.CidrBlock != "100.64.0.0/16" || a.CidrBlockState.State != "associating" {
		t.Errorf("IPv4: %+v", four)
	}
	six := must(r.AssociateVpcCidrBlock(t.Context(), &sdk.AssociateVpcCidrBlockInput{VpcId: id, AmazonProvidedIpv6CidrBlock: new(true)}))(t)
	if a := six.Ipv6CidrBlockAssociation; six.CidrBlockAssociation != nil || !strings.HasSuffix(*a.Ipv6CidrBlock, "/56") ||
		a.Ipv6CidrBlockState.State != "associating" || *a.Ipv6Pool != "Amazon" {
		t.Errorf("IPv6: %+v", six)
	}
	v := r.describeVPC(t, *id)
	if len(v.CidrBlockAssociationSet) != 2 || v.CidrBlockAssociationSet[1].CidrBlockState.State != "associated" ||
		len(v.Ipv6CidrBlockAssociationSet) != 1 || v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlockState.State != "associated" {
		t.Errorf("described %+v", v)
	}
	// What follows from the blocks follows.
	tables := must(r.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{Filters: []sdktypes.Filter{where("vpc-id", *id)}}))(t).RouteTables
	if len(tables) != 1 || len(tables[0].Routes) != 3 {
		t.Errorf("routes %+v", tables)
	}
	groups := must(r.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{Filters: []sdktypes.Filter{where("vpc-id", *id)}}))(t).SecurityGroups
	if p := groups[0].IpPermissionsEgress; len(p) != 1 || len(p[0].IpRanges) != 1 || len(p[0].Ipv6Ranges) != 1 {
		t.Errorf("egress of the default group: %+v", p)
	}

	gone := must(r.DisassociateVpcCidrBlock(t.Context(), &sdk.DisassociateVpcCidrBlockInput{AssociationId: four.CidrBlockAssociation.AssociationId}))(t)
	if gone.CidrBlockAssociation.CidrBlockState.State != "disassociating" || *gone.VpcId != *id {
		t.Errorf("gone: %+v", gone)
	}
	must(r.DisassociateVpcCidrBlock(t.Context(), &sdk.DisassociateVpcCidrBlockInput{AssociationId: six.Ipv6CidrBlockAssociation.AssociationId}))(t)
	if v := r.describeVPC(t, *id); len(v.CidrBlockAssociationSet) != 1 || len(v.Ipv6CidrBlockAssociationSet) != 0 {
		t.Errorf("left: %+v", v)
	}
	for _, c := range []struct {
		in   sdk.AssociateVpcCidrBlockInput
		want string
	}{
		{sdk.AssociateVpcCidrBlockInput{}, "MissingParameter: Either 'cidrBlock' or 'amazonProvidedIpv6CidrBlock' should be provided."},
		{sdk.AssociateVpcCidrBlockInput{CidrBlock: new("10.1.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)},
			"InvalidParameterCombination: The parameter cidrBlock cannot be used with the parameter amazonProvidedIpv6CidrBlock"},
		{sdk.AssociateVpcCidrBlockInput{CidrBlock: new("x")}, "InvalidParameterValue: Value (x) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		{sdk.AssociateVpcCidrBlockInput{CidrBlock: new("10.0.128.0/17")}, "InvalidVpc.Range: The CIDR '10.0.128.0/17' is invalid."},
		{sdk.AssociateVpcCidrBlockInput{Ipv6CidrBlock: new("fd00::/56")}, errUnsupported.Error()},
		{sdk.AssociateVpcCidrBlockInput{Ipv4IpamPoolId: new("ipam-pool-1")}, errUnsupported.Error()},
	} {
		c.in.VpcId = id
		_, err := r.AssociateVpcCidrBlock(t.Context(), &c.in)
		refused(t, err, c.want)
	}
}

func TestModifyVpcAttribute(t *testing.T) {
	r := newRig(t, control.Config{})
	id := r.makeVPC(t, "10.0.0.0/16").VpcId
	on, off := &sdktypes.AttributeBooleanValue{Value: new(true)}, &sdktypes.AttributeBooleanValue{Value: new(false)}
	must(r.ModifyVpcAttribute(t.Context(), &sdk.ModifyVpcAttributeInput{VpcId: id, EnableDnsHostnames: on}))(t)
	must(r.ModifyVpcAttribute(t.Context(), &sdk.ModifyVpcAttributeInput{VpcId: id, EnableDnsSupport: off}))(t)
	must(r.ModifyVpcAttribute(t.Context(), &sdk.ModifyVpcAttributeInput{VpcId: id, EnableNetworkAddressUsageMetrics: on}))(t)
	show := func(name sdktypes.VpcAttributeName) *sdk.DescribeVpcAttributeOutput {
		return must(r.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: id, Attribute: name}))(t)
	}
	if !*show("enableDnsHostnames").EnableDnsHostnames.Value || *show("enableDnsSupport").EnableDnsSupport.Value ||
		!*show("enableNetworkAddressUsageMetrics").EnableNetworkAddressUsageMetrics.Value {
		t.Error("attributes do not change")
	}
	_, err := r.ModifyVpcAttribute(t.Context(), &sdk.ModifyVpcAttributeInput{VpcId: id})
	refused(t, err, "InvalidParameterCombination: No attributes specified.")
	_, err = r.ModifyVpcAttribute(t.Context(), &sdk.ModifyVpcAttributeInput{VpcId: id, EnableDnsHostnames: on, EnableDnsSupport: on})
	refused(t, err, "InvalidParameterCombination: Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport")
}

func TestCreateDefaultVpcAndSubnet(t *testing.T) {
	r := newRig(t, control.Config{Regions: []control.Region{control.NewRegion("us-east-1", "ab")}})
	_, err := r.CreateDefaultVpc(t.Context(), &sdk.CreateDefaultVpcInput{})
	refused(t, err, "DefaultVpcAlreadyExists: A Default VPC already exists for this account in this region.")
	subnets := must(r.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{}))(t).Subnets
	for _, n := range subnets {
		must(r.DeleteSubnet(t.Context(), &sdk.DeleteSubnetInput{SubnetId: n.SubnetId}))(t)
	}
	made := must(r.CreateDefaultSubnet(t.Context(), &sdk.CreateDefaultSubnetInput{AvailabilityZone: new("us-east-1b")}))(t).Subnet
	if !*made.DefaultForAz || *made.CidrBlock != "172.31.0.0/20" || !*made.MapPublicIpOnLaunch || *made.AvailabilityZone != "us-east-1b" {
		t.Errorf("made %+v", made)
	}
	_, err = r.CreateDefaultSubnet(t.Context(), &sdk.CreateDefaultSubnetInput{})
	refused(t, err, "MissingParameter: The request must contain the parameter availabilityZone")
	must(r.DeleteSubnet(t.Context(), &sdk.DeleteSubnetInput{SubnetId: made.SubnetId}))(t)
	g := must(r.DescribeInternetGateways(t.Context(), &sdk.DescribeInternetGatewaysInput{Filters: []sdktypes.Filter{where("attachment.vpc-id", *made.VpcId)}}))(t).InternetGateways[0]
	must(r.DetachInternetGateway(t.Context(), &sdk.DetachInternetGatewayInput{InternetGatewayId: g.InternetGatewayId, VpcId: made.VpcId}))(t)
	must(r.DeleteInternetGateway(t.Context(), &sdk.DeleteInternetGatewayInput{InternetGatewayId: g.InternetGatewayId}))(t)
	must(r.DeleteVpc(t.Context(), &sdk.DeleteVpcInput{VpcId: made.VpcId}))(t)
	v := must(r.CreateDefaultVpc(t.Context(), &sdk.CreateDefaultVpcInput{}))(t).Vpc
	if !*v.IsDefault || v.State != "pending" || *v.CidrBlock != "172.31.0.0/16" {
		t.Errorf("made %+v", v)
	}
	if n := len(must(r.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{}))(t).Subnets); n != 2 {
		t.Errorf("%d subnets, want one per zone", n)
	}
}

func TestSubnetBlockAndAttributes(t *testing.T) {
	r := newRig(t, control.Config{})
	v := must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)}))(t).Vpc
	block := netip.PrefixFrom(netip.MustParsePrefix(*v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock).Addr(), 64).String()
	id := must(r.CreateSubnet(t.Context(), &sdk.CreateSubnetInput{VpcId: v.VpcId, CidrBlock: new("10.0.0.0/24")}))(t).Subnet.SubnetId
	made := must(r.AssociateSubnetCidrBlock(t.Context(), &sdk.AssociateSubnetCidrBlockInput{SubnetId: id, Ipv6CidrBlock: &block}))(t)
	if a := made.Ipv6CidrBlockAssociation; *made.SubnetId != *id || *a.Ipv6CidrBlock != block || a.Ipv6CidrBlockState.State != "associating" {
		t.Errorf("made %+v", made)
	}
	on, off := &sdktypes.AttributeBooleanValue{Value: new(true)}, &sdktypes.AttributeBooleanValue{Value: new(false)}
	modify := func(in sdk.ModifySubnetAttributeInput) error {
		in.SubnetId = id
		_, err := r.ModifySubnetAttribute(t.Context(), &in)
		return err
	}
	for _, in := range []sdk.ModifySubnetAttributeInput{
		{AssignIpv6AddressOnCreation: on}, {MapPublicIpOnLaunch: on}, {EnableDns64: off}, {MapCustomerOwnedIpOnLaunch: off},
		{EnableResourceNameDnsARecordOnLaunch: off}, {EnableResourceNameDnsAAAARecordOnLaunch: off}, {PrivateDnsHostnameTypeOnLaunch: "ip-name"},
	} {
		if err := modify(in); err != nil {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if n := r.describeSubnet(t, *id); !*n.AssignIpv6AddressOnCreation || !*n.MapPublicIpOnLaunch || n.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlockState.State != "associated" {
		t.Errorf("described %+v", n)
	}
	for _, in := range []sdk.ModifySubnetAttributeInput{
		{EnableDns64: on}, {MapCustomerOwnedIpOnLaunch: on}, {EnableResourceNameDnsARecordOnLaunch: on},
		{PrivateDnsHostnameTypeOnLaunch: "resource-name"}, {EnableLniAtDeviceIndex: new(int32(1))},
	} {
		refused(t, modify(in), errUnsupported.Error())
	}
	refused(t, modify(sdk.ModifySubnetAttributeInput{}), "InvalidParameterCombination: No attributes specified.")
	refused(t, modify(sdk.ModifySubnetAttributeInput{EnableDns64: off, MapPublicIpOnLaunch: on}),
		"InvalidParameterCombination: Fields for multiple attribute types specified: mapPublicIpOnLaunch, enableDns64")
	if err := modify(sdk.ModifySubnetAttributeInput{AssignIpv6AddressOnCreation: off}); err != nil {
		t.Error(err)
	}

	// Ansible waits until it sees the block as disassociated.
	gone := must(r.DisassociateSubnetCidrBlock(t.Context(), &sdk.DisassociateSubnetCidrBlockInput{AssociationId: made.Ipv6CidrBlockAssociation.AssociationId}))(t)
	if gone.Ipv6CidrBlockAssociation.Ipv6CidrBlockState.State != "disassociating" {
		t.Errorf("gone %+v", gone)
	}
	found := must(r.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{Filters: []sdktypes.Filter{
		where("ipv6-cidr-block-association.state", "disassociated"), where("vpc-id", *v.VpcId),
	}}))(t).Subnets
	if len(found) != 1 || len(found[0].Ipv6CidrBlockAssociationSet) != 1 {
		t.Errorf("found %+v", found)
	}
	must(r.AssociateSubnetCidrBlock(t.Context(), &sdk.AssociateSubnetCidrBlockInput{SubnetId: id, Ipv6CidrBlock: &block}))(t)
	if n := r.describeSubnet(t, *id); n.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlockState.State != "associated" {
		t.Errorf("described %+v", n)
	}
}
