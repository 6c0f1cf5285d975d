// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func TestAuthorize(t *testing.T) {
	s := newService(t)
	home, v := DefaultVPC(s.Read(), alice.Scope), mustVPC(t, s, "10.0.0.0/16", false)
	g, peer := mustGroup(t, s, v.ID, "g"), mustGroup(t, s, v.ID, "peer")
	atHome, named := mustGroup(t, s, "", "at home"), mustGroup(t, s, "", "named")
	authorize := func(group string, permissions ...secgroup.Permission) ([]secgroup.Rule, error) {
		before := len(s.Read().Groups.Get(group).Rules)
		added, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: group}, false, permissions, nil)
		if after := len(s.Read().Groups.Get(group).Rules); after != before+len(added.Rules) {
			t.Errorf("%d rules became %d, %d were answered", before, after, len(added.Rules))
		}
		return added.Rules, err
	}
	from := func(pair secgroup.Pair) secgroup.Permission {
		return secgroup.Permission{Protocol: secgroup.TCP, From: 1, To: 1, Peers: []secgroup.Pair{pair}}
	}

	t.Run("API-A1", func(t *testing.T) {
		rules, err := authorize(g.ID, permission(22, "10.0.0.0/8"))
		if err != nil || len(rules) != 1 || !secgroup.WellFormed("sgr", rules[0].ID) {
			t.Fatal(rules, err)
		}
		if got := keys(s, g.ID, false); !slices.Equal(got, []string{"peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW"}) {
			t.Errorf("stored %q", got)
		}
		if !s.Read().Groups.Get(g.ID).EgressOriginal {
			t.Error("an ingress rule changed egress")
		}
	})
	t.Run("API-A2", func(t *testing.T) {
		_, err := authorize(g.ID, permission(22, "10.0.0.0/8"))
		refused(t, err, `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists`)
	})
	t.Run("API-A3", func(t *testing.T) {
		_, err := authorize(g.ID, permission(23, "10.0.0.0/8", "10.0.0.0/8"))
		refused(t, err, "InvalidParameterValue: The same permission must not appear multiple times")
		_, err = authorize(g.ID, permission(23, "10.0.0.0/8"), permission(22, "10.0.0.0/8"), permission(23, "10.0.0.0/8"))
		refused(t, err, "InvalidParameterValue: The same permission must not appear multiple times")
	})
	t.Run("API-A10", func(t *testing.T) {
		esp := secgroup.Permission{Protocol: 50, From: -1, To: -1, Peers: permission(0, "10.0.0.0/8").Peers}
		if _, err := authorize(g.ID, esp); err != nil {
			t.Error(err)
		}
		_, err := authorize(g.ID, esp)
		refused(t, err, `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, protocol: 50, ALLOW" already exists`)
	})
	t.Run("API-A11", func(t *testing.T) {
		if rules, err := authorize(g.ID, permission(22)); err != nil || len(rules) != 0 {
			t.Error(rules, err)
		}
	})
	t.Run("API-A14", func(t *testing.T) { // less the prefix list, of which there are none yet
		rules, err := authorize(peer.ID, permission(22, "10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32", g.ID))
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for i, r := range rules {
			order = append(order, r.Peer.String())
			if i > 0 && !r.Created.After(rules[i-1].Created) {
				t.Errorf("rule %d is not younger than the one before", i)
			}
		}
		if want := []string{"10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32", g.ID}; !slices.Equal(order, want) {
			t.Errorf("order %q, want %q", order, want)
		}
		if rules[3].GroupOwner != alice.Account {
			t.Errorf("owner of the referenced group: %q", rules[3].GroupOwner)
		}
	})
	t.Run("API-A15", func(t *testing.T) {
		_, err := authorize(g.ID, permission(30, "10.0.0.0/8"), permission(30, "sg-00000000"))
		refused(t, err, "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist")
		_, err = authorize(g.ID, permission(30, "10.0.0.0/8"), permission(22, "10.0.0.0/8"))
		refused(t, err, `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists`)
	})
	t.Run("API-A16", func(t *testing.T) {
		_, err := authorize(g.ID, permission(30, "pl-00000000"))
		refused(t, err, "InvalidPrefixListID.NotFound: The prefix list ID 'pl-00000000' does not exist")
		_, err = authorize(g.ID, permission(30, atHome.ID))
		refused(t, err, "InvalidGroup.NotFound: You have specified two resources that belong to different networks.")
		_, err = authorize(g.ID, permission(30, atHome.ID, "sg-00000000")) // existence before relation
		refused(t, err, "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist")
		_, err = authorize(g.ID, from(secgroup.Pair{GroupName: "named"}))
		refused(t, err, "InvalidGroup.NotFound: You have specified two resources that belong to different networks.")
		_, err = authorize(g.ID, from(secgroup.Pair{GroupName: "peer"}))
		refused(t, err, "InvalidGroup.NotFound: The security group 'peer' does not exist in default VPC '"+home.ID+"'")
		for _, pair := range []secgroup.Pair{{GroupOwner: bob.Account}, {GroupVPC: home.ID}} {
			pair.Group = peer.ID
			_, err = authorize(g.ID, from(pair))
			refused(t, err, "InvalidGroup.NotFound: The security group '"+peer.ID+"' does not exist")
		}
		if _, err := authorize(g.ID, from(secgroup.Pair{Peer: secgroup.Peer{Group: peer.ID}, GroupOwner: alice.Account, GroupVPC: v.ID})); err != nil {
			t.Errorf("true assertions: %v", err)
		}
	})
	t.Run("API-A18", func(t *testing.T) {
		p := permission(22, "10.0.0.0/8")
		p.Peers[0].Description = new("office")
		_, err := authorize(g.ID, p)
		refused(t, err, `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists`)
		q := permission(31, "10.0.0.0/8", "10.0.0.0/8")
		q.Peers[0].Description = new("office")
		_, err = authorize(g.ID, q)
		refused(t, err, "InvalidParameterValue: The same permission must not appear multiple times")
	})
	t.Run("API-A20", func(t *testing.T) {
		added, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{Name: "at home"}, false, []secgroup.Permission{from(secgroup.Pair{GroupName: "named"})}, nil)
		if err != nil || added.Group.ID != atHome.ID || added.Rules[0].Peer.Group != named.ID {
			t.Errorf("%+v, %v", added, err)
		}
		_, err = authorize(atHome.ID, permission(1, named.ID))
		refused(t, err, `InvalidPermission.Duplicate: the specified rule "peer: `+named.ID+`, TCP, from port: 1, to port: 1, ALLOW" already exists`)
	})
	t.Run("directions do not meet", func(t *testing.T) {
		mustAuthorize(t, s, g.ID, true, permission(22, "10.0.0.0/8"))
		if s.Read().Groups.Get(g.ID).EgressOriginal {
			t.Error("egress still counts as original")
		}
	})
	t.Run("not the caller's", func(t *testing.T) {
		_, err := s.AuthorizeSecurityGroup(t.Context(), bob, GroupRef{ID: g.ID}, false, nil, nil)
		refused(t, err, "InvalidGroup.NotFound: The security group '"+g.ID+"' does not exist")
	})
}

func TestRevoke(t *testing.T) {
	s := newService(t)
	home, v := DefaultVPC(s.Read(), alice.Scope), mustVPC(t, s, "10.0.0.0/16", false)
	g, lenient, other := mustGroup(t, s, v.ID, "g"), mustGroup(t, s, home.ID, "lenient"), mustGroup(t, s, v.ID, "other")
	revoke := func(group string, egress bool, permissions ...secgroup.Permission) (Revoked, error) {
		before := len(s.Read().Groups.Get(group).Rules)
		done, err := s.RevokeSecurityGroup(t.Context(), alice, GroupRef{ID: group}, egress, permissions)
		if after := len(s.Read().Groups.Get(group).Rules); after != before-len(done.Rules) {
			t.Errorf("%d rules became %d, %d were answered", before, after, len(done.Rules))
		}
		return done, err
	}
	const notFound = "InvalidPermission.NotFound: The specified rule does not exist in this security group."
	everywhere := func(prefix string) secgroup.Permission {
		return secgroup.Permission{Protocol: secgroup.AllProtocols, From: -1, To: -1, Peers: permission(0, prefix).Peers}
	}

	t.Run("API-R1", func(t *testing.T) {
		done, err := revoke(g.ID, true, everywhere("0.0.0.0/0"))
		if err != nil || len(done.Rules) != 1 || done.Unknown != nil || s.Read().Groups.Get(g.ID).EgressOriginal {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("API-R2", func(t *testing.T) {
		_, err := revoke(g.ID, true, everywhere("::/0"))
		refused(t, err, notFound)
	})
	t.Run("API-R3", func(t *testing.T) {
		done, err := revoke(lenient.ID, true, everywhere("::/0"))
		if err != nil || len(done.Rules) != 0 || len(done.Unknown) != 1 || !s.Read().Groups.Get(lenient.ID).EgressOriginal {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("API-R4", func(t *testing.T) {
		mustAuthorize(t, s, g.ID, false, permission(22, "10.0.0.0/24", "10.0.1.0/24"))
		if done, err := revoke(g.ID, false, permission(22, "10.0.0.0/24")); err != nil || len(done.Rules) != 1 {
			t.Error(done, err)
		}
		if got := keys(s, g.ID, false); !slices.Equal(got, []string{"peer: 10.0.1.0/24, TCP, from port: 22, to port: 22, ALLOW"}) {
			t.Errorf("left %q", got)
		}
	})
	t.Run("API-R5", func(t *testing.T) {
		_, err := revoke(g.ID, false, permission(22, "10.0.1.0/24", "10.0.0.0/16"))
		refused(t, err, notFound)
		_, err = revoke(g.ID, true, permission(22, "10.0.1.0/24")) // the other direction's
		refused(t, err, notFound)
	})
	t.Run("API-R6", func(t *testing.T) {
		mustAuthorize(t, s, lenient.ID, false, permission(22, "10.0.0.0/24"))
		done, err := revoke(lenient.ID, false, permission(22, "10.0.0.0/24", "10.0.0.0/25"), permission(23, "10.0.0.0/24"))
		if err != nil || len(done.Rules) != 1 || len(done.Unknown) != 2 {
			t.Fatalf("%+v, %v", done, err)
		}
		if first := done.Unknown[0].Peers; len(first) != 1 || first[0].Peer.String() != "10.0.0.0/25" {
			t.Errorf("unknown %+v", done.Unknown)
		}
	})
	t.Run("API-R7", func(t *testing.T) {
		p := permission(25, "10.0.0.0/24")
		p.Peers[0].Description = new("one")
		mustAuthorize(t, s, g.ID, false, p)
		q := permission(25, "10.0.0.0/24")
		q.Peers[0].Description = new("two")
		if done, err := revoke(g.ID, false, q, q); err != nil || len(done.Rules) != 1 || *done.Rules[0].Description != "one" {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("API-R8", func(t *testing.T) {
		mine := mustAuthorize(t, s, g.ID, false, permission(26, "10.0.0.0/24"))[0].ID
		out := mustAuthorize(t, s, g.ID, true, permission(26, "10.0.0.0/24"))[0].ID
		foreign := mustAuthorize(t, s, other.ID, false, permission(26, "10.0.0.0/24"))[0].ID
		for _, id := range []string{"sgr-00000000", foreign, out} {
			_, err := s.RevokeSecurityGroupRules(t.Context(), alice, GroupRef{ID: g.ID}, false, []string{mine, id})
			refused(t, err, "InvalidSecurityGroupRuleId.NotFound: The security group rule ID '"+id+"' does not exist")
		}
		done, err := s.RevokeSecurityGroupRules(t.Context(), alice, GroupRef{ID: g.ID}, false, []string{mine, mine})
		if err != nil || len(done.Rules) != 1 || done.Rules[0].ID != mine {
			t.Errorf("%+v, %v", done, err)
		}
		if findGroupRule(s.Read(), alice.Scope, mine) != nil {
			t.Error("it is still there")
		}
	})
	t.Run("API-R9", func(t *testing.T) {
		// No operation of this version leaves a stale rule behind: put one there.
		stale := permission(27, "sg-0123456789abcdef0")
		err := s.write(t.Context(), alice.Scope, func(tx *model.Tx) error {
			next := *tx.Groups.Get(g.ID)
			next.Rules = append(slices.Clone(next.Rules), secgroup.Rule{ID: newID("sgr"), RuleKey: stale.Key(false, stale.Peers[0].Peer)})
			tx.Groups.Put(&next)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if done, err := revoke(g.ID, false, stale); err != nil || len(done.Rules) != 1 {
			t.Error(done, err)
		}
	})
	t.Run("no peer", func(t *testing.T) {
		if done, err := revoke(g.ID, false, permission(22)); err != nil || len(done.Rules) != 0 || done.Unknown != nil {
			t.Errorf("%+v, %v", done, err)
		}
	})
	t.Run("group by name", func(t *testing.T) {
		byName := secgroup.Permission{Protocol: secgroup.TCP, From: 1, To: 1, Peers: []secgroup.Pair{{GroupName: "default"}}}
		mustAuthorize(t, s, lenient.ID, false, byName)
		if done, err := revoke(lenient.ID, false, byName); err != nil || len(done.Rules) != 1 || done.Rules[0].Peer.Group != home.DefaultGroup {
			t.Errorf("%+v, %v", done, err)
		}
	})
}

func TestSecurityGroupRules(t *testing.T) {
	s := newService(t)
	g := mustGroup(t, s, "", "g")
	rule := mustAuthorize(t, s, g.ID, false, permission(22, "10.0.0.0/8"))[0]
	found, err := SecurityGroupRules(s.Read(), alice.Scope, []string{rule.ID, rule.ID})
	if err != nil || len(found) != 1 || found[0].Group.ID != g.ID || found[0].Rule.RuleKey != rule.RuleKey {
		t.Errorf("%v, %v", found, err)
	}
	_, err = SecurityGroupRules(s.Read(), alice.Scope, []string{rule.ID, "sgr-00000000"}) // API-Q11
	refused(t, err, "InvalidSecurityGroupRuleId.NotFound: The security group rule ID 'sgr-00000000' does not exist")
	_, err = SecurityGroupRules(s.Read(), bob.Scope, []string{rule.ID})
	refused(t, err, "InvalidSecurityGroupRuleId.NotFound: The security group rule ID '"+rule.ID+"' does not exist")
}
