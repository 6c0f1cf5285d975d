// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/hedgeward/hedgeward/secgroup"
)

// drawPermission is one of few permissions, so that calls meet each other's rules.
var drawPermission = rapid.Custom(func(t *rapid.T) secgroup.Permission {
	peers := rapid.SliceOfN(rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.0.0/16", "2001:db8::/32"}), 0, 3).Draw(t, "peers")
	return permission(rapid.Int32Range(1, 2).Draw(t, "port"), peers...)
})

// TestRulesWalk walks a group through random calls beside the simplest model
// there is, a set of rules per direction: every call does what the set says, and
// a refused one nothing.
func TestRulesWalk(t *testing.T) {
	const limit = 4
	s := newServiceWith(t, Config{Quotas: Quotas{RulesPerGroup: limit}})
	v := mustVPC(t, s, "10.0.0.0/16", false)
	walks := 0
	rapid.Check(t, func(t *rapid.T) {
		walks++
		g, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: v.ID, Name: fmt.Sprint("walk ", walks), Description: "d"})
		if err != nil {
			t.Fatal(err)
		}
		want := map[secgroup.RuleKey]bool{g.Rules[0].RuleKey: true}
		for range rapid.IntRange(1, 6).Draw(t, "calls") {
			egress := rapid.Bool().Draw(t, "egress")
			permissions := rapid.SliceOfN(drawPermission, 1, 2).Draw(t, "permissions")
			next := maps.Clone(want)
			ok := true
			if rapid.Bool().Draw(t, "authorize") {
				for _, r := range rulesOf(permissions, egress) {
					ok = ok && !next[r.RuleKey]
					next[r.RuleKey] = true
				}
				ok = ok && within(next, limit)
				_, err = s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: g.ID}, egress, permissions, nil)
			} else {
				for _, r := range rulesOf(permissions, egress) {
					ok = ok && want[r.RuleKey]
					delete(next, r.RuleKey)
				}
				_, err = s.RevokeSecurityGroup(t.Context(), alice, GroupRef{ID: g.ID}, egress, permissions)
			}
			if ok != (err == nil) {
				t.Fatalf("%v from %v: %v", permissions, slices.Collect(maps.Keys(want)), err)
			}
			if ok {
				want = next
			}
			got := map[secgroup.RuleKey]bool{}
			for _, r := range s.Read().Groups.Get(g.ID).Rules {
				got[r.RuleKey] = true
			}
			if !maps.Equal(got, want) {
				t.Fatalf("the group has %v, want %v", got, want)
			}
		}
	})
}

// within counts anew, from the table of section 12.1.
func within(rules map[secgroup.RuleKey]bool, limit int) bool {
	counts := map[string]int{}
	for key := range rules {
		counts[fmt.Sprint(key.Egress, key.Peer.Prefix.Addr().Is4())]++
	}
	for _, n := range counts {
		if n > limit {
			return false
		}
	}
	return true
}

// TestOneOfManyWins: calls that arrive together see each other.
func TestOneOfManyWins(t *testing.T) {
	s := newService(t)
	g := mustGroup(t, s, "", "g")
	for name, call := range map[string]func() error{
		"create": func() error {
			_, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{Name: "same", Description: "d"})
			return err
		},
		"authorize": func() error {
			_, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: g.ID}, false, []secgroup.Permission{permission(1, "10.0.0.0/8")}, nil)
			return err
		},
	} {
		var all sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			all.Go(func() { errs[i] = call() })
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%s: %d calls of %d succeeded", name, won, len(errs))
		}
	}
}
