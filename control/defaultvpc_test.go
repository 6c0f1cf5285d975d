// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func TestCreateDefaultVPC(t *testing.T) {
	s := newService(t)
	_, err := s.CreateDefaultVPC(t.Context(), alice)
	refused(t, err, "DefaultVpcAlreadyExists: A Default VPC already exists for this account in this region.")

	first := DefaultVPC(s.Read(), alice.Scope)
	var subnets []*secgroup.Subnet
	for n := range s.Read().Subnets.By(model.ByVPC, first.ID) {
		subnets = append(subnets, n)
	}
	for _, n := range subnets {
		if err := s.DeleteSubnet(t.Context(), alice, n.ID); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, s.DeleteVPC(t.Context(), alice, first.ID), "DependencyViolation: The vpc '"+first.ID+"' has dependencies and cannot be deleted.")
	cutOff(t, s, first.ID)
	if err := s.DeleteVPC(t.Context(), alice, first.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateDefaultSubnet(t.Context(), alice, "us-east-1a", "")
	refused(t, err, "DefaultVpcDoesNotExist: There is no default VPC in which to carry out the operation.")

	made, err := s.CreateDefaultVPC(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := Subnets(s.Read(), alice.Scope)
	if made.ID == first.ID || !made.Default || !made.DNSHostnames || made.CIDRs[0].Prefix != defaultBlock ||
		made.DHCPOptions != first.DHCPOptions || len(got) != len(subnets) || s.Read().Groups.Get(made.DefaultGroup) == nil {
		t.Errorf("made %+v with %d subnets", made, len(got))
	}
	for _, n := range got {
		if !n.DefaultForZone || !n.MapPublicIP || n.VPC != made.ID {
			t.Errorf("subnet %+v", n)
		}
	}
	g, main := s.Read().Gateway(made.ID), s.Read().MainRouteTable(made)
	if g == nil || len(main.Routes) != 1 || main.Routes[0] != (secgroup.Route{Destination: everywhere, Gateway: g.ID}) || !s.Read().Active(main, &main.Routes[0]) {
		t.Errorf("gateway %+v, main table %+v", g, main)
	}
}

// cutOff takes the internet gateway of a VPC of alice's away.
func cutOff(t *testing.T, s *Service, vpc string) {
	t.Helper()
	g := s.Read().Gateway(vpc)
	if err := s.DetachInternetGateway(t.Context(), alice, g.ID, vpc); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteInternetGateway(t.Context(), alice, g.ID); err != nil {
		t.Fatal(err)
	}
}

func TestCreateDefaultSubnet(t *testing.T) {
	s := newService(t)
	v := DefaultVPC(s.Read(), alice.Scope)
	of := map[string]*secgroup.Subnet{}
	for n := range s.Read().Subnets.By(model.ByVPC, v.ID) {
		of[n.Zone] = n
	}
	b := of["us-east-1b"]
	_, err := s.CreateDefaultSubnet(t.Context(), alice, "us-east-1b", "")
	refused(t, err, "DefaultSubnetAlreadyExistsInAvailabilityZone: '"+b.ID+"' is already the default subnet in us-east-1b.")
	_, err = s.CreateDefaultSubnet(t.Context(), alice, "us-east-1x", "")
	refused(t, err, "InvalidParameterValue: Value (us-east-1x) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e, us-east-1f.")

	if err := s.DeleteSubnet(t.Context(), alice, b.ID); err != nil {
		t.Fatal(err)
	}
	made, err := s.CreateDefaultSubnet(t.Context(), alice, "", b.ZoneID)
	if err != nil || made.CIDR != b.CIDR || made.Zone != b.Zone || !made.DefaultForZone {
		t.Errorf("made %+v, %v", made, err)
	}
	// Where its old block is taken, the zone gets the next free one.
	if err := s.DeleteSubnet(t.Context(), alice, made.ID); err != nil {
		t.Fatal(err)
	}
	small := netip.PrefixFrom(b.CIDR.Addr(), 28)
	if _, err := s.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: v.ID, CIDR: small}); err != nil {
		t.Fatal(err)
	}
	if made, err = s.CreateDefaultSubnet(t.Context(), alice, "us-east-1b", ""); err != nil || made.CIDR.String() != "172.31.96.0/20" {
		t.Errorf("made %+v, %v", made, err)
	}
}
