// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

func listEntries(cidrs ...string) (entries []secgroup.PrefixListEntry) {
	for _, c := range cidrs {
		entries = append(entries, secgroup.PrefixListEntry{Prefix: netip.MustParsePrefix(c)})
	}
	return entries
}

func prefixes(cidrs ...string) (out []netip.Prefix) {
	for _, c := range cidrs {
		out = append(out, netip.MustParsePrefix(c))
	}
	return out
}

// mustList makes an IPv4 list of alice's.
func mustList(t *testing.T, s *Service, size int, cidrs ...string) string {
	t.Helper()
	l, err := s.CreatePrefixList(t.Context(), alice, NewPrefixList{Name: "l", MaxEntries: size, Entries: listEntries(cidrs...)})
	if err != nil {
		t.Fatal(err)
	}
	return l.ID
}

// stored returns a list as it is stored: state, version, size, message.
func stored(s *Service, id string) string {
	l := s.Read().PrefixLists.Get(id)
	if l == nil {
		return "none"
	}
	return strings.TrimSpace(fmt.Sprintf("%s v%d max %d %s", l.State, l.Version, l.MaxEntries, l.StateMessage))
}

// listed returns the entries of a version of a list; 0 is the newest.
func listed(t *testing.T, s *Service, id string, version int64) string {
	t.Helper()
	entries, err := PrefixListEntries(s.Read(), alice.Scope, id, version)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSpace(e.Prefix.String()+" "+e.Description))
	}
	return strings.Join(out, ", ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestPrefixListVersions(t *testing.T) {
	s := newService(t)
	made, err := s.CreatePrefixList(t.Context(), alice, NewPrefixList{Name: "office", MaxEntries: 3, Entries: listEntries("10.1.0.0/16", "10.0.0.0/16")})
	if err != nil || made.State != secgroup.CreateInProgress || made.Version != 1 {
		t.Fatalf("created %+v, %v", made, err)
	}
	id := made.ID
	expect(t, "created", stored(s, id), "create-complete v1 max 3")
	expect(t, "ordered", listed(t, s, id, 0), "10.0.0.0/16, 10.1.0.0/16")

	modify := func(c PrefixListChange) (*secgroup.PrefixList, error) {
		c.List = id
		return s.ModifyPrefixList(t.Context(), alice, c)
	}
	at := func(n int64) *int64 { return &n }
	t.Run("API-P2", func(t *testing.T) {
		l, err := modify(PrefixListChange{Version: at(1), Add: []secgroup.PrefixListEntry{{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Description: "new"}}})
		if err != nil || l.State != secgroup.ModifyInProgress || l.Version != 1 {
			t.Fatalf("a modification answers %+v, %v", l, err)
		}
		expect(t, "modified", stored(s, id), "modify-complete v2 max 3")
		expect(t, "version 2", listed(t, s, id, 0), "10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16 new")
		expect(t, "version 1", listed(t, s, id, 1), "10.0.0.0/16, 10.1.0.0/16")
	})
	const mismatch = "PrefixListVersionMismatch: The prefix list has the incorrect version number."
	const invalid = "InvalidRequest: The request received was invalid."
	const full = "PrefixListMaxEntriesExceeded: You've reached the maximum number of entries for the prefix list."
	for _, tt := range []struct {
		name   string
		change PrefixListChange
		want   string
	}{
		{"API-P3", PrefixListChange{Version: at(1), Remove: prefixes("10.0.0.0/16")}, mismatch},
		{"wrong version of a new name", PrefixListChange{Version: at(3), Name: "x"}, mismatch},
		{"API-InvalidRequest there already", PrefixListChange{Version: at(2), Add: listEntries("10.1.0.0/16")}, invalid},
		{"API-InvalidRequest not there", PrefixListChange{Version: at(2), Remove: prefixes("10.9.0.0/16")}, invalid},
		{"API-InvalidRequest nothing to do", PrefixListChange{Version: at(2)}, invalid},
		{"other family", PrefixListChange{Version: at(2), Add: listEntries("2001:db8::/32")}, "InvalidParameterValue: The CIDR block 2001:db8::/32 is invalid."},
		{"API-PrefixListMaxEntriesExceeded", PrefixListChange{Version: at(2), Add: listEntries("10.3.0.0/16")}, full},
		{"smaller than it is", PrefixListChange{MaxEntries: 2}, "InvalidParameterValue: The maximum number of entries (2) cannot be less than the number of entries in the prefix list (3)."},
	} {
		_, err := modify(tt.change)
		t.Run(tt.name, func(t *testing.T) { refused(t, err, tt.want) })
	}
	expect(t, "after refusals", stored(s, id), "modify-complete v2 max 3")

	if _, err := modify(PrefixListChange{Version: at(2), Remove: prefixes("10.0.0.0/16", "10.2.0.0/16"), Add: listEntries("10.3.0.0/16"), Name: "branch"}); err != nil {
		t.Fatal(err)
	}
	expect(t, "version 3", listed(t, s, id, 3), "10.1.0.0/16, 10.3.0.0/16")
	if _, err := modify(PrefixListChange{MaxEntries: 2}); err != nil {
		t.Fatal(err)
	}
	expect(t, "resized", stored(s, id), "modify-complete v3 max 2")
	if got := s.Read().PrefixLists.Get(id).Name; got != "branch" {
		t.Errorf("its name is %q", got)
	}
	restore := func(previous, current int64) (*secgroup.PrefixList, error) {
		return s.RestorePrefixList(t.Context(), alice, id, previous, current)
	}
	t.Run("API-P8", func(t *testing.T) {
		l, err := restore(1, 3)
		if err != nil || l.State != secgroup.RestoreInProgress || l.Version != 3 {
			t.Fatalf("a restoration answers %+v, %v", l, err)
		}
		expect(t, "restored", stored(s, id), "restore-complete v4 max 2")
		expect(t, "version 4", listed(t, s, id, 0), "10.0.0.0/16, 10.1.0.0/16")
	})
	for n, want := range []string{1: "10.0.0.0/16, 10.1.0.0/16", 2: "10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16 new", 3: "10.1.0.0/16, 10.3.0.0/16", 4: "10.0.0.0/16, 10.1.0.0/16"}[1:] {
		expect(t, fmt.Sprint("version ", n+1), listed(t, s, id, int64(n+1)), want)
	}
	for _, tt := range []struct {
		previous, current int64
		want              string
	}{
		{1, 3, mismatch}, {4, 4, secgroup.ErrListVersion.Error()}, {5, 4, secgroup.ErrListVersion.Error()}, {2, 4, full},
	} {
		_, err := restore(tt.previous, tt.current)
		refused(t, err, tt.want)
	}
	_, err = PrefixListEntries(s.Read(), alice.Scope, id, 5)
	refused(t, err, secgroup.ErrListVersion.Error())
}

// TestOldestVersionGoes: a list keeps its newest versions, and nothing of it stays
// when it is deleted.
func TestOldestVersionGoes(t *testing.T) {
	s := newServiceWith(t, Config{Quotas: Quotas{VersionsPerPrefixList: 3}})
	id := mustList(t, s, 10, "10.0.0.0/16")
	for v := int64(1); v <= 4; v++ {
		if _, err := s.ModifyPrefixList(t.Context(), alice, PrefixListChange{List: id, Version: &v, Add: listEntries(fmt.Sprintf("10.%d.0.0/16", v))}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "version 3", listed(t, s, id, 3), "10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16")
	_, err := PrefixListEntries(s.Read(), alice.Scope, id, 2)
	refused(t, err, secgroup.ErrListVersion.Error())
	if n := s.Read().PrefixListVersions.Len(); n != 2 {
		t.Errorf("%d versions are kept beside the newest, want 2", n)
	}
	if l, err := s.DeletePrefixList(t.Context(), alice, id); err != nil || l.State != secgroup.DeleteInProgress {
		t.Errorf("a deletion answers %+v, %v", l, err)
	}
	if n := s.Read().PrefixListVersions.Len(); n != 0 || stored(s, id) != "none" {
		t.Errorf("%d versions are left, the list is %s", n, stored(s, id))
	}
}

func TestPrefixListsOfOthers(t *testing.T) {
	s := newService(t)
	id := mustList(t, s, 1)
	g := mustGroup(t, s, "", "g")
	want := "InvalidPrefixListID.NotFound: The prefix list (" + id + ") does not exist."
	elsewhere := Caller{Scope: secgroup.Scope{Account: alice.Account, Region: "eu-west-1"}}
	for _, caller := range []Caller{bob, elsewhere} {
		_, err := s.ModifyPrefixList(t.Context(), caller, PrefixListChange{List: id, Name: "x"})
		refused(t, err, want)
		_, err = s.RestorePrefixList(t.Context(), caller, id, 1, 1)
		refused(t, err, want)
		_, err = s.DeletePrefixList(t.Context(), caller, id)
		refused(t, err, want)
		_, err = PrefixLists(s.Read(), caller.Scope, id)
		refused(t, err, want)
		_, err = PrefixListEntries(s.Read(), caller.Scope, id, 0)
		refused(t, err, want)
		_, err = PrefixListUsers(s.Read(), caller.Scope, id)
		refused(t, err, want)
		if lists, err := PrefixLists(s.Read(), caller.Scope); err != nil || len(lists) != 0 {
			t.Errorf("others see %v, %v", lists, err)
		}
		refused(t, s.CreateTags(t.Context(), caller, []string{id}, secgroup.Tags{{Key: "k"}}), "InvalidPrefixListID.NotFound: The prefix list ID '"+id+"' does not exist")
	}
	if err := s.EnsureRegion(t.Context(), elsewhere.Scope); err != nil {
		t.Fatal(err)
	}
	far, err := s.CreateSecurityGroup(t.Context(), elsewhere, NewGroup{Name: "far", Description: "d"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.AuthorizeSecurityGroup(t.Context(), elsewhere, GroupRef{ID: far.ID}, false, []secgroup.Permission{permission(1, id)}, nil)
	refused(t, err, "InvalidPrefixListID.NotFound: The prefix list ID '"+id+"' does not exist")
	mustAuthorize(t, s, g.ID, false, permission(1, id))
}

func TestPrefixListQuotaAndToken(t *testing.T) {
	now := time.Now()
	s := newServiceWith(t, Config{Quotas: Quotas{PrefixListsPerRegion: 2}, Now: func() time.Time { return now }})
	token := ClientToken{Value: "t", Request: "r"}
	create := func(token ClientToken) (*secgroup.PrefixList, error) {
		return s.CreatePrefixList(t.Context(), alice, NewPrefixList{Name: "l", MaxEntries: 1, Token: token})
	}
	first, err := create(token)
	if err != nil {
		t.Fatal(err)
	}
	again, err := create(token)
	if err != nil || again.ID != first.ID || again.State != secgroup.CreateComplete {
		t.Errorf("the same token gives %+v, %v", again, err)
	}
	now = now.Add(tokenLife) // the list is still there
	if again, err = create(token); err != nil || again.ID != first.ID {
		t.Errorf("a day later the same token gives %+v, %v", again, err)
	}
	_, err = create(ClientToken{Value: "t", Request: "other"})
	refused(t, err, "IdempotentParameterMismatch: The request uses the same client token as a previous, but non-identical request.")
	if _, err := create(ClientToken{}); err != nil {
		t.Fatal(err)
	}
	_, err = create(ClientToken{})
	refused(t, err, "PrefixListLimitExceeded: You've reached the limit on the number of prefix lists that you can create.")
	_, err = s.CreatePrefixList(t.Context(), alice, NewPrefixList{Name: "l", MaxEntries: 1, Entries: listEntries("10.0.0.0/8", "11.0.0.0/8")})
	refused(t, err, errManyEntries.Error())
	if _, err := s.DeletePrefixList(t.Context(), alice, first.ID); err != nil {
		t.Fatal(err)
	}
	if next, err := create(token); err != nil || next.ID == first.ID {
		t.Errorf("once the list and a day are gone the token gives %+v, %v", next, err)
	}
}
