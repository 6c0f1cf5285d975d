// SPDX-License-Identifier: Apache-2.0

package control

import (
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// findPeering finds a peering connection by the side that lives in the scope:
// each side has tags of its own.
func findPeering(tx *model.Tx, scope secgroup.Scope, id string) (secgroup.Tags, func(secgroup.Tags), bool) {
	p := tx.Peerings.Get(id)
	if p == nil || p.Side(scope) == nil {
		return nil, nil, false
	}
	return p.Side(scope).Tags, func(changed secgroup.Tags) {
		next := *p
		next.Side(scope).Tags = changed
		tx.Peerings.Put(&next)
	}, true
}

func eachPeering(snap *model.Snapshot, scope secgroup.Scope, yield func(string, secgroup.Tags)) {
	for p := range snap.Peerings.By(model.ByScope, model.ScopeValue(scope)) {
		if tags := p.Side(scope).Tags; len(tags) > 0 {
			yield(p.ID, tags)
		}
	}
}

// findRouteTable finds a route table, stored or not.
func findRouteTable(tx *model.Tx, scope secgroup.Scope, id string) (secgroup.Tags, func(secgroup.Tags), bool) {
	t, err := routeTableOf(tx.Snapshot, scope, id)
	if err != nil {
		return nil, nil, false
	}
	return t.Tags, func(changed secgroup.Tags) {
		next := *t
		next.Tags = changed
		tx.RouteTables.Put(&next)
	}, true
}

func eachRouteTable(snap *model.Snapshot, scope secgroup.Scope, yield func(string, secgroup.Tags)) {
	for t := range snap.RouteTables.By(model.ByScope, model.ScopeValue(scope)) {
		if len(t.Tags) > 0 {
			yield(t.ID, t.Tags)
		}
	}
}
