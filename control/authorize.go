// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// GroupRules are rules with the group that they belong, or belonged, to.
type GroupRules struct {
	Group *secgroup.Group
	Rules []secgroup.Rule
}

// AuthorizeSecurityGroup adds one rule per peer of the permissions to one
// direction of a group, all or none, and returns them in the order of the
// request. Permissions without peers add nothing and are no error
// (docs/spec/ec2-api.md section 3.5).
func (s *Service) AuthorizeSecurityGroup(ctx context.Context, caller Caller, ref GroupRef, egress bool, permissions []secgroup.Permission, tags secgroup.Tags) (added GroupRules, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := ref.resolve(tx.Snapshot, caller.Scope)
		if err != nil {
			return err
		}
		resolved, err := resolvePeers(tx.Snapshot, caller.Scope, g, permissions, true)
		if err != nil {
			return err
		}
		rules := rulesOf(resolved, egress)
		if err := checkDuplicates(g.Rules, rules); err != nil {
			return err
		}
		next := *g
		next.Rules = slices.Concat(g.Rules, rules)
		if err := checkRuleQuota(g.Rules, next.Rules, weights(tx.Snapshot), s.quotas(tx.Snapshot, g.Scope).RulesPerGroup); err != nil {
			return err
		}
		if err := s.checkListUsers(tx.Snapshot, g.ID, next.Rules); err != nil {
			return err
		}
		if err := s.checkTagCount(tags); err != nil {
			return err
		}
		now := s.now().UTC()
		fresh := next.Rules[len(g.Rules):]
		for i := range fresh {
			fresh[i].ID, fresh[i].Tags, fresh[i].Created = newID(secgroup.RulePrefix), tags, now.Add(time.Duration(i))
		}
		added = GroupRules{&next, fresh}
		if len(fresh) == 0 {
			return nil
		}
		next.EgressOriginal = g.EgressOriginal && !egress
		tx.Groups.Put(&next)
		return nil
	})
	if err != nil {
		return GroupRules{}, err
	}
	for _, p := range permissions {
		if len(p.Peers) == 0 {
			s.log.Warn("a permission without a peer adds no rule", "group", added.Group.ID, "account", added.Group.Account, "protocol", p.Protocol)
		}
	}
	return added, nil
}

// rulesOf returns the rules that permissions mean, without ids.
func rulesOf(permissions []secgroup.Permission, egress bool) []secgroup.Rule {
	var rules []secgroup.Rule
	for _, p := range permissions {
		for _, pair := range p.Peers {
			r := secgroup.Rule{RuleKey: p.Key(egress, pair.Peer)}
			r.SetPair(pair)
			rules = append(rules, r)
		}
	}
	return rules
}

// checkDuplicates refuses rules that are equal to each other or to existing ones.
// Descriptions do not make a difference.
func checkDuplicates(existing, rules []secgroup.Rule) error {
	seen := make(map[secgroup.RuleKey]bool, len(existing)+len(rules))
	for i := range rules {
		if seen[rules[i].RuleKey] {
			return secgroup.Errorf("InvalidParameterValue", "The same permission must not appear multiple times")
		}
		seen[rules[i].RuleKey] = true
	}
	for i := range rules {
		if slices.ContainsFunc(existing, func(r secgroup.Rule) bool { return r.RuleKey == rules[i].RuleKey }) {
			return secgroup.Errorf("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, rules[i].RuleKey)
		}
	}
	return nil
}
