// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"testing"
)

func TestSubnetBlock(t *testing.T) {
	s := newService(t)
	v, err := s.CreateVPC(t.Context(), alice, VPCRequest{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	subnet := func(block string) string {
		t.Helper()
		n, err := s.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: v.ID, CIDR: netip.MustParsePrefix(block)})
		if err != nil {
			t.Fatal(err)
		}
		return n.ID
	}
	a, b := subnet("10.0.0.0/24"), subnet("10.0.1.0/24")
	associate := func(subnet string, block netip.Prefix) error {
		_, err := s.AssociateSubnetBlock(t.Context(), alice, subnet, block)
		return err
	}
	refused(t, associate(a, netip.MustParsePrefix("fd00::/64")), "InvalidSubnet.Range: The CIDR 'fd00::/64' is invalid.")
	made, err := s.AssociateVPCBlock(t.Context(), alice, v.ID, netip.Prefix{})
	if err != nil {
		t.Fatal(err)
	}
	block := netip.PrefixFrom(made.Prefix.Addr(), 64)
	refused(t, s.ModifySubnetAttribute(t.Context(), alice, a, SubnetChange{AssignIPv6OnCreate: new(true)}),
		"InvalidParameterValue: The subnet does not have an IPv6 CIDR block associated")
	refused(t, associate(a, netip.PrefixFrom(block.Addr(), 63)), "InvalidSubnet.Range: The CIDR '"+netip.PrefixFrom(block.Addr(), 63).String()+"' is invalid.")
	refused(t, associate("subnet-00000000", block), "InvalidSubnetID.NotFound: The subnet ID 'subnet-00000000' does not exist")
	if err := associate(a, block); err != nil {
		t.Fatal(err)
	}
	refused(t, associate(b, block), "InvalidSubnet.Conflict: The CIDR '"+block.String()+"' conflicts with another subnet")
	refused(t, associate(a, block), "CidrLimitExceeded: This subnet "+a+" has met its maximum number of allowed CIDRs: 1")
	_, _, err = s.DisassociateVPCBlock(t.Context(), alice, made.ID)
	refused(t, err, "InvalidCidrBlock.InUse: The vpc "+v.ID+" currently has a subnet within CIDR block "+made.Prefix.String())

	// Interfaces made from now on get an address of it.
	if err := s.ModifySubnetAttribute(t.Context(), alice, a, SubnetChange{AssignIPv6OnCreate: new(true)}); err != nil {
		t.Fatal(err)
	}
	i, err := s.CreateNetworkInterface(t.Context(), alice, InterfaceSpec{Subnet: a}, ClientToken{})
	if err != nil || len(i.IPv6) != 1 || !block.Contains(i.IPv6[0]) {
		t.Fatalf("%+v, %v", i, err)
	}

	of := s.Read().Subnets.Get(a).IPv6.ID
	disassociate := func(id string) error {
		_, _, err := s.DisassociateSubnetBlock(t.Context(), alice, id)
		return err
	}
	refused(t, disassociate("subnet-cidr-assoc-00000000"),
		"InvalidSubnetCidrBlockAssociationID.NotFound: The subnet CIDR block association ID 'subnet-cidr-assoc-00000000' does not exist")
	refused(t, disassociate(of), "OperationNotPermitted: The subnet '"+a+"' assigns IPv6 addresses on creation. Modify its 'assignIpv6AddressOnCreation' attribute and try again.")
	if err := s.ModifySubnetAttribute(t.Context(), alice, a, SubnetChange{AssignIPv6OnCreate: new(false)}); err != nil {
		t.Fatal(err)
	}
	refused(t, disassociate(of), "InvalidCidrBlock.InUse: The subnet "+a+" currently has an interface within CIDR block "+block.String())
	if err := s.DeleteNetworkInterface(t.Context(), alice, i.ID); err != nil {
		t.Fatal(err)
	}
	if err := disassociate(of); err != nil {
		t.Fatal(err)
	}
	if n := s.Read().Subnets.Get(a); n.IPv6 != nil || n.FormerIPv6.ID != of {
		t.Errorf("%+v", n)
	}
	if err := associate(b, block); err != nil {
		t.Errorf("the block is not free: %v", err)
	}
	if err := s.ModifySubnetAttribute(t.Context(), alice, a, SubnetChange{MapPublicIP: new(true)}); err != nil || !s.Read().Subnets.Get(a).MapPublicIP {
		t.Errorf("map public addresses: %v", err)
	}
}
