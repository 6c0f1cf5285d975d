// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

func mustVPC(t *testing.T, s *Service, cidr string, ipv6 bool) *secgroup.VPC {
	t.Helper()
	v, err := s.CreateVPC(t.Context(), alice, VPCRequest{CIDR: netip.MustParsePrefix(cidr), IPv6: ipv6})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustSubnet(t *testing.T, s *Service, vpc, cidr string) *secgroup.Subnet {
	t.Helper()
	n, err := s.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: vpc, CIDR: netip.MustParsePrefix(cidr)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// peers returns the group's rules as text: direction, protocol, peer.
func peers(g *secgroup.Group) []string {
	var all []string
	for _, r := range g.Rules {
		direction := "in "
		if r.Egress {
			direction = "out "
		}
		peer := r.Peer.Prefix.String()
		if r.Peer.Group == g.ID {
			peer = "self"
		}
		all = append(all, direction+r.Protocol.String()+" "+peer)
	}
	slices.Sort(all)
	return all
}

func TestFirstUseOfARegionMakesTheDefaultVPC(t *testing.T) {
	s := newService(t)
	snap := s.Read()
	v := DefaultVPC(snap, alice.Scope)
	if v == nil {
		t.Fatal("no default VPC")
	}
	if v.CIDRs[0].Prefix.String() != "172.31.0.0/16" || !v.DNSHostnames || !v.DNSSupport || v.Tenancy != "default" {
		t.Errorf("default VPC %+v", v)
	}
	if born := snap.AccountRegions.Get(model.ScopeID(alice.Scope)); v.DHCPOptions != born.DHCPOptions || !strings.HasPrefix(born.DHCPOptions, "dopt-") {
		t.Errorf("DHCP options %q of the VPC, %q of the Region", v.DHCPOptions, born.DHCPOptions)
	}
	if !strings.HasPrefix(v.MainRouteTable, "rtb-") || !strings.HasPrefix(v.DefaultACL, "acl-") {
		t.Errorf("route table %q, ACL %q", v.MainRouteTable, v.DefaultACL)
	}
	subnets := map[string]string{}
	for n := range snap.Subnets.By(model.ByVPC, v.ID) {
		if !n.DefaultForZone || !n.MapPublicIP {
			t.Errorf("default subnet %+v", n)
		}
		subnets[n.Zone+" "+n.ZoneID] = n.CIDR.String()
	}
	if len(subnets) != 6 || subnets["us-east-1a use1-az1"] != "172.31.0.0/20" || subnets["us-east-1f use1-az6"] != "172.31.80.0/20" {
		t.Errorf("default subnets %v", subnets)
	}
	g := snap.Groups.Get(v.DefaultGroup)
	if g == nil || g.Name != "default" || g.Description != "default VPC security group" || !g.EgressOriginal {
		t.Fatalf("default group %+v", g)
	}
	if want := []string{"in -1 self", "out -1 0.0.0.0/0"}; !slices.Equal(peers(g), want) {
		t.Errorf("default group %v, want %v", peers(g), want)
	}
	revision := s.Read().Revision
	if err := s.EnsureRegion(t.Context(), alice.Scope); err != nil || s.Read().Revision != revision {
		t.Errorf("second use: %v, revision %d after %d", err, s.Read().Revision, revision)
	}
}

func TestUnknownRegionIsRefused(t *testing.T) {
	s := newService(t)
	err := s.EnsureRegion(t.Context(), secgroup.Scope{Account: alice.Account, Region: "mars-north-1"})
	refused(t, err, "AuthFailure: AWS was not able to validate the provided access credentials")
}

func TestADeletedDefaultVPCStaysDeleted(t *testing.T) {
	s := newService(t)
	v := DefaultVPC(s.Read(), alice.Scope)
	for n := range s.Read().Subnets.By(model.ByVPC, v.ID) {
		if err := s.DeleteSubnet(t.Context(), alice, n.ID); err != nil {
			t.Fatal(err)
		}
	}
	cutOff(t, s, v.ID)
	if err := s.DeleteVPC(t.Context(), alice, v.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureRegion(t.Context(), alice.Scope); err != nil {
		t.Fatal(err)
	}
	if left := DefaultVPC(s.Read(), alice.Scope); left != nil {
		t.Errorf("made again: %s", left.ID)
	}
	if s.Read().Groups.Get(v.DefaultGroup) != nil {
		t.Error("the default group is still there")
	}
}

func TestCreateVPC(t *testing.T) {
	s := newService(t)
	v := mustVPC(t, s, "10.0.0.0/16", true)
	if v.Default || v.DNSHostnames || !v.DNSSupport {
		t.Errorf("%+v", v)
	}
	block := v.IPv6[0].Prefix
	if block.Bits() != 56 || !netip.MustParsePrefix("fd00::/8").Contains(block.Addr()) || block != block.Masked() {
		t.Errorf("IPv6 block %s", block)
	}
	if other := mustVPC(t, s, "10.0.0.0/16", true); other.IPv6[0].Prefix == block {
		t.Errorf("two VPCs have %s", block)
	}
	g := s.Read().Groups.Get(v.DefaultGroup)
	if want := []string{"in -1 self", "out -1 0.0.0.0/0", "out -1 ::/0"}; g == nil || !slices.Equal(peers(g), want) {
		t.Errorf("default group %+v, want %v", g, want)
	}
}

func TestCreateVPCRefuses(t *testing.T) { // API-InvalidVpc.Range, API-VpcLimitExceeded, API-TagLimitExceeded
	s := newServiceWith(t, Config{Quotas: Quotas{VPCsPerRegion: 3, TagsPerResource: 1}})
	for _, cidr := range []string{"10.0.0.0/8", "10.0.0.0/29", "127.0.0.0/16", "169.254.0.0/20", "224.0.0.0/16", "0.0.0.0/16"} {
		_, err := s.CreateVPC(t.Context(), alice, VPCRequest{CIDR: netip.MustParsePrefix(cidr)})
		refused(t, err, "InvalidVpc.Range: The CIDR '"+cidr+"' is invalid.")
	}
	_, err := s.CreateVPC(t.Context(), alice, VPCRequest{
		CIDR: netip.MustParsePrefix("10.0.0.0/16"), Tags: secgroup.Tags{{Key: "a"}, {Key: "b"}},
	})
	refused(t, err, "TagLimitExceeded: The maximum number of Tags for a resource has been reached.")
	mustVPC(t, s, "10.0.0.0/16", false)
	mustVPC(t, s, "10.0.0.0/28", false) // the same addresses again: VPCs never meet
	_, err = s.CreateVPC(t.Context(), alice, VPCRequest{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
	refused(t, err, "VpcLimitExceeded: The maximum number of VPCs has been reached.")
}

func TestDeleteVPC(t *testing.T) { // API-DependencyViolation, API-InvalidVpcID.NotFound
	s := newService(t)
	v := mustVPC(t, s, "10.0.0.0/16", false)
	n := mustSubnet(t, s, v.ID, "10.0.0.0/24")
	busy := "DependencyViolation: The vpc '" + v.ID + "' has dependencies and cannot be deleted."
	refused(t, s.DeleteVPC(t.Context(), alice, v.ID), busy)
	if err := s.DeleteSubnet(t.Context(), alice, n.ID); err != nil {
		t.Fatal(err)
	}
	g, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: v.ID, Name: "web", Description: "web"})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, s.DeleteVPC(t.Context(), alice, v.ID), busy)
	if _, err := s.DeleteSecurityGroup(t.Context(), alice, GroupRef{ID: g.ID}); err != nil {
		t.Fatal(err)
	}

	elsewhere := alice
	elsewhere.Region = "eu-west-1"
	gone := "InvalidVpcID.NotFound: The vpc ID '" + v.ID + "' does not exist"
	refused(t, s.DeleteVPC(t.Context(), elsewhere, v.ID), gone)
	if err := s.DeleteVPC(t.Context(), alice, v.ID); err != nil {
		t.Fatal(err)
	}
	if snap := s.Read(); snap.VPCs.Get(v.ID) != nil || snap.Groups.Has(model.ByVPC, v.ID) {
		t.Error("something of the VPC is left")
	}
	refused(t, s.DeleteVPC(t.Context(), alice, v.ID), gone)
	_, err = VPCs(s.Read(), alice.Scope, v.ID, "vpc-00000000")
	refused(t, err, "InvalidVpcID.NotFound: The vpc IDs '"+v.ID+", vpc-00000000' do not exist")
}

func TestBootstrap(t *testing.T) {
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := serve(t, db, Config{})
	key, created, err := s.Bootstrap(t.Context())
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	if len(key.Account) != 12 || key.Account[0] == '0' || len(key.ID) != 20 || !strings.HasPrefix(key.ID, "AKIA") || len(key.Secret) != 40 {
		t.Errorf("key %+v", key)
	}
	if want := "arn:aws:iam::" + key.Account + ":user/hedgeward"; key.ARN() != want {
		t.Errorf("ARN %s, want %s", key.ARN(), want)
	}
	again, created, err := serve(t, db, Config{}).Bootstrap(t.Context()) // a second server
	if err != nil || created || again.ID != key.ID || again.Secret != key.Secret {
		t.Errorf("second start: %+v, created %v, %v", again, created, err)
	}
	if found := s.AccessKey(key.ID); found == nil || found.Secret != key.Secret {
		t.Errorf("lookup: %+v", found)
	}
	if s.AccessKey("AKIAUNKNOWN") != nil {
		t.Error("an unknown key was found")
	}
}
