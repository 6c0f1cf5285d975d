// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func TestCreateSubnet(t *testing.T) {
	s := newService(t)
	v := mustVPC(t, s, "10.0.0.0/16", true)
	first := netip.PrefixFrom(v.IPv6[0].Prefix.Addr(), 64)
	n, err := s.CreateSubnet(t.Context(), alice, SubnetRequest{
		VPC: v.ID, CIDR: netip.MustParsePrefix("10.0.0.0/24"), IPv6: first, ZoneID: "use1-az3", Tags: secgroup.Tags{{Key: "a", Value: "1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n.Zone != "us-east-1c" || n.ZoneID != "use1-az3" || n.IPv6.Prefix != first || n.IPv6Native || n.AssignIPv6OnCreate || n.DefaultForZone || n.MapPublicIP {
		t.Errorf("%+v", n)
	}
	if free := FreeAddresses(s.Read(), n); free != 251 {
		t.Errorf("%d addresses free", free)
	}
	_, err = s.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: v.ID, IPv6: netip.PrefixFrom(first.Addr().Next(), 64)})
	refused(t, err, "InvalidSubnet.Conflict: The CIDR '"+netip.PrefixFrom(first.Addr().Next(), 64).String()+"' conflicts with another subnet")
	bytes := first.Addr().As16()
	bytes[7] = 1
	native, err := s.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: v.ID, IPv6: netip.PrefixFrom(netip.AddrFrom16(bytes), 64)})
	if err != nil {
		t.Fatal(err)
	}
	if !native.IPv6Native || !native.AssignIPv6OnCreate || native.CIDR.IsValid() || native.Zone != "us-east-1a" || FreeAddresses(s.Read(), native) != 0 {
		t.Errorf("%+v", native)
	}
}

func TestCreateSubnetRefuses(t *testing.T) { // API-InvalidSubnet.Range, API-InvalidSubnet.Conflict, API-SubnetLimitExceeded
	s := newServiceWith(t, Config{Quotas: Quotas{SubnetsPerVPC: 2}, Regions: []Region{NewRegion("us-east-1", "ab")}})
	v, six := mustVPC(t, s, "10.0.0.0/16", false), mustVPC(t, s, "10.0.0.0/16", true)
	mustSubnet(t, s, v.ID, "10.0.1.0/24")
	var none netip.Prefix
	four := netip.MustParsePrefix("10.0.0.0/24")
	block := six.IPv6[0].Prefix
	for _, c := range []struct {
		name string
		in   SubnetRequest
		want string
	}{
		{"unknown VPC", SubnetRequest{VPC: "vpc-00000000", CIDR: four}, "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist"},
		{"malformed VPC", SubnetRequest{VPC: "foo", CIDR: four}, "InvalidVpcID.NotFound: The vpc ID 'foo' does not exist"},
		{"outside", SubnetRequest{VPC: v.ID, CIDR: netip.MustParsePrefix("10.1.0.0/24")}, "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid."},
		{"larger than the VPC", SubnetRequest{VPC: v.ID, CIDR: netip.MustParsePrefix("10.0.0.0/15")}, "InvalidSubnet.Range: The CIDR '10.0.0.0/15' is invalid."},
		{"too small", SubnetRequest{VPC: v.ID, CIDR: netip.MustParsePrefix("10.0.0.0/29")}, "InvalidSubnet.Range: The CIDR '10.0.0.0/29' is invalid."},
		{"inside another", SubnetRequest{VPC: v.ID, CIDR: netip.MustParsePrefix("10.0.1.128/25")}, "InvalidSubnet.Conflict: The CIDR '10.0.1.128/25' conflicts with another subnet"},
		{"around another", SubnetRequest{VPC: v.ID, CIDR: netip.MustParsePrefix("10.0.0.0/22")}, "InvalidSubnet.Conflict: The CIDR '10.0.0.0/22' conflicts with another subnet"},
		{"IPv6 without the VPC's", SubnetRequest{VPC: v.ID, CIDR: four, IPv6: netip.MustParsePrefix("fd00::/64")}, "InvalidSubnet.Range: The CIDR 'fd00::/64' is invalid."},
		{"IPv6 of no good length", SubnetRequest{VPC: six.ID, CIDR: four, IPv6: netip.PrefixFrom(block.Addr(), 62)}, "InvalidSubnet.Range: The CIDR '" + netip.PrefixFrom(block.Addr(), 62).String() + "' is invalid."},
		{"unknown zone", SubnetRequest{VPC: v.ID, CIDR: four, Zone: "us-east-1x"}, "InvalidParameterValue: Value (us-east-1x) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b."},
		{"unknown zone id", SubnetRequest{VPC: v.ID, CIDR: four, ZoneID: "x"}, "InvalidParameterValue: Value (x) for parameter availabilityZoneId is invalid. Subnets can currently only be created in the following availability zones: use1-az1, use1-az2."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.CreateSubnet(t.Context(), alice, c.in)
			refused(t, err, c.want)
		})
	}
	mustSubnet(t, s, v.ID, "10.0.2.0/24")
	_, err := s.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: v.ID, CIDR: four, IPv6: none})
	refused(t, err, "SubnetLimitExceeded: The maximum number of subnets has been reached.")
}

func TestDeleteSubnet(t *testing.T) { // API-DependencyViolation, API-InvalidSubnetID.NotFound
	s := newService(t)
	v := mustVPC(t, s, "10.0.0.0/16", false)
	n := mustSubnet(t, s, v.ID, "10.0.0.0/24")
	occupy := func(change func(*model.Tx)) {
		t.Helper()
		if err := s.write(t.Context(), alice.Scope, func(tx *model.Tx) error { change(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	occupy(func(tx *model.Tx) {
		tx.Interfaces.Put(&secgroup.Interface{
			Scope: alice.Scope, ID: "eni-1", VPC: v.ID, Subnet: n.ID, Groups: []string{v.DefaultGroup},
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("10.0.0.5")},
		})
	})
	if free := FreeAddresses(s.Read(), n); free != 249 {
		t.Errorf("%d addresses free", free)
	}
	refused(t, s.DeleteSubnet(t.Context(), alice, n.ID), "DependencyViolation: The subnet '"+n.ID+"' has dependencies and cannot be deleted.")
	occupy(func(tx *model.Tx) { tx.Interfaces.Delete("eni-1") })
	if err := s.DeleteSubnet(t.Context(), alice, n.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, s.DeleteSubnet(t.Context(), alice, n.ID), "InvalidSubnetID.NotFound: The subnet ID '"+n.ID+"' does not exist")
}
