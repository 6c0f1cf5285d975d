// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestAssignAndUnassign(t *testing.T) {
	s := newSite(t)
	v := must(s.AssociateVpcCidrBlock(t.Context(), &sdk.AssociateVpcCidrBlockInput{VpcId: &s.vpc, AmazonProvidedIpv6CidrBlock: new(true)}))(t)
	block := (*v.Ipv6CidrBlockAssociation.Ipv6CidrBlock)[:len(*v.Ipv6CidrBlockAssociation.Ipv6CidrBlock)-len("/56")]
	must(s.AssociateSubnetCidrBlock(t.Context(), &sdk.AssociateSubnetCidrBlockInput{SubnetId: &s.subnet, Ipv6CidrBlock: new(block + "/64")}))(t)
	i := s.eni(t, func(in *sdk.CreateNetworkInterfaceInput) { in.PrivateIpAddress = new("10.0.0.10") })
	id := i.NetworkInterfaceId

	four := must(s.AssignPrivateIpAddresses(t.Context(), &sdk.AssignPrivateIpAddressesInput{NetworkInterfaceId: id, PrivateIpAddresses: []string{"10.0.0.11"}}))(t)
	if *four.NetworkInterfaceId != *id || len(four.AssignedPrivateIpAddresses) != 1 || *four.AssignedPrivateIpAddresses[0].PrivateIpAddress != "10.0.0.11" {
		t.Errorf("assigned %+v", four)
	}
	more := must(s.AssignPrivateIpAddresses(t.Context(), &sdk.AssignPrivateIpAddressesInput{NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: new(int32(2))}))(t)
	if len(more.AssignedPrivateIpAddresses) != 2 {
		t.Errorf("assigned %+v", more)
	}
	six := must(s.AssignIpv6Addresses(t.Context(), &sdk.AssignIpv6AddressesInput{NetworkInterfaceId: id, Ipv6Addresses: []string{block + "10"}}))(t)
	if len(six.AssignedIpv6Addresses) != 1 || six.AssignedIpv6Addresses[0] != block+"10" {
		t.Errorf("assigned %+v", six)
	}
	must(s.AssignIpv6Addresses(t.Context(), &sdk.AssignIpv6AddressesInput{NetworkInterfaceId: id, Ipv6AddressCount: new(int32(1))}))(t)
	shown := func() sdktypes.NetworkInterface {
		t.Helper()
		return must(s.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*id}}))(t).NetworkInterfaces[0]
	}
	if n := shown(); len(n.PrivateIpAddresses) != 4 || *n.PrivateIpAddress != "10.0.0.10" || len(n.Ipv6Addresses) != 2 || *n.Ipv6Address != block+"10" {
		t.Errorf("shown %+v", n)
	}
	must(s.UnassignPrivateIpAddresses(t.Context(), &sdk.UnassignPrivateIpAddressesInput{NetworkInterfaceId: id, PrivateIpAddresses: []string{"10.0.0.11"}}))(t)
	gone := must(s.UnassignIpv6Addresses(t.Context(), &sdk.UnassignIpv6AddressesInput{NetworkInterfaceId: id, Ipv6Addresses: []string{block + "10"}}))(t)
	if len(gone.UnassignedIpv6Addresses) != 1 || *gone.NetworkInterfaceId != *id {
		t.Errorf("unassigned %+v", gone)
	}
	if n := shown(); len(n.PrivateIpAddresses) != 3 || len(n.Ipv6Addresses) != 1 {
		t.Errorf("shown %+v", n)
	}

	type four4 = sdk.AssignPrivateIpAddressesInput
	for _, c := range []struct {
		in   four4
		want string
	}{
		{four4{}, "MissingParameter: Either 'privateIpAddresses' or 'secondaryPrivateIpAddressCount' should be provided."},
		{four4{PrivateIpAddresses: []string{"10.0.0.9"}, SecondaryPrivateIpAddressCount: new(int32(1))},
			"InvalidParameterCombination: The parameter secondaryPrivateIpAddressCount cannot be used with the parameter privateIpAddresses"},
		{four4{PrivateIpAddresses: []string{"fd00::1"}}, "InvalidParameterValue: invalid value for parameter address: fd00::1"},
		{four4{SecondaryPrivateIpAddressCount: new(int32(-1))}, "InvalidParameterValue: Value (-1) for parameter secondaryPrivateIpAddressCount is invalid. Expecting a value greater than or equal to 0."},
		{four4{Ipv4PrefixCount: new(int32(1)), Ipv4Prefixes: []string{"10.0.0.16/28"}},
			"InvalidParameterCombination: The parameter ipv4PrefixCount cannot be used with the parameter ipv4Prefix"},
		{four4{Ipv4Prefixes: []string{"fd00::/80"}}, "InvalidParameterValue: Value (fd00::/80) for parameter ipv4Prefix is invalid. This is not a valid CIDR block."},
	} {
		c.in.NetworkInterfaceId = id
		_, err := s.AssignPrivateIpAddresses(t.Context(), &c.in)
		refused(t, err, c.want)
	}
	_, err := s.AssignIpv6Addresses(t.Context(), &sdk.AssignIpv6AddressesInput{NetworkInterfaceId: id, Ipv6PrefixCount: new(int32(-1))})
	refused(t, err, "InvalidParameterValue: Value (-1) for parameter ipv6PrefixCount is invalid. Expecting a value greater than or equal to 0.")
	_, err = s.AssignIpv6Addresses(t.Context(), &sdk.AssignIpv6AddressesInput{NetworkInterfaceId: id, Ipv6Addresses: []string{"::ffff:10.0.0.1"}})
	refused(t, err, "InvalidParameterValue: invalid value for parameter address: ::ffff:10.0.0.1")
	_, err = s.UnassignIpv6Addresses(t.Context(), &sdk.UnassignIpv6AddressesInput{NetworkInterfaceId: new("eni-x"), Ipv6Addresses: []string{"fd00::1"}})
	refused(t, err, `InvalidNetworkInterfaceId.Malformed: Invalid id: "eni-x" (expecting "eni-...")`)
	_, err = s.UnassignPrivateIpAddresses(t.Context(), &sdk.UnassignPrivateIpAddressesInput{NetworkInterfaceId: id})
	refused(t, err, "MissingParameter: The request must contain the parameter privateIpAddresses")
}
