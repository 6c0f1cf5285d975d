// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// taggedThings makes one resource of each type and returns their ids by type.
func taggedThings(t *testing.T, s *Service) map[string]string {
	t.Helper()
	v := mustVPC(t, s, "10.0.0.0/16", false)
	n := mustSubnet(t, s, v.ID, "10.0.0.0/24")
	err := s.write(t.Context(), alice.Scope, func(tx *model.Tx) error {
		tx.Interfaces.Put(&secgroup.Interface{Scope: alice.Scope, ID: "eni-1", VPC: v.ID, Subnet: n.ID, Groups: []string{v.DefaultGroup}})
		tx.Instances.Put(&secgroup.Instance{Scope: alice.Scope, ID: "i-1", VPC: v.ID, Subnet: n.ID, State: secgroup.Terminated})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.CreatePeering(t.Context(), alice, PeeringRequest{VPC: v.ID, PeerVPC: DefaultVPC(s.Read(), alice.Scope).ID})
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.AllocateAddress(t.Context(), alice, netip.Addr{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := s.CreateEndpoint(t.Context(), alice, EndpointSpec{VPC: v.ID, Service: secgroup.APIEndpoint.In(alice.Region), Subnets: []string{n.ID}}, ClientToken{})
	if err != nil {
		t.Fatal(err)
	}
	nat, err := s.CreateNATGateway(t.Context(), alice, NATGatewaySpec{Subnet: n.ID, Allocation: e.ID}, ClientToken{})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		EndpointType: endpoint.ID, NATGatewayType: nat.ID,
		InternetGatewayType: s.Read().Gateway(DefaultVPC(s.Read(), alice.Scope).ID).ID, ElasticIPType: e.ID,
		PeeringType: p.ID, RouteTableType: v.MainRouteTable, NetworkACLType: v.DefaultACL, DHCPOptionsType: v.DHCPOptions,
		VPCType: v.ID, SubnetType: n.ID, GroupType: v.DefaultGroup,
		RuleType: s.Read().Groups.Get(v.DefaultGroup).Rules[1].ID, InterfaceType: "eni-1", InstanceType: "i-1",
		PrefixListType: mustList(t, s, 1), LaunchTemplateType: mustTemplate(t, s, "tagged").ID,
	}
}

// tagsByType returns every tag in alice's Region, by resource type.
func tagsByType(s *Service) map[string]secgroup.Tags {
	all := map[string]secgroup.Tags{}
	for _, r := range TaggedResources(s.Read(), alice.Scope) {
		all[r.Type] = append(all[r.Type], r.Tag)
	}
	return all
}

func TestEveryResourceTypeIsTagged(t *testing.T) {
	s := newService(t)
	things := taggedThings(t, s)
	var ids []string
	for _, kind := range taggables {
		ids = append(ids, things[kind.kind])
	}
	expect := func(step string, tags secgroup.Tags) {
		t.Helper()
		want := map[string]secgroup.Tags{}
		for _, kind := range taggables {
			if tags != nil {
				want[kind.kind] = tags
			}
		}
		if d := cmp.Diff(want, tagsByType(s)); d != "" {
			t.Errorf("%s: %s", step, d)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(s.CreateTags(t.Context(), alice, ids, secgroup.Tags{{Key: "a", Value: "1"}, {Key: "b"}, {Key: "c", Value: "3"}}))
	expect("create", secgroup.Tags{{Key: "a", Value: "1"}, {Key: "b"}, {Key: "c", Value: "3"}})
	do(s.CreateTags(t.Context(), alice, ids, secgroup.Tags{{Key: "a", Value: "2"}}))
	expect("overwrite", secgroup.Tags{{Key: "a", Value: "2"}, {Key: "b"}, {Key: "c", Value: "3"}})
	do(s.DeleteTags(t.Context(), alice, ids, []TagRemoval{{"a", new("1")}, {"c", new("")}, {"gone", nil}}))
	expect("delete by another value", secgroup.Tags{{Key: "a", Value: "2"}, {Key: "b"}, {Key: "c", Value: "3"}})
	do(s.DeleteTags(t.Context(), alice, ids, []TagRemoval{{"b", new("")}, {"c", nil}}))
	expect("delete by value and by key", secgroup.Tags{{Key: "a", Value: "2"}})
	do(s.DeleteTags(t.Context(), alice, ids, nil))
	expect("delete all", nil)
}

func TestTagsRefuse(t *testing.T) { // API-InvalidID, API-TagLimitExceeded, not-found of each type
	s := newServiceWith(t, Config{Quotas: Quotas{TagsPerResource: 2}})
	things := taggedThings(t, s)
	one := secgroup.Tags{{Key: "a"}}
	for id, want := range map[string]string{
		"sg-00000000":       "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist",
		"sgr-00000000":      "InvalidSecurityGroupRuleId.NotFound: The security group rule ID 'sgr-00000000' does not exist",
		"vpc-00000000":      "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist",
		"subnet-00000000":   "InvalidSubnetID.NotFound: The subnet ID 'subnet-00000000' does not exist",
		"eni-00000000":      "InvalidNetworkInterfaceID.NotFound: The networkInterface ID 'eni-00000000' does not exist",
		"i-00000000":        "InvalidInstanceID.NotFound: The instance ID 'i-00000000' does not exist",
		"pcx-00000000":      "InvalidVpcPeeringConnectionID.NotFound: The vpcPeeringConnection ID 'pcx-00000000' does not exist",
		"rtb-00000000":      "InvalidRouteTableID.NotFound: The routeTable ID 'rtb-00000000' does not exist",
		"igw-00000000":      "InvalidInternetGatewayID.NotFound: The internetGateway ID 'igw-00000000' does not exist",
		"eipalloc-00000000": "InvalidAllocationID.NotFound: The allocation ID 'eipalloc-00000000' does not exist",
		"acl-00000000":      "InvalidNetworkAclID.NotFound: The networkAcl ID 'acl-00000000' does not exist",
		"dopt-00000000":     "InvalidDhcpOptionID.NotFound: The dhcpOption ID 'dopt-00000000' does not exist",
		"foo":               "InvalidID: The ID 'foo' is not valid",
	} {
		refused(t, s.CreateTags(t.Context(), alice, []string{things[VPCType], id}, one), want)
		refused(t, s.DeleteTags(t.Context(), alice, []string{id}, nil), want)
	}
	bob := alice
	bob.Account = "444455556666"
	refused(t, s.CreateTags(t.Context(), bob, []string{things[LaunchTemplateType]}, one), unknownTemplate(things[LaunchTemplateType]).Error())
	refused(t, s.CreateTags(t.Context(), bob, []string{"i-1"}, one), "InvalidInstanceID.NotFound: The instance ID 'i-1' does not exist")
	ids := []string{things[VPCType], things[SubnetType]}
	if err := s.CreateTags(t.Context(), alice, ids[1:], secgroup.Tags{{Key: "x"}, {Key: "y"}}); err != nil {
		t.Fatal(err)
	}
	refused(t, s.CreateTags(t.Context(), alice, ids, one), "TagLimitExceeded: The maximum number of Tags for a resource has been reached.")
	want := map[string]secgroup.Tags{SubnetType: {{Key: "x"}, {Key: "y"}}}
	if d := cmp.Diff(want, tagsByType(s)); d != "" {
		t.Errorf("a refused call changed something: %s", d)
	}
}
