// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/secgroup"
)

const tooManyRules = "RulesPerSecurityGroupLimitExceeded: The maximum number of rules per security group has been reached."

// rulesFrom returns n ingress rules with that peer.
func rulesFrom(peer string, n int) []secgroup.Rule {
	var rules []secgroup.Rule
	for i := range n {
		p := permission(int32(i), peer)
		rules = append(rules, secgroup.Rule{RuleKey: p.Key(false, p.Peers[0].Peer)})
	}
	return rules
}

func turned(rules []secgroup.Rule) []secgroup.Rule {
	out := slices.Clone(rules)
	for i := range out {
		out[i].Egress = true
	}
	return out
}

// TestRuleQuota holds section 12.1, API-A22 and API-A23.
func TestRuleQuota(t *testing.T) {
	four, six, group := func(n int) []secgroup.Rule { return rulesFrom("10.0.0.0/8", n) },
		func(n int) []secgroup.Rule { return rulesFrom("2001:db8::/32", n) },
		func(n int) []secgroup.Rule { return rulesFrom("sg-1", n) }
	both := func(parts ...[]secgroup.Rule) []secgroup.Rule { return slices.Concat(parts...) }
	for _, tt := range []struct {
		name          string
		before, after []secgroup.Rule
		ok            bool
	}{
		{"API-A22 60 IPv4", nil, four(60), true},
		{"API-A22 one more IPv4", four(60), four(61), false},
		{"API-A22 one IPv6", four(60), both(four(60), six(1)), true},
		{"API-A22 60 of each", nil, both(four(60), six(60)), true},
		{"API-A23 59 of each and one reference", both(four(59), six(59)), both(four(59), six(59), group(1)), true},
		{"API-A23 one more reference", both(four(59), six(59), group(1)), both(four(59), six(59), group(2)), false},
		{"references count in IPv6", nil, both(six(60), group(1)), false},
		{"references count in IPv4", nil, both(four(60), group(1)), false},
		{"60 references", nil, group(60), true},
		{"61 references", nil, group(61), false},
		{"directions count apart", four(60), both(four(60), turned(four(60))), true},
		{"61 out", nil, turned(four(61)), false},
		{"limit lowered, another counter grows", four(70), both(four(70), six(1)), true},
		{"limit lowered, it shrinks", four(70), four(65), true},
		{"limit lowered, it grows", four(70), four(71), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkRuleQuota(tt.before, tt.after, nil, 60)
			if tt.ok && err != nil {
				t.Error(err)
			}
			if !tt.ok {
				refused(t, err, tooManyRules)
			}
		})
	}
}

// TestAuthorizeQuota: the quota is checked on what the whole call leaves, after
// duplicates, and nothing of a refused call stays.
func TestAuthorizeQuota(t *testing.T) {
	s := newServiceWith(t, Config{Quotas: Quotas{RulesPerGroup: 3}})
	g := mustGroup(t, s, "", "g")
	authorize := func(egress bool, p secgroup.Permission) error {
		_, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: g.ID}, egress, []secgroup.Permission{p}, nil)
		return err
	}
	refused(t, authorize(false, permission(1, "10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8", "13.0.0.0/8")), tooManyRules)
	if got := keys(s, g.ID, false); got != nil {
		t.Errorf("a refused call left %q", got)
	}
	if err := authorize(false, permission(1, "10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8")); err != nil {
		t.Fatal(err)
	}
	refused(t, authorize(false, permission(1, "13.0.0.0/8")), tooManyRules)
	refused(t, authorize(false, permission(1, "13.0.0.0/8", "10.0.0.0/8")), `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 1, to port: 1, ALLOW" already exists`)
	refused(t, authorize(true, permission(1, "10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8")), tooManyRules) // with the default egress rule
	if err := authorize(true, permission(1, "10.0.0.0/8", "11.0.0.0/8")); err != nil {
		t.Error(err)
	}
	if err := authorize(false, permission(1, "2001:db8::/32")); err != nil {
		t.Error(fmt.Errorf("IPv6 counts apart: %w", err))
	}
}
