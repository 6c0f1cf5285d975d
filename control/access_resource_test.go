// SPDX-License-Identifier: Apache-2.0

package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/secgroup"
)

// TestPoliciesKnowEveryResource: conditions on ec2:ResourceTag, ec2:Vpc and ec2:Subnet
// see what a resource of each type has (docs/spec/ec2-api.md section 11.5).
func TestPoliciesKnowEveryResource(t *testing.T) {
	s := newService(t)
	things := taggedThings(t, s)
	tags := secgroup.Tags{{Key: "owner", Value: "bob"}}
	var ids []string
	for _, id := range things {
		ids = append(ids, id)
	}
	if err := s.CreateTags(t.Context(), alice, ids, tags); err != nil {
		t.Fatal(err)
	}
	home, vpc, subnet := DefaultVPC(s.Read(), alice.Scope).ID, things[VPCType], things[SubnetType]
	want := map[string]Facts{
		VPCType: {VPC: vpc}, GroupType: {VPC: vpc}, RuleType: {VPC: vpc}, RouteTableType: {VPC: vpc}, NetworkACLType: {VPC: vpc},
		EndpointType: {VPC: vpc}, PeeringType: {VPC: vpc}, InternetGatewayType: {VPC: home},
		SubnetType: {VPC: vpc, Subnet: subnet}, InterfaceType: {VPC: vpc, Subnet: subnet}, InstanceType: {VPC: vpc, Subnet: subnet}, NATGatewayType: {VPC: vpc, Subnet: subnet},
		ElasticIPType: {}, DHCPOptionsType: {}, PrefixListType: {}, LaunchTemplateType: {}, // of no VPC
	}
	for _, kind := range taggables {
		w, ok := want[kind.kind]
		if !ok {
			t.Errorf("%s: what policies may ask about it is not in this test", kind.kind)
		}
		w.Tags = tags
		id := things[kind.kind]
		if d := cmp.Diff(w, FactsOf(s.Read(), alice.Scope, id)); d != "" {
			t.Errorf("%s (-want +got):\n%s", kind.kind, d)
		}
		if d := cmp.Diff(Facts{}, FactsOf(s.Read(), bob.Scope, id)); d != "" {
			t.Errorf("%s of another account (-want +got):\n%s", kind.kind, d)
		}
	}
}
