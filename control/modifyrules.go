// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// RuleContent is what a rule shall say from now on: a permission with exactly
// one peer, whose description is the rule's.
type RuleContent struct {
	ID      string // of the rule
	Content secgroup.Permission
}

// ModifySecurityGroupRules replaces the content of rules of one group, of either
// direction, all or none. Ids, directions and tags stay; the rules may exchange
// their contents. No id comes twice (docs/spec/ec2-api.md section 3.7).
func (s *Service) ModifySecurityGroupRules(ctx context.Context, caller Caller, group string, changes []RuleContent) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := findGroup(tx.Snapshot, caller.Scope, group)
		if err != nil {
			return err
		}
		next := *g
		next.Rules = slices.Clone(g.Rules)
		places := make([]int, len(changes))
		contents := make([]secgroup.Permission, len(changes))
		for i, c := range changes {
			places[i] = slices.IndexFunc(g.Rules, func(r secgroup.Rule) bool { return r.ID == c.ID })
			if places[i] < 0 {
				return unknownRule(c.ID)
			}
			contents[i] = c.Content
			// Only the id of a group can be given: one of another account stays so.
			if was, pair := &g.Rules[places[i]], c.Content.Peers[0]; pair.Group != "" && pair.Group == was.Peer.Group && pair.GroupOwner == "" {
				pair.GroupOwner = was.GroupOwner
				contents[i].Peers = []secgroup.Pair{pair}
			}
		}
		if contents, err = resolvePeers(tx.Snapshot, caller.Scope, g, contents, true); err != nil {
			return err
		}
		for i, at := range places {
			r, pair := &next.Rules[at], contents[i].Peers[0]
			if was, is := kindOf(r.Peer), kindOf(pair.Peer); was != is {
				return secgroup.Errorf("InvalidParameterValue",
					"Invalid rule type for security group rule '%s'. You may not specify %s for an existing %s rule.", r.ID, is.parameter, was.name)
			}
			r.RuleKey = contents[i].Key(r.Egress, pair.Peer)
			r.SetPair(pair)
			next.EgressOriginal = next.EgressOriginal && !r.Egress
		}
		if err := checkModified(next.Rules, places); err != nil {
			return err
		}
		if err := checkRuleQuota(g.Rules, next.Rules, weights(tx.Snapshot), s.quotas(tx.Snapshot, g.Scope).RulesPerGroup); err != nil {
			return err
		}
		if err := s.checkListUsers(tx.Snapshot, g.ID, next.Rules); err != nil {
			return err
		}
		if len(changes) > 0 {
			tx.Groups.Put(&next)
		}
		return nil
	})
}

// checkModified refuses rules that, with those at places changed, are no longer
// different from each other.
func checkModified(rules []secgroup.Rule, places []int) error {
	var changed, kept []secgroup.Rule
	for i := range rules {
		if slices.Contains(places, i) {
			changed = append(changed, rules[i])
		} else {
			kept = append(kept, rules[i])
		}
	}
	return checkDuplicates(kept, changed)
}

// peerKind is what kind of peer a rule has; a rule keeps it for life.
type peerKind struct{ parameter, name string }

func kindOf(p secgroup.Peer) peerKind {
	switch {
	case p.Group != "":
		return peerKind{"ReferencedGroupId", "referenced group"}
	case p.PrefixList != "":
		return peerKind{"PrefixListId", "prefix list"}
	case p.Prefix.Addr().Is4():
		return peerKind{"CidrIpv4", "IPv4 CIDR"}
	}
	return peerKind{"CidrIpv6", "IPv6 CIDR"}
}
