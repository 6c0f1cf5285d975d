// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// newQuotas returns a service on which alice and bob have accounts.
func newQuotas(t *testing.T, cfg Config) (s *Service, bob Caller) {
	t.Helper()
	s = newServiceWith(t, cfg)
	bob = Caller{Scope: secgroup.Scope{Account: "444455556666", Region: alice.Region}}
	if err := s.write(t.Context(), alice.Scope, func(tx *model.Tx) error {
		tx.Accounts.Put(&secgroup.Account{ID: alice.Account})
		tx.Accounts.Put(&secgroup.Account{ID: bob.Account})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s, bob
}

func mustSet(t *testing.T, s *Service, scope secgroup.Scope, name string, value int) {
	t.Helper()
	if err := s.SetQuota(t.Context(), scope, name, value); err != nil {
		t.Fatal(err)
	}
}

// TestQuotasOfAScope shows that a limit that is set holds for one account in one
// Region, at once, and is kept in the store.
func TestQuotasOfAScope(t *testing.T) {
	s, bob := newQuotas(t, Config{Quotas: Quotas{VPCsPerRegion: 7}})
	want := VPCRequest{CIDR: netip.MustParsePrefix("10.0.0.0/16")}
	mustSet(t, s, alice.Scope, "vpcs-per-region", 1) // her default VPC is one
	_, err := s.CreateVPC(t.Context(), alice, want)
	refused(t, err, "VpcLimitExceeded: The maximum number of VPCs has been reached.")
	elsewhere := alice
	elsewhere.Region = "eu-west-1"
	for _, other := range []Caller{bob, elsewhere} {
		if got := s.QuotasOf(other.Scope).VPCsPerRegion; got != 7 {
			t.Errorf("%v: %d VPCs, want the installation's 7", other.Scope, got)
		}
		if err := s.EnsureRegion(t.Context(), other.Scope); err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateVPC(t.Context(), other, want); err != nil {
			t.Errorf("%v: %v", other.Scope, err)
		}
	}
	m, err := model.Open(t.Context(), s.store, s.log)
	if err != nil || s.quotas(m.Snapshot(), alice.Scope).VPCsPerRegion != 1 {
		t.Errorf("after a restart: %v", err)
	}
	if err := s.ResetQuota(t.Context(), alice.Scope, "vpcs-per-region"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateVPC(t.Context(), alice, want); err != nil {
		t.Errorf("after a reset: %v", err)
	}
	if n := s.Read().Quotas.Len(); n != 0 {
		t.Errorf("%d rows are left of a reset", n)
	}
}

// TestRaisedRuleQuota is API-A22 with another limit.
func TestRaisedRuleQuota(t *testing.T) {
	s, _ := newQuotas(t, Config{Quotas: Quotas{RulesPerGroup: 1}})
	v := mustVPC(t, s, "10.0.0.0/16", false)
	authorize := func(port int32) error {
		_, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: v.DefaultGroup}, false, []secgroup.Permission{permission(port, "10.0.0.0/8")}, nil)
		return err
	}
	refused(t, authorize(1), tooManyRules) // as many in IPv4 as the limit: the reference to itself
	mustSet(t, s, alice.Scope, rulesPerGroup, 2)
	if err := authorize(1); err != nil {
		t.Error(err)
	}
	refused(t, authorize(2), tooManyRules)
}

func TestQuotasRefuse(t *testing.T) {
	s, _ := newQuotas(t, Config{})
	set := func(scope secgroup.Scope, name string, value int) error {
		return s.SetQuota(t.Context(), scope, name, value)
	}
	for _, tt := range []struct {
		name string
		err  error
		want string // part of the text
	}{
		{"unknown", set(alice.Scope, "vpcs", 1), "vpcs-per-region"},
		{"zero", set(alice.Scope, "vpcs-per-region", 0), "from 1 to"},
		{"groups per interface", set(alice.Scope, groupsPerInterface, 17), "from 1 to 16"},
		{"fixed", set(alice.Scope, "tags-per-resource", 60), "cannot be adjusted"},
		{"no account", set(secgroup.Scope{Account: "000000000000", Region: alice.Region}, rulesPerGroup, 1), "no such account"},
		{"no Region", set(secgroup.Scope{Account: alice.Account, Region: "mars-1"}, rulesPerGroup, 1), "does not serve"},
		{"product", set(alice.Scope, rulesPerGroup, 201), "(201) times groups-per-interface (5) may be 1000 at most"},
		{"reset of none", s.ResetQuota(t.Context(), alice.Scope, "vpcs"), "there is no quota"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.name, tt.err, tt.want)
		}
	}
	mustSet(t, s, alice.Scope, rulesPerGroup, 200)
	if err := set(alice.Scope, groupsPerInterface, 6); err == nil {
		t.Error("200 rules times 6 groups were taken")
	}
	mustSet(t, s, alice.Scope, groupsPerInterface, 4)
	mustSet(t, s, alice.Scope, rulesPerGroup, 250)
	if err := s.ResetQuota(t.Context(), alice.Scope, groupsPerInterface); err == nil {
		t.Error("a reset to 250 rules times 5 groups was taken")
	}
	if err := s.ResetQuota(t.Context(), alice.Scope, ""); err != nil {
		t.Error(err)
	}
}

// TestListQuotas shows that every field of Quotas has a name of its own.
func TestListQuotas(t *testing.T) {
	s, _ := newQuotas(t, Config{Quotas: Quotas{VPCsPerRegion: 7}})
	mustSet(t, s, alice.Scope, "vpcs-per-region", 9)
	list, err := s.ListQuotas(alice.Scope)
	if err != nil {
		t.Fatal(err)
	}
	var all Quotas
	for i, d := range allQuotas {
		if *d.field(&all) != 0 {
			t.Errorf("%s is a limit that another name has already", d.name)
		}
		*d.field(&all) = i + 1
		if got := list[i]; got.Name != d.name || got.Value < 1 && d.name != secgroup.TrackedFlowsQuota {
			t.Errorf("%s is listed as %+v", d.name, got)
		}
		if d.name == "vpcs-per-region" && (list[i] != QuotaValue{Name: d.name, Value: 9, Default: 7, Max: anyNumber, Set: true}) {
			t.Errorf("listed as %+v", list[i])
		}
	}
	if all != all.withDefaults() {
		t.Error("a field of Quotas has no name")
	}
}
