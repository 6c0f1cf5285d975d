// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// GroupRule is one rule with the group it belongs to.
type GroupRule struct {
	Group *secgroup.Group
	Rule  *secgroup.Rule
}

// SecurityGroupRules returns the scope's rules with these ids. An id that does not
// exist is refused (docs/spec/ec2-api.md section 3.4).
func SecurityGroupRules(snap *model.Snapshot, scope secgroup.Scope, ids []string) ([]*GroupRule, error) {
	var rules []*GroupRule
	seen := map[string]bool{}
	for _, id := range ids {
		found := findGroupRule(snap, scope, id)
		if found == nil {
			return nil, unknownRule(id)
		}
		if !seen[id] {
			seen[id] = true
			rules = append(rules, found)
		}
	}
	return rules, nil
}

// findGroupRule returns the scope's rule of that id, nil for none.
func findGroupRule(snap *model.Snapshot, scope secgroup.Scope, id string) *GroupRule {
	for g := range snap.Groups.By(model.ByRule, id) {
		if g.Scope == scope {
			i := slices.IndexFunc(g.Rules, func(r secgroup.Rule) bool { return r.ID == id })
			return &GroupRule{g, &g.Rules[i]}
		}
	}
	return nil
}
