// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// maxBlocksPerVPC is the number of blocks per address family that the programs
// at an interface have room for, whatever the quota says.
const maxBlocksPerVPC = 6

// AssociateVPCBlock gives the VPC a further block: the IPv4 block, or an IPv6
// block of our choice when block is the zero Prefix
// (docs/spec/ec2-api.md section 4.2).
//
// With its first IPv6 block the VPC's groups whose egress rules were never
// changed also let everything out over IPv6 (section 3.1).
//
// Errors: InvalidVpcID.NotFound, InvalidVpc.Range, CidrLimitExceeded.
func (s *Service) AssociateVPCBlock(ctx context.Context, caller Caller, id string, block netip.Prefix) (made secgroup.CIDRAssociation, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := findVPC(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		made = secgroup.CIDRAssociation{ID: newID(secgroup.VPCAssociationPrefix), Prefix: block}
		v := *was
		blocks := &v.IPv6
		if block.IsValid() {
			blocks = &v.CIDRs
			overlaps := func(a secgroup.CIDRAssociation) bool { return a.Prefix.Overlaps(block) }
			if !validBits(block) || slices.ContainsFunc(reservedBlocks, block.Overlaps) || slices.ContainsFunc(v.CIDRs, overlaps) {
				return secgroup.Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid.", block)
			}
		}
		if block.IsValid() && peeredBlock(tx.Snapshot, id, block) {
			return secgroup.Errorf("InvalidVpc.Range", "The CIDR '%s' overlaps one that is reached through a peering connection.", block)
		}
		if limit := min(s.quotas(tx.Snapshot, caller.Scope).BlocksPerVPC, maxBlocksPerVPC); len(*blocks) >= limit {
			return secgroup.Errorf("CidrLimitExceeded", "This network %s has met its maximum number of allowed CIDRs: %d", id, limit)
		}
		if !block.IsValid() {
			made.Prefix = freeIPv6Block(tx)
			if len(v.IPv6) == 0 {
				letOutOverIPv6(tx, &v, s.now().UTC())
			}
		}
		*blocks = append(slices.Clone(*blocks), made)
		tx.VPCs.Put(&v)
		return nil
	})
	return made, err
}

// letOutOverIPv6 adds the egress rule for IPv6 to the VPC's groups that have the
// egress rules they were born with.
func letOutOverIPv6(tx *model.Tx, v *secgroup.VPC, now time.Time) {
	rule := everything(true, secgroup.Peer{Prefix: netip.PrefixFrom(netip.IPv6Unspecified(), 0)})
	var changed []*secgroup.Group
	for g := range tx.Groups.By(model.ByVPC, v.ID) {
		// It has the rule already if the VPC had IPv6 before and gave it up.
		if g.EgressOriginal && !slices.ContainsFunc(g.Rules, func(r secgroup.Rule) bool { return r.RuleKey == rule.RuleKey }) {
			changed = append(changed, g)
		}
	}
	for _, g := range changed {
		next, added := *g, rule
		added.ID, added.Created = newID(secgroup.RulePrefix), now
		next.Rules = append(slices.Clone(g.Rules), added)
		tx.Groups.Put(&next)
	}
}

// DisassociateVPCBlock takes a block from its VPC and returns the VPC and what it
// gave up. The primary block and blocks with subnets in them cannot be taken.
//
// Errors: InvalidVpcCidrBlockAssociationID.NotFound, OperationNotPermitted,
// InvalidCidrBlock.InUse.
func (s *Service) DisassociateVPCBlock(ctx context.Context, caller Caller, association string) (vpc string, gone secgroup.CIDRAssociation, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		for was := range tx.VPCs.By(model.ByScope, model.ScopeValue(caller.Scope)) {
			v := *was
			for _, blocks := range []*[]secgroup.CIDRAssociation{&v.CIDRs, &v.IPv6} {
				i := slices.IndexFunc(*blocks, func(a secgroup.CIDRAssociation) bool { return a.ID == association })
				if i < 0 {
					continue
				}
				vpc, gone = v.ID, (*blocks)[i]
				if association == v.CIDRs[0].ID {
					return secgroup.Errorf("OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. "+
						"It is the primary IPv4 CIDR block of the VPC", association)
				}
				for n := range tx.Subnets.By(model.ByVPC, v.ID) {
					if gone.Prefix.Overlaps(n.CIDR) || gone.Prefix.Overlaps(ipv6Of(n)) {
						return secgroup.Errorf("InvalidCidrBlock.InUse", "The vpc %s currently has a subnet within CIDR block %s", v.ID, gone.Prefix)
					}
				}
				*blocks = slices.Delete(slices.Clone(*blocks), i, i+1)
				tx.VPCs.Put(&v)
				return nil
			}
		}
		return secgroup.Errorf("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", association)
	})
	return vpc, gone, err
}

// VPCChange is one change of one attribute: exactly one field is set
// (docs/spec/ec2-api.md section 4.2).
type VPCChange struct {
	DNSSupport, DNSHostnames, UsageMetrics *bool
}

// ModifyVPCAttribute changes a VPC. No packet depends on these attributes.
//
// Errors: InvalidVpcID.NotFound.
func (s *Service) ModifyVPCAttribute(ctx context.Context, caller Caller, id string, change VPCChange) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := findVPC(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		v := *was
		switch {
		case change.DNSSupport != nil:
			v.DNSSupport = *change.DNSSupport
		case change.DNSHostnames != nil:
			v.DNSHostnames = *change.DNSHostnames
		case change.UsageMetrics != nil:
			v.UsageMetrics = *change.UsageMetrics
		}
		tx.VPCs.Put(&v)
		return nil
	})
}
