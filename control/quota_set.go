// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// QuotaValue is one limit as it stands in a scope.
type QuotaValue struct {
	Name    string `json:"name"`
	Value   int    `json:"value"`
	Default int    `json:"default"` // the installation's
	Max     int    `json:"max"`     // how high it can be set; 0 when it cannot be set
	Set     bool   `json:"set"`     // for this account and Region
}

// ListQuotas returns every limit of a scope.
//
// Errors: there is no such account or Region.
func (s *Service) ListQuotas(scope secgroup.Scope) ([]QuotaValue, error) {
	snap := s.Read()
	if err := s.checkScope(snap, scope); err != nil {
		return nil, err
	}
	in, installed := s.quotas(snap, scope), s.installed
	own := snap.Quotas.Get(model.ScopeID(scope))
	list := make([]QuotaValue, len(allQuotas))
	for i, d := range allQuotas {
		list[i] = QuotaValue{Name: d.name, Value: *d.field(&in), Default: *d.field(&installed), Max: d.max}
		if own != nil {
			_, list[i].Set = own.Values[d.name]
		}
	}
	return list, nil
}

// SetQuota sets one limit of a scope. What is beyond it already stays and may
// shrink (docs/spec/ec2-api.md section 12).
//
// Errors: there is no such account, Region or limit; the limit cannot have the
// value.
func (s *Service) SetQuota(ctx context.Context, scope secgroup.Scope, name string, value int) error {
	d, err := quotaNamed(name)
	if err != nil {
		return err
	}
	if d.max == 0 {
		return fmt.Errorf("set quota %s: it is the same everywhere and cannot be adjusted", name)
	}
	if value < 1 || value > d.max {
		return fmt.Errorf("set quota %s to %d: choose a number from 1 to %d", name, value, d.max)
	}
	return s.changeQuotas(ctx, scope, func(values map[string]int) { values[name] = value })
}

// ResetQuota gives one limit of a scope, or all for the name "", the value of the
// installation again. One that was not set is no error.
//
// Errors: as for SetQuota.
func (s *Service) ResetQuota(ctx context.Context, scope secgroup.Scope, name string) error {
	if name == "" {
		return s.changeQuotas(ctx, scope, func(values map[string]int) { clear(values) })
	}
	if _, err := quotaNamed(name); err != nil {
		return err
	}
	return s.changeQuotas(ctx, scope, func(values map[string]int) { delete(values, name) })
}

// changeQuotas changes what is set for a scope.
func (s *Service) changeQuotas(ctx context.Context, scope secgroup.Scope, change func(map[string]int)) error {
	return s.write(ctx, scope, func(tx *model.Tx) error {
		if err := s.checkScope(tx.Snapshot, scope); err != nil {
			return err
		}
		before := s.quotas(tx.Snapshot, scope)
		next := &secgroup.Quotas{Scope: scope, Values: map[string]int{}}
		if own := tx.Quotas.Get(model.ScopeID(scope)); own != nil {
			maps.Copy(next.Values, own.Values)
		}
		change(next.Values)
		if len(next.Values) == 0 {
			tx.Quotas.Delete(model.ScopeID(scope))
		} else {
			tx.Quotas.Put(next)
		}
		after := s.quotas(tx.Snapshot, scope)
		product := after.RulesPerGroup * after.GroupsPerInterface
		if product > maxRulesPerInterface && product > before.RulesPerGroup*before.GroupsPerInterface {
			return fmt.Errorf("change quotas of %s in %s: %s (%d) times %s (%d) may be %d at most: lower one of them first", scope.Account, scope.Region,
				rulesPerGroup, after.RulesPerGroup, groupsPerInterface, after.GroupsPerInterface, maxRulesPerInterface)
		}
		return nil
	})
}

// checkScope refuses accounts and Regions that the installation does not have:
// their limits would be forgotten until somebody makes them.
func (s *Service) checkScope(snap *model.Snapshot, scope secgroup.Scope) error {
	if _, served := s.Region(scope.Region); !served {
		return fmt.Errorf("quotas of Region %q: this installation does not serve it; choose another Region", scope.Region)
	}
	if snap.Accounts.Get(scope.Account) == nil {
		return fmt.Errorf("quotas of account %q: there is no such account; name one that exists", scope.Account)
	}
	return nil
}

func quotaNamed(name string) (quota, error) {
	if i := slices.IndexFunc(allQuotas, func(d quota) bool { return d.name == name }); i >= 0 {
		return allQuotas[i], nil
	}
	var names []string
	for _, d := range allQuotas {
		names = append(names, d.name)
	}
	return quota{}, fmt.Errorf("there is no quota %q; choose one of %s", name, strings.Join(names, ", "))
}
