// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/secgroup"
)

func TestModifySecurityGroupRules(t *testing.T) {
	s := newServiceWith(t, Config{Quotas: Quotas{RulesPerGroup: 10}})
	v := mustVPC(t, s, "10.0.0.0/16", false)
	g, other := mustGroup(t, s, v.ID, "g"), mustGroup(t, s, v.ID, "other")
	atHome := mustGroup(t, s, "", "at home")
	modify := func(changes ...RuleContent) error {
		return s.ModifySecurityGroupRules(t.Context(), alice, g.ID, changes)
	}
	rule := func(id string) *secgroup.Rule { return findGroupRule(s.Read(), alice.Scope, id).Rule }
	first := permission(1, "10.0.0.0/8")
	first.Peers[0].Description = new("first")
	made := mustAuthorize(t, s, g.ID, false, first, permission(2, "10.0.0.0/8"), permission(3, other.ID))
	a, b, ref := made[0].ID, made[1].ID, made[2].ID
	foreign := mustAuthorize(t, s, other.ID, false, permission(1, "10.0.0.0/8"))[0].ID
	out := g.Rules[0].ID

	t.Run("API-M1", func(t *testing.T) {
		const wrong = "InvalidParameterValue: Invalid rule type for security group rule '"
		refused(t, modify(RuleContent{a, permission(1, "::/0")}), wrong+a+"'. You may not specify CidrIpv6 for an existing IPv4 CIDR rule.")
		refused(t, modify(RuleContent{a, permission(1, other.ID)}), wrong+a+"'. You may not specify ReferencedGroupId for an existing IPv4 CIDR rule.")
		refused(t, modify(RuleContent{ref, permission(1, "10.0.0.0/8")}), wrong+ref+"'. You may not specify CidrIpv4 for an existing referenced group rule.")
	})
	t.Run("API-M4", func(t *testing.T) {
		refused(t, modify(RuleContent{a, permission(2, "10.0.0.0/8")}), `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 2, to port: 2, ALLOW" already exists`)
		refused(t, modify(RuleContent{a, permission(9, "10.0.0.0/8")}, RuleContent{b, permission(9, "10.0.0.0/8")}), "InvalidParameterValue: The same permission must not appear multiple times")
	})
	t.Run("refusals change nothing", func(t *testing.T) {
		refused(t, modify(RuleContent{a, permission(9, "10.0.0.0/8")}, RuleContent{foreign, permission(9, "10.0.0.0/8")}),
			"InvalidSecurityGroupRuleId.NotFound: The security group rule ID '"+foreign+"' does not exist")
		refused(t, modify(RuleContent{ref, permission(9, "sg-00000000")}), "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist")
		refused(t, modify(RuleContent{ref, permission(9, atHome.ID)}), "InvalidGroup.NotFound: You have specified two resources that belong to different networks.")
		refused(t, s.ModifySecurityGroupRules(t.Context(), alice, "sg-00000000", nil), "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist")
		if r := rule(a); r.From != 1 || *r.Description != "first" || !s.Read().Groups.Get(g.ID).EgressOriginal {
			t.Errorf("rule %+v", r)
		}
	})
	t.Run("API-M3", func(t *testing.T) {
		if err := modify(RuleContent{a, permission(2, "10.0.0.0/8")}, RuleContent{b, permission(1, "10.0.0.0/8")}); err != nil {
			t.Fatal(err)
		}
		if rule(a).From != 2 || rule(b).From != 1 {
			t.Errorf("%+v %+v", rule(a), rule(b))
		}
	})
	t.Run("API-M5", func(t *testing.T) {
		if d := rule(a).Description; d != nil {
			t.Errorf("description %q outlived a change without one", *d)
		}
	})
	t.Run("API-M6", func(t *testing.T) {
		tags := secgroup.Tags{{Key: "k", Value: "v"}}
		if err := s.CreateTags(t.Context(), alice, []string{a}, tags); err != nil {
			t.Fatal(err)
		}
		if err := modify(RuleContent{a, permission(4, "10.0.0.0/8")}); err != nil || !slices.Equal(rule(a).Tags, tags) || rule(a).From != 4 {
			t.Errorf("%+v, %v", rule(a), err)
		}
	})
	t.Run("API-M7", func(t *testing.T) {
		same := permission(4, "10.0.0.0/8") // content as it was, and equal in the other direction
		if err := modify(RuleContent{a, same}, RuleContent{out, same}); err != nil {
			t.Fatal(err)
		}
		if r := rule(out); !r.Egress || r.From != 4 || s.Read().Groups.Get(g.ID).EgressOriginal {
			t.Errorf("egress rule %+v", r)
		}
	})
}

func TestDescribeRulesAnew(t *testing.T) {
	s := newService(t)
	g := mustGroup(t, s, "", "g")
	id := mustAuthorize(t, s, g.ID, false, permission(1, "10.0.0.0/8"))[0].ID
	ref := GroupRef{Name: "g"}
	text := func() string {
		if d := findGroupRule(s.Read(), alice.Scope, id).Rule.Description; d != nil {
			return *d
		}
		return "none"
	}
	p := permission(1, "10.0.0.0/8")
	p.Peers[0].Description = new("one")

	t.Run("API-U1", func(t *testing.T) {
		if err := s.DescribeRulesAnew(t.Context(), alice, ref, false, []secgroup.Permission{p}); err != nil || text() != "one" {
			t.Errorf("by permission: %s, %v", text(), err)
		}
		if err := s.DescribeRulesAnewByID(t.Context(), alice, ref, false, []RuleDescription{{id, new("two")}}); err != nil || text() != "two" {
			t.Errorf("by id: %s, %v", text(), err)
		}
		if err := s.DescribeRulesAnew(t.Context(), alice, ref, false, []secgroup.Permission{permission(1, "10.0.0.0/8")}); err != nil || text() != "none" {
			t.Errorf("without description: %s, %v", text(), err)
		}
	})
	t.Run("API-U2", func(t *testing.T) {
		err := s.DescribeRulesAnew(t.Context(), alice, ref, false, []secgroup.Permission{p, permission(2, "10.0.0.0/8")})
		refused(t, err, "InvalidPermission.NotFound: The specified rule does not exist in this security group.")
		err = s.DescribeRulesAnew(t.Context(), alice, ref, true, []secgroup.Permission{p})
		refused(t, err, "InvalidPermission.NotFound: The specified rule does not exist in this security group.")
		err = s.DescribeRulesAnewByID(t.Context(), alice, ref, true, []RuleDescription{{id, new("x")}})
		refused(t, err, "InvalidSecurityGroupRuleId.NotFound: The security group rule ID '"+id+"' does not exist")
		if text() != "none" || !s.Read().Groups.Get(g.ID).EgressOriginal {
			t.Errorf("a refusal left %q", text())
		}
	})
}
