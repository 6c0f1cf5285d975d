// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	noVPC  = absent{"InvalidVpcID.NotFound", "vpc"}
	noRule = absent{"InvalidSecurityGroupRuleId.NotFound", "security group rule"}
)

// one is err for a single id.
func (a absent) one(id string) error { return a.err(id) }

func unknownGroup(id string) error {
	return secgroup.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

func unknownRule(id string) error { return noRule.err(id) }

// findVPC returns the scope's VPC of that id.
func findVPC(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.VPC, error) {
	if v := snap.VPCs.Get(id); v != nil && v.Scope == scope {
		return v, nil
	}
	return nil, noVPC.err(id)
}

// DefaultVPC returns the scope's default VPC, nil when there is none.
func DefaultVPC(snap *model.Snapshot, scope secgroup.Scope) *secgroup.VPC {
	for v := range snap.VPCs.By(model.ByScope, model.ScopeValue(scope)) {
		if v.Default {
			return v
		}
	}
	return nil
}

// rowsOrAll returns the rows of these ids like rows does, or everything in the
// scope when there are none. The table must have the index ByScope.
func rowsOrAll[T any](t *model.Table[T], scope secgroup.Scope, ids []string, a absent, mine func(*T) bool) ([]*T, error) {
	if len(ids) > 0 {
		return rows(t, ids, a, mine)
	}
	return slices.Collect(t.By(model.ByScope, model.ScopeValue(scope))), nil
}

// named is rowsOrAll for refusals in other words: one for a single id that names
// nothing, many for several, joined with commas.
func named[T any](t *model.Table[T], scope secgroup.Scope, ids []string, scopeOf func(*T) secgroup.Scope,
	one func(id string) error, many func(ids string) error,
) ([]*T, error) {
	if len(ids) == 0 {
		return slices.Collect(t.By(model.ByScope, model.ScopeValue(scope))), nil
	}
	found, unknown := pick(t, ids, func(row *T) bool { return scopeOf(row) == scope })
	switch len(unknown) {
	case 0:
		return found, nil
	case 1:
		return nil, one(unknown[0])
	}
	return nil, many(strings.Join(unknown, ", "))
}
