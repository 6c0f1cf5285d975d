// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// bob is another account in the same Region.
var bob = Caller{Scope: secgroup.Scope{Account: "444455556666", Region: "us-east-1"}, ARN: "arn:aws:iam::444455556666:user/bob"}

// mustGroup makes a group of alice's; vpc "" is the default VPC.
func mustGroup(t *testing.T, s *Service, vpc, name string) *secgroup.Group {
	t.Helper()
	g, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: vpc, Name: name, Description: "d"})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// permission returns TCP on one port from peers: ranges, and ids of groups and
// prefix lists.
func permission(port int32, peers ...string) secgroup.Permission {
	p := secgroup.Permission{Protocol: secgroup.TCP, From: port, To: port}
	for _, text := range peers {
		var pair secgroup.Pair
		switch {
		case strings.HasPrefix(text, "sg-"):
			pair.Group = text
		case strings.HasPrefix(text, "pl-"):
			pair.PrefixList = text
		default:
			pair.Prefix = netip.MustParsePrefix(text)
		}
		p.Peers = append(p.Peers, pair)
	}
	return p
}

func mustAuthorize(t *testing.T, s *Service, group string, egress bool, permissions ...secgroup.Permission) []secgroup.Rule {
	t.Helper()
	added, err := s.AuthorizeSecurityGroup(t.Context(), alice, GroupRef{ID: group}, egress, permissions, nil)
	if err != nil {
		t.Fatal(err)
	}
	return added.Rules
}

// keys returns the rules of a group in one direction, as the store has them.
func keys(s *Service, group string, egress bool) []string {
	var all []string
	for _, r := range s.Read().Groups.Get(group).Rules {
		if r.Egress == egress {
			all = append(all, r.RuleKey.String())
		}
	}
	return all
}

// withoutDefaultVPC makes alice's default VPC an ordinary one, as if she had
// deleted it.
func withoutDefaultVPC(t *testing.T, s *Service) {
	t.Helper()
	err := s.write(t.Context(), alice.Scope, func(tx *model.Tx) error {
		v := *DefaultVPC(tx.Snapshot, alice.Scope)
		v.Default = false
		tx.VPCs.Put(&v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreateSecurityGroup(t *testing.T) {
	s := newService(t)
	four, six := mustVPC(t, s, "10.0.0.0/16", false), mustVPC(t, s, "10.0.0.0/16", true)
	create := func(caller Caller, vpc, name string) error {
		_, err := s.CreateSecurityGroup(t.Context(), caller, NewGroup{VPC: vpc, Name: name, Description: "d"})
		return err
	}
	allow4, allow6 := "peer: 0.0.0.0/0, ALL, ALLOW", "peer: ::/0, ALL, ALLOW"

	t.Run("API-C1", func(t *testing.T) {
		g := mustGroup(t, s, four.ID, "a")
		stored := s.Read().Groups.Get(g.ID)
		if !secgroup.WellFormed("sg", g.ID) || stored == nil || stored.VPC != four.ID || stored.Scope != alice.Scope || !stored.EgressOriginal || stored.Tags != nil {
			t.Fatalf("stored %+v", stored)
		}
		if got := keys(s, g.ID, true); !slices.Equal(got, []string{allow4}) {
			t.Errorf("egress %q", got)
		}
		if got := keys(s, g.ID, false); got != nil {
			t.Errorf("ingress %q", got)
		}
	})
	t.Run("API-C2", func(t *testing.T) {
		g := mustGroup(t, s, six.ID, "a")
		if got := keys(s, g.ID, true); !slices.Equal(got, []string{allow4, allow6}) {
			t.Errorf("egress %q", got)
		}
		if g.Rules[0].ID == g.Rules[1].ID || !secgroup.WellFormed("sgr", g.Rules[0].ID) || !g.Rules[1].Created.After(g.Rules[0].Created) {
			t.Errorf("rules %+v", g.Rules)
		}
	})
	t.Run("API-C3", func(t *testing.T) {
		refused(t, create(alice, four.ID, "a"), "InvalidGroup.Duplicate: The security group 'a' already exists for VPC '"+four.ID+"'")
	})
	t.Run("API-C4", func(t *testing.T) {
		refused(t, create(alice, four.ID, "A"), "InvalidGroup.Duplicate: The security group 'A' already exists for VPC '"+four.ID+"'")
		refused(t, create(alice, four.ID, "DEFAULT"), "InvalidGroup.Duplicate: The security group 'DEFAULT' already exists for VPC '"+four.ID+"'")
	})
	t.Run("API-C5", func(t *testing.T) {
		if g := mustGroup(t, s, "", "a"); g.VPC != DefaultVPC(s.Read(), alice.Scope).ID {
			t.Errorf("made in %s", g.VPC)
		}
	})
	t.Run("API-C9", func(t *testing.T) {
		refused(t, create(alice, "vpc-00000000", "b"), "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist")
		refused(t, create(alice, "foo", "b"), "InvalidVpcID.NotFound: The vpc ID 'foo' does not exist")
		refused(t, create(bob, four.ID, "b"), "InvalidVpcID.NotFound: The vpc ID '"+four.ID+"' does not exist")
		elsewhere := alice
		elsewhere.Region = "eu-west-1"
		refused(t, create(elsewhere, four.ID, "b"), "InvalidVpcID.NotFound: The vpc ID '"+four.ID+"' does not exist")
	})
	t.Run("API-C8", func(t *testing.T) {
		withoutDefaultVPC(t, s)
		refused(t, create(alice, "", "b"), "VPCIdNotSpecified: No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
	})
	t.Run("API-TagLimitExceeded", func(t *testing.T) {
		var tags secgroup.Tags
		for i := range 51 {
			tags = append(tags, secgroup.Tag{Key: fmt.Sprint(i)})
		}
		_, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: four.ID, Name: "t", Description: "d", Tags: tags})
		refused(t, err, "TagLimitExceeded: The maximum number of Tags for a resource has been reached.")
		if g, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: four.ID, Name: "t", Description: "d", Tags: tags[:50]}); err != nil || len(g.Tags) != 50 {
			t.Errorf("50 tags: %v", err)
		}
	})
}

func TestSecurityGroupQuota(t *testing.T) { // API-SecurityGroupLimitExceeded
	s := newServiceWith(t, Config{Quotas: Quotas{GroupsPerRegion: 3}})
	v := mustVPC(t, s, "10.0.0.0/16", false) // with the default VPC: two groups
	mustGroup(t, s, v.ID, "a")
	_, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: v.ID, Name: "b", Description: "d"})
	refused(t, err, "SecurityGroupLimitExceeded: The maximum number of security groups for VPC '"+v.ID+"' has been reached.")
	_, err = s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: v.ID, Name: "A", Description: "d"})
	refused(t, err, "InvalidGroup.Duplicate: The security group 'A' already exists for VPC '"+v.ID+"'") // before the quota
	if err := s.EnsureRegion(t.Context(), bob.Scope); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateSecurityGroup(t.Context(), bob, NewGroup{Name: "a", Description: "d"}); err != nil {
		t.Errorf("another account's groups count: %v", err)
	}
}

func TestDeleteSecurityGroup(t *testing.T) {
	s := newService(t)
	v := mustVPC(t, s, "10.0.0.0/16", false)
	n := mustSubnet(t, s, v.ID, "10.0.0.0/24")
	drop := func(ref GroupRef) error {
		id, err := s.DeleteSecurityGroup(t.Context(), alice, ref)
		if err == nil && (id == "" || s.Read().Groups.Get(id) != nil) {
			t.Errorf("%q is still there", id)
		}
		return err
	}

	t.Run("API-D1", func(t *testing.T) {
		g := mustGroup(t, s, v.ID, "d1")
		i, err := s.CreateNetworkInterface(t.Context(), alice, InterfaceSpec{Subnet: n.ID, Groups: []string{g.ID}}, ClientToken{})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, drop(GroupRef{ID: g.ID}), "DependencyViolation: resource "+g.ID+" has a dependent object")
		if err := s.DeleteNetworkInterface(t.Context(), alice, i.ID); err != nil {
			t.Fatal(err)
		}
		if err := drop(GroupRef{ID: g.ID}); err != nil {
			t.Error(err)
		}
	})
	t.Run("API-D2", func(t *testing.T) {
		g, other := mustGroup(t, s, v.ID, "d2"), mustGroup(t, s, v.ID, "d2 too")
		mustAuthorize(t, s, other.ID, true, permission(80, g.ID))
		refused(t, drop(GroupRef{ID: g.ID}), "DependencyViolation: resource "+g.ID+" has a dependent object")
		if err := drop(GroupRef{ID: other.ID}); err != nil {
			t.Error(err)
		}
		if err := drop(GroupRef{ID: g.ID}); err != nil {
			t.Error(err)
		}
	})
	t.Run("API-D3", func(t *testing.T) {
		g := mustGroup(t, s, v.ID, "d3")
		mustAuthorize(t, s, g.ID, false, permission(80, g.ID))
		if err := drop(GroupRef{ID: g.ID}); err != nil {
			t.Error(err)
		}
	})
	t.Run("API-D4", func(t *testing.T) {
		refused(t, drop(GroupRef{ID: v.DefaultGroup}), `CannotDelete: the specified group: "`+v.DefaultGroup+`" name: "default" cannot be deleted by a user`)
	})
	t.Run("API-D5", func(t *testing.T) {
		g := mustGroup(t, s, v.ID, "d5")
		if err := drop(GroupRef{ID: g.ID}); err != nil {
			t.Error(err)
		}
		refused(t, drop(GroupRef{ID: g.ID}), "InvalidGroup.NotFound: The security group '"+g.ID+"' does not exist")
		_, err := s.DeleteSecurityGroup(t.Context(), bob, GroupRef{ID: v.DefaultGroup})
		refused(t, err, "InvalidGroup.NotFound: The security group '"+v.DefaultGroup+"' does not exist")
	})
	t.Run("by name", func(t *testing.T) {
		g := mustGroup(t, s, "", "named")
		if err := drop(GroupRef{Name: "named"}); err != nil || s.Read().Groups.Get(g.ID) != nil {
			t.Error(err)
		}
	})
}

// TestGroupRef holds section 3.0 and API-A20: how operations find the group.
func TestGroupRef(t *testing.T) {
	s := newService(t)
	home, v := DefaultVPC(s.Read(), alice.Scope), mustVPC(t, s, "10.0.0.0/16", false)
	a, other := mustGroup(t, s, "", "a"), mustGroup(t, s, v.ID, "other")
	resolve := func(ref GroupRef) (string, error) {
		g, err := ref.resolve(s.Read(), alice.Scope)
		if err != nil {
			return "", err
		}
		return g.ID, nil
	}
	for _, ref := range []GroupRef{{ID: a.ID}, {Name: "a"}, {ID: a.ID, Name: "a"}} {
		if got, err := resolve(ref); err != nil || got != a.ID {
			t.Errorf("%v: %s, %v", ref, got, err)
		}
	}
	for _, tt := range []struct {
		ref  GroupRef
		want string
	}{
		{GroupRef{ID: "sg-00000000"}, "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist"},
		{GroupRef{Name: "other"}, "InvalidGroup.NotFound: The security group 'other' does not exist in default VPC '" + home.ID + "'"},
		{GroupRef{Name: "A"}, "InvalidGroup.NotFound: The security group 'A' does not exist in default VPC '" + home.ID + "'"},
		{GroupRef{ID: other.ID, Name: "b"}, "InvalidGroup.NotFound: The security group 'b' does not exist in default VPC '" + home.ID + "'"},
		{GroupRef{ID: other.ID, Name: "a"}, "InvalidParameterCombination: The parameters groupId and groupName name different security groups: '" + other.ID + "' and '" + a.ID + "'"},
	} {
		_, err := resolve(tt.ref)
		refused(t, err, tt.want)
	}
	withoutDefaultVPC(t, s)
	for _, ref := range []GroupRef{{Name: "a"}, {ID: a.ID, Name: "a"}} {
		_, err := resolve(ref)
		refused(t, err, "VPCIdNotSpecified: No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
	}
}

func TestSecurityGroups(t *testing.T) {
	s := newService(t)
	home := DefaultVPC(s.Read(), alice.Scope)
	a, b := mustGroup(t, s, "", "a"), mustGroup(t, s, "", "b")
	find := func(ids, names []string) ([]string, error) {
		groups, err := SecurityGroups(s.Read(), alice.Scope, ids, names)
		var found []string
		for _, g := range groups {
			found = append(found, g.ID)
		}
		slices.Sort(found)
		return found, err
	}
	sorted := func(ids ...string) []string { slices.Sort(ids); return ids }
	for _, tt := range []struct {
		ids, names, want []string
	}{
		{nil, nil, sorted(home.DefaultGroup, a.ID, b.ID)},
		{[]string{a.ID, a.ID}, nil, []string{a.ID}},
		{nil, []string{"b", "default"}, sorted(home.DefaultGroup, b.ID)},
		{[]string{a.ID}, []string{"a", "b"}, sorted(a.ID, b.ID)},
	} {
		if got, err := find(tt.ids, tt.names); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%v %v: %v, %v, want %v", tt.ids, tt.names, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		ids, names []string
		want       string
	}{
		{[]string{"sg-00000000"}, nil, "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist"}, // API-Q1
		{[]string{"sg-00000000", a.ID, "sg-00000001"}, nil, "InvalidGroup.NotFound: The security groups 'sg-00000000, sg-00000001' do not exist"},
		{nil, []string{"a", "x"}, "InvalidGroup.NotFound: The security group 'x' does not exist in default VPC '" + home.ID + "'"},
		{nil, []string{"y", "x"}, "InvalidGroup.NotFound: The security groups 'y, x' do not exist"},
	} {
		_, err := find(tt.ids, tt.names)
		refused(t, err, tt.want)
	}
	if got, err := SecurityGroups(s.Read(), bob.Scope, nil, nil); err != nil || len(got) != 0 {
		t.Errorf("another account sees %v, %v", got, err)
	}
	withoutDefaultVPC(t, s)
	_, err := find(nil, []string{"a"})
	refused(t, err, "VPCIdNotSpecified: No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
}
