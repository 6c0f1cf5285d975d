// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// VPCRequest is what CreateVpc is asked for.
type VPCRequest struct {
	CIDR    netip.Prefix // IPv4, canonical
	IPv6    bool         // give it an IPv6 block too
	Tenancy string       // "default" when empty
	Tags    secgroup.Tags
}

// reservedBlocks are those that no host can use as its own: a VPC must not
// overlap them.
var reservedBlocks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
}

// CreateVPC makes a VPC with what is born with it: the default group, and the
// ids of its main route table and default network ACL
// (docs/spec/ec2-api.md section 4.1).
//
// Errors: InvalidVpc.Range, VpcLimitExceeded, TagLimitExceeded.
func (s *Service) CreateVPC(ctx context.Context, caller Caller, want VPCRequest) (*secgroup.VPC, error) {
	if !validBits(want.CIDR) || slices.ContainsFunc(reservedBlocks, want.CIDR.Overlaps) {
		return nil, secgroup.Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid.", want.CIDR)
	}
	var made *secgroup.VPC
	err := s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if full(&tx.VPCs, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).VPCsPerRegion) {
			return errManyVPCs
		}
		if err := s.checkTagCount(want.Tags); err != nil {
			return err
		}
		made = newVPC(tx.AccountRegions.Get(model.ScopeID(caller.Scope)), want.CIDR, s.now().UTC())
		if want.Tenancy != "" {
			made.Tenancy = want.Tenancy
		}
		if want.IPv6 {
			made.IPv6 = []secgroup.CIDRAssociation{{ID: newID("vpc-cidr-assoc"), Prefix: freeIPv6Block(tx)}}
		}
		made.Tags = want.Tags
		putVPC(tx, made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

var errManyVPCs = secgroup.Errorf("VpcLimitExceeded", "The maximum number of VPCs has been reached.")

// validBits reports whether a VPC or subnet may have an IPv4 block of that
// length.
func validBits(p netip.Prefix) bool { return p.Bits() >= 16 && p.Bits() <= 28 }

// newVPC returns a VPC of the account's Region, without IPv6, tags and default
// group.
func newVPC(born *secgroup.AccountRegion, block netip.Prefix, created time.Time) *secgroup.VPC {
	return &secgroup.VPC{
		Scope: born.Scope, ID: newID("vpc"),
		CIDRs:   []secgroup.CIDRAssociation{{ID: newID("vpc-cidr-assoc"), Prefix: block}},
		Tenancy: "default", DHCPOptions: born.DHCPOptions,
		MainRouteTable: newID("rtb"), DefaultACL: newID("acl"),
		DNSSupport: true, Created: created,
	}
}

// putVPC stores a new VPC with its default group and its number between hosts.
func putVPC(tx *model.Tx, v *secgroup.VPC) {
	g := newDefaultGroup(v, v.Created)
	v.DefaultGroup, v.VNI = g.ID, freeVNI(tx)
	tx.Groups.Put(g)
	tx.VPCs.Put(v)
}

// freeIPv6Block returns a random /56 below fd00::/8 that no VPC of the
// installation has. Such addresses (RFC 4193) are unique in practice and, unlike
// the public ones that EC2 gives, never routed on the internet, where they would
// be somebody else's (docs/spec/ec2-api.md section 4.1).
func freeIPv6Block(tx *model.Tx) netip.Prefix {
	for {
		var b [16]byte
		rand.Read(b[1:7])
		b[0] = 0xfd
		block := netip.PrefixFrom(netip.AddrFrom16(b), 56)
		taken := false
		for v := range tx.VPCs.All() {
			taken = taken || slices.ContainsFunc(v.IPv6, func(a secgroup.CIDRAssociation) bool { return a.Prefix.Overlaps(block) })
		}
		if !taken {
			return block
		}
	}
}

// VPCs returns the caller's VPCs of these ids, or all of the scope when there
// are none.
//
// Errors: InvalidVpcID.NotFound.
func VPCs(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.VPC, error) {
	return rowsOrAll(&snap.VPCs, scope, ids, noVPC, func(v *secgroup.VPC) bool { return v.Scope == scope })
}

// DeleteVPC removes a VPC and what was born with it. Subnets, other groups, other
// route tables, interfaces and an internet gateway stand in the way; peering connections and the
// associations of foreign groups end (docs/spec/ec2-api.md section 4.2).
//
// Errors: InvalidVpcID.NotFound, DependencyViolation.
func (s *Service) DeleteVPC(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		v, err := findVPC(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		busy := tx.Subnets.Has(model.ByVPC, id) || tx.Interfaces.Has(model.ByVPC, id) || tx.Gateway(id) != nil
		for g := range tx.Groups.By(model.ByVPC, id) {
			busy = busy || g.ID != v.DefaultGroup
		}
		for t := range tx.RouteTables.By(model.ByVPC, id) {
			busy = busy || t.ID != v.MainRouteTable
		}
		if busy {
			return secgroup.Errorf("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", id)
		}
		s.endPeerings(tx, v)
		endAssociations(tx, id)
		tx.RouteTables.Delete(v.MainRouteTable)
		tx.Groups.Delete(v.DefaultGroup)
		tx.VPCs.Delete(id)
		return nil
	})
}
