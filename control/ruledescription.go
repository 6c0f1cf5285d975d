// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// RuleDescription is a new description of a rule; nil takes the old one away.
type RuleDescription struct {
	ID          string
	Description *string
}

// DescribeRulesAnew replaces the descriptions of the rules that the peers of the
// permissions name, in one direction of a group, by those at the peers. Every
// peer must name a rule (docs/spec/ec2-api.md section 3.8).
func (s *Service) DescribeRulesAnew(ctx context.Context, caller Caller, ref GroupRef, egress bool, permissions []secgroup.Permission) error {
	return s.redescribe(ctx, caller, ref, func(tx *model.Tx, g *secgroup.Group) ([]RuleDescription, error) {
		resolved, err := resolvePeers(tx.Snapshot, caller.Scope, g, permissions, false)
		if err != nil {
			return nil, err
		}
		var wanted []RuleDescription
		for _, p := range resolved {
			for _, pair := range p.Peers {
				key := p.Key(egress, pair.Peer)
				at := slices.IndexFunc(g.Rules, func(r secgroup.Rule) bool { return r.RuleKey == key })
				if at < 0 {
					return nil, errNoSuchPermission
				}
				wanted = append(wanted, RuleDescription{g.Rules[at].ID, pair.Description})
			}
		}
		return wanted, nil
	})
}

// DescribeRulesAnewByID is DescribeRulesAnew for rules named by id.
func (s *Service) DescribeRulesAnewByID(ctx context.Context, caller Caller, ref GroupRef, egress bool, wanted []RuleDescription) error {
	return s.redescribe(ctx, caller, ref, func(_ *model.Tx, g *secgroup.Group) ([]RuleDescription, error) {
		for _, w := range wanted {
			if !slices.ContainsFunc(g.Rules, func(r secgroup.Rule) bool { return r.ID == w.ID && r.Egress == egress }) {
				return nil, unknownRule(w.ID)
			}
		}
		return wanted, nil
	})
}

// redescribe gives rules of a group the descriptions that choose returns, in
// their order.
func (s *Service) redescribe(ctx context.Context, caller Caller, ref GroupRef, choose func(*model.Tx, *secgroup.Group) ([]RuleDescription, error)) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := ref.resolve(tx.Snapshot, caller.Scope)
		if err != nil {
			return err
		}
		wanted, err := choose(tx, g)
		if err != nil || len(wanted) == 0 {
			return err
		}
		next := *g
		next.Rules = slices.Clone(g.Rules)
		for _, w := range wanted {
			at := slices.IndexFunc(next.Rules, func(r secgroup.Rule) bool { return r.ID == w.ID })
			next.Rules[at].Description = w.Description
		}
		tx.Groups.Put(&next)
		return nil
	})
}
