// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/secgroup"
)

var everywhere6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)

// outOverIPv6 counts the egress rules to ::/0.
func outOverIPv6(g *secgroup.Group) (n int) {
	for _, r := range g.Rules {
		if r.Egress && r.Peer.Prefix == everywhere6 {
			n++
		}
	}
	return n
}

func TestVPCBlocks(t *testing.T) {
	s := newService(t)
	v, err := s.CreateVPC(t.Context(), alice, VPCRequest{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	associate := func(block string) (secgroup.CIDRAssociation, error) {
		var p netip.Prefix
		if block != "" {
			p = netip.MustParsePrefix(block)
		}
		return s.AssociateVPCBlock(t.Context(), alice, v.ID, p)
	}
	disassociate := func(id string) error {
		_, _, err := s.DisassociateVPCBlock(t.Context(), alice, id)
		return err
	}
	for _, block := range []string{"10.0.0.0/16", "10.0.5.0/24", "10.1.0.0/15", "10.1.0.0/29", "127.0.0.0/16", "169.254.7.0/24"} {
		_, err := associate(block)
		refused(t, err, "InvalidVpc.Range: The CIDR '"+block+"' is invalid.")
	}
	second, err := associate("100.64.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range []string{"10.1.0.0/16", "10.2.0.0/28", "198.18.0.0/24"} {
		if _, err := associate(block); err != nil {
			t.Error(err)
		}
	}
	_, err = associate("10.4.0.0/16")
	refused(t, err, "CidrLimitExceeded: This network "+v.ID+" has met its maximum number of allowed CIDRs: 5")
	_, err = s.AssociateVPCBlock(t.Context(), alice, "vpc-00000000", second.Prefix)
	refused(t, err, "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist")

	n, err := s.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: v.ID, CIDR: netip.MustParsePrefix("100.64.1.0/24")})
	if err != nil {
		t.Fatalf("a subnet in the second block: %v", err)
	}
	refused(t, disassociate(second.ID), "InvalidCidrBlock.InUse: The vpc "+v.ID+" currently has a subnet within CIDR block 100.64.0.0/16")
	refused(t, disassociate(v.CIDRs[0].ID), "OperationNotPermitted: The vpc CIDR block with association ID "+v.CIDRs[0].ID+
		" may not be disassociated. It is the primary IPv4 CIDR block of the VPC")
	refused(t, disassociate("vpc-cidr-assoc-00000000"), "InvalidVpcCidrBlockAssociationID.NotFound: The vpc CIDR block association ID 'vpc-cidr-assoc-00000000' does not exist")
	if err := s.DeleteSubnet(t.Context(), alice, n.ID); err != nil {
		t.Fatal(err)
	}
	vpc, gone, err := s.DisassociateVPCBlock(t.Context(), alice, second.ID)
	if err != nil || vpc != v.ID || gone != second {
		t.Errorf("%s gives up %+v, %v", vpc, gone, err)
	}
	if now := s.Read().VPCs.Get(v.ID); len(now.CIDRs) != 4 || now.CIDRs[0] != v.CIDRs[0] {
		t.Errorf("left are %+v", now.CIDRs)
	}
	stranger := Caller{Scope: secgroup.Scope{Account: "444455556666", Region: alice.Region}}
	_, _, err = s.DisassociateVPCBlock(t.Context(), stranger, s.Read().VPCs.Get(v.ID).CIDRs[1].ID)
	if err == nil {
		t.Error("another account takes the block")
	}
}

// API-D9: groups whose egress rules were never changed let everything out over
// IPv6 when their VPC gets it.
func TestIPv6BlockAndGroups(t *testing.T) {
	s := newService(t)
	v, err := s.CreateVPC(t.Context(), alice, VPCRequest{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	group := func(name string) string {
		t.Helper()
		g, err := s.CreateSecurityGroup(t.Context(), alice, NewGroup{VPC: v.ID, Name: name, Description: name})
		if err != nil {
			t.Fatal(err)
		}
		return g.ID
	}
	read := func(id string) *secgroup.Group { return s.Read().Groups.Get(id) }
	g, h := group("g"), group("h")
	// h loses its egress rule and gets it back: that is a change all the same.
	everything := read(h).Rules[0]
	if _, err := s.RevokeSecurityGroupRules(t.Context(), alice, GroupRef{ID: h}, true, []string{everything.ID}); err != nil {
		t.Fatal(err)
	}
	again := secgroup.Permission{Protocol: everything.Protocol, From: -1, To: -1, Peers: []secgroup.Pair{{Peer: everything.Peer}}}
	mustAuthorize(t, s, h, true, again)
	made, err := s.AssociateVPCBlock(t.Context(), alice, v.ID, netip.Prefix{})
	if err != nil {
		t.Fatal(err)
	}
	if made.Prefix.Bits() != 56 || !slices.Equal(s.Read().VPCs.Get(v.ID).IPv6, []secgroup.CIDRAssociation{made}) {
		t.Errorf("made %+v", made)
	}
	check := func(when string) {
		t.Helper()
		for id, want := range map[string]int{g: 1, v.DefaultGroup: 1, h: 0} {
			if got := outOverIPv6(read(id)); got != want {
				t.Errorf("%s: %s has %d egress rules to ::/0, want %d", when, read(id).Name, got, want)
			}
		}
	}
	check("with IPv6")
	if r := read(g).Rules; !read(g).EgressOriginal || r[0].ID == r[1].ID || !secgroup.WellFormed("sgr", r[1].ID) || r[1].Created.IsZero() {
		t.Errorf("rules %+v", r)
	}
	if _, _, err := s.DisassociateVPCBlock(t.Context(), alice, made.ID); err != nil {
		t.Fatal(err)
	}
	check("without it again")
	for range 2 {
		if _, err := s.AssociateVPCBlock(t.Context(), alice, v.ID, netip.Prefix{}); err != nil {
			t.Fatal(err)
		}
		check("with another block")
	}
}

func TestModifyVPCAttribute(t *testing.T) {
	s := newService(t)
	v := DefaultVPC(s.Read(), alice.Scope)
	for _, c := range []VPCChange{{DNSSupport: new(false)}, {DNSHostnames: new(false)}, {UsageMetrics: new(true)}} {
		if err := s.ModifyVPCAttribute(t.Context(), alice, v.ID, c); err != nil {
			t.Error(err)
		}
	}
	if now := s.Read().VPCs.Get(v.ID); now.DNSSupport || now.DNSHostnames || !now.UsageMetrics {
		t.Errorf("%+v", now)
	}
	refused(t, s.ModifyVPCAttribute(t.Context(), alice, "vpc-00000000", VPCChange{UsageMetrics: new(true)}),
		"InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist")
}
