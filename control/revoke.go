// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Revoked is what a revocation did.
type Revoked struct {
	GroupRules                       // as they were
	Unknown    []secgroup.Permission // what named no rule, in a default VPC; nil when everything did
}

// errNoSuchPermission is what a permission gets that names no rule but must.
var errNoSuchPermission = secgroup.Errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")

// RevokeSecurityGroup removes the rules that the peers of the permissions name
// from one direction of a group. A peer that names no rule fails the whole call,
// except in a default VPC, where it is reported instead (docs/spec/ec2-api.md
// section 3.6).
func (s *Service) RevokeSecurityGroup(ctx context.Context, caller Caller, ref GroupRef, egress bool, permissions []secgroup.Permission) (done Revoked, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := ref.resolve(tx.Snapshot, caller.Scope)
		if err != nil {
			return err
		}
		resolved, err := resolvePeers(tx.Snapshot, caller.Scope, g, permissions, false)
		if err != nil {
			return err
		}
		doomed := map[secgroup.RuleKey]bool{}
		unknown := match(g, egress, resolved, doomed)
		if unknown != nil && !tx.VPCs.Get(g.VPC).Default {
			return errNoSuchPermission
		}
		done = Revoked{remove(tx, g, func(r *secgroup.Rule) bool { return doomed[r.RuleKey] }), unknown}
		return nil
	})
	if err != nil {
		return Revoked{}, err
	}
	return done, nil
}

// match adds the keys of the rules of g that permissions name to found and
// returns the permissions reduced to the peers that name none.
func match(g *secgroup.Group, egress bool, permissions []secgroup.Permission, found map[secgroup.RuleKey]bool) (unknown []secgroup.Permission) {
	has := make(map[secgroup.RuleKey]bool, len(g.Rules))
	for i := range g.Rules {
		has[g.Rules[i].RuleKey] = true
	}
	for _, p := range permissions {
		rest := p
		rest.Peers = nil
		for _, pair := range p.Peers {
			if key := p.Key(egress, pair.Peer); has[key] {
				found[key] = true
			} else {
				rest.Peers = append(rest.Peers, pair)
			}
		}
		if rest.Peers != nil {
			unknown = append(unknown, rest)
		}
	}
	return unknown
}

// RevokeSecurityGroupRules removes the rules with these ids, which must all be of
// that direction of the group.
func (s *Service) RevokeSecurityGroupRules(ctx context.Context, caller Caller, ref GroupRef, egress bool, ids []string) (done Revoked, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := ref.resolve(tx.Snapshot, caller.Scope)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !slices.ContainsFunc(g.Rules, func(r secgroup.Rule) bool { return r.ID == id && r.Egress == egress }) {
				return unknownRule(id)
			}
		}
		done = Revoked{GroupRules: remove(tx, g, func(r *secgroup.Rule) bool { return slices.Contains(ids, r.ID) })}
		return nil
	})
	if err != nil {
		return Revoked{}, err
	}
	return done, nil
}

// remove takes the doomed rules out of the group and returns them.
func remove(tx *model.Tx, g *secgroup.Group, doomed func(*secgroup.Rule) bool) GroupRules {
	next := *g
	next.Rules = nil
	removed := GroupRules{Group: g}
	for i := range g.Rules {
		r := &g.Rules[i]
		if !doomed(r) {
			next.Rules = append(next.Rules, *r)
			continue
		}
		removed.Rules = append(removed.Rules, *r)
		next.EgressOriginal = next.EgressOriginal && !r.Egress
	}
	if removed.Rules != nil {
		tx.Groups.Put(&next)
	}
	return removed
}
