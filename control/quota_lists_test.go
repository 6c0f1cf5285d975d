// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/secgroup"
)

// TestListsWeighTheirSize holds section 12.1: a rule that names a list weighs the
// list's size in both families, whatever the list holds.
func TestListsWeighTheirSize(t *testing.T) {
	s := newService(t)
	authorize := func(g *secgroup.Group, peers ...string) error {
		_, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: g.ID}, false, []secgroup.Permission{permission(1, peers...)}, nil)
		return err
	}
	empty, full, wide := mustList(t, s, 10), mustList(t, s, 60, "10.0.0.0/8"), mustList(t, s, 61)
	g := mustGroup(t, s, "", "g")
	t.Run("API-A24", func(t *testing.T) { refused(t, authorize(g, wide), tooManyRules) })
	t.Run("API-A25", func(t *testing.T) {
		var four, six []string
		for i := range 50 {
			four, six = append(four, fmt.Sprintf("10.%d.0.0/16", i)), append(six, fmt.Sprintf("2001:db8:%x::/48", i))
		}
		if err := authorize(g, slices.Concat(four, []string{empty})...); err != nil {
			t.Fatal(err)
		}
		refused(t, authorize(g, "11.0.0.0/8"), tooManyRules)
		if err := authorize(g, six...); err != nil {
			t.Fatal(err)
		}
		refused(t, authorize(g, "2001:db9::/32"), tooManyRules)
	})
	h := mustGroup(t, s, "", "h")
	rule := mustAuthorize(t, s, h.ID, false, permission(1, empty))[0].ID
	if err := authorize(h, "10.0.0.0/8"); err != nil {
		t.Fatal(err)
	}
	changed := RuleContent{ID: rule, Content: permission(1, full)}
	refused(t, s.ModifySecurityGroupRules(t.Context(), alice, h.ID, []RuleContent{changed}), tooManyRules)
	if _, err := s.RevokeSecurityGroup(t.Context(), alice, GroupRef{ID: h.ID}, false, []secgroup.Permission{permission(1, "10.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	if err := s.ModifySecurityGroupRules(t.Context(), alice, h.ID, []RuleContent{changed}); err != nil {
		t.Error(err)
	}
}

// TestResizeBeyondAQuota is API-P6: accepted, and the list stays as it was and in
// force; then as large as there is room.
func TestResizeBeyondAQuota(t *testing.T) {
	s := newServiceWith(t, Config{Quotas: Quotas{RulesPerGroup: 20}})
	id := mustList(t, s, 5, "10.0.0.0/8")
	var users []string
	for i := range 12 {
		g := mustGroup(t, s, "", fmt.Sprint("g", i))
		mustAuthorize(t, s, g.ID, i%2 == 0, permission(1, id), permission(2, id))
		users = append(users, g.ID)
	}
	resize := func(size int, name string) string {
		l, err := s.ModifyPrefixList(t.Context(), alice, PrefixListChange{List: id, MaxEntries: size, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(l.State, " ", l.MaxEntries)
	}
	expect(t, "answer", resize(11, "large"), "modify-in-progress 5")
	expect(t, "API-P6", stored(s, id), "modify-failed v1 max 5 The maximum number of rules per security group would be exceeded. "+strings.Join(users[:10], ", "))
	if got := s.Read().PrefixLists.Get(id).Name; got != "l" {
		t.Errorf("a change that failed renamed the list to %q", got)
	}
	resize(9, "large")
	expect(t, "with room", stored(s, id), "modify-complete v1 max 9")
	// Beside two lists of 9, the groups with an egress rule of their own have room for one more.
	resize(10, "")
	if got := stored(s, id); !strings.HasPrefix(got, "modify-failed v1 max 9") {
		t.Errorf("beyond the room of half the groups: %s", got)
	}
}

// TestDeleteInUse is API-P7.
func TestDeleteInUse(t *testing.T) {
	s := newService(t)
	id := mustList(t, s, 5, "10.0.0.0/8")
	g := mustGroup(t, s, "", "g")
	t.Run("API-P1", func(t *testing.T) { mustAuthorize(t, s, g.ID, false, permission(1, id), permission(2, id)) })
	remove := func() {
		t.Helper()
		if l, err := s.DeletePrefixList(t.Context(), alice, id); err != nil || l.State != secgroup.DeleteInProgress {
			t.Fatalf("a deletion answers %+v, %v", l, err)
		}
	}
	remove()
	expect(t, "API-P7", stored(s, id), "delete-failed v1 max 5 The prefix list is in use. "+g.ID)
	one := int64(1)
	if _, err := s.ModifyPrefixList(t.Context(), alice, PrefixListChange{List: id, Version: &one, Add: listEntries("11.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	expect(t, "still usable", stored(s, id), "modify-complete v2 max 5")
	users, err := PrefixListUsers(s.Read(), alice.Scope, id)
	if err != nil || len(users) != 1 || users[0].ID != g.ID {
		t.Errorf("it is used by %v, %v", users, err)
	}
	if _, err := s.DeleteSecurityGroup(t.Context(), alice, GroupRef{ID: g.ID}); err != nil {
		t.Fatal(err)
	}
	remove()
	expect(t, "unused", stored(s, id), "none")
}

// TestGroupsPerPrefixList: groups count, not rules.
func TestGroupsPerPrefixList(t *testing.T) {
	s := newServiceWith(t, Config{Quotas: Quotas{GroupsPerPrefixList: 1}})
	id := mustList(t, s, 1)
	g, h := mustGroup(t, s, "", "g"), mustGroup(t, s, "", "h")
	mustAuthorize(t, s, g.ID, false, permission(1, id))
	mustAuthorize(t, s, g.ID, false, permission(2, id))
	_, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: h.ID}, false, []secgroup.Permission{permission(1, id)}, nil)
	t.Run("API-PrefixListReferencesLimitExceeded", func(t *testing.T) {
		refused(t, err, "PrefixListReferencesLimitExceeded: You've reached the maximum number of references to the prefix list.")
	})
}
