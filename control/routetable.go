// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	noRouteTable       = absent{"InvalidRouteTableID.NotFound", "routeTable"}
	noRouteAssociation = absent{"InvalidAssociationID.NotFound", "association"}
)

// routeTableOf returns the scope's route table of that id. A main table that was
// never changed is not stored, but it is there.
func routeTableOf(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.RouteTable, error) {
	if t := snap.RouteTables.Get(id); t != nil && t.Scope == scope {
		return t, nil
	}
	for v := range snap.VPCs.By(model.ByScope, model.ScopeValue(scope)) {
		if v.MainRouteTable == id {
			return snap.MainRouteTable(v), nil
		}
	}
	return nil, noRouteTable.err(id)
}

// RouteTables returns every route table of the scope, main ones included.
func RouteTables(snap *model.Snapshot, scope secgroup.Scope) []*secgroup.RouteTable {
	tables := slices.Collect(snap.RouteTables.By(model.ByScope, model.ScopeValue(scope)))
	for v := range snap.VPCs.By(model.ByScope, model.ScopeValue(scope)) {
		if snap.RouteTables.Get(v.MainRouteTable) == nil {
			tables = append(tables, snap.MainRouteTable(v))
		}
	}
	return tables
}

// MainRouteAssociation returns the id of the tie between a VPC and its main
// table. It has the digits of the table's id.
func MainRouteAssociation(table string) string {
	return secgroup.RouteAssociationPrefix + table[strings.LastIndexByte(table, '-'):]
}

// CreateRouteTable makes a table that no subnet uses yet.
//
// Errors: IdempotentParameterMismatch, InvalidVpcID.NotFound, RouteTableLimitExceeded, TagLimitExceeded.
func (s *Service) CreateRouteTable(ctx context.Context, caller Caller, vpc string, tags secgroup.Tags, token ClientToken) (made *secgroup.RouteTable, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		again, err := s.replay(tx, caller.Scope, "CreateRouteTable", token)
		if err != nil {
			return err
		}
		if again != nil {
			made, err = routeTableOf(tx.Snapshot, caller.Scope, again[0])
			return err
		}
		v, err := findVPC(tx.Snapshot, caller.Scope, vpc)
		if err != nil {
			return err
		}
		count := 1 // the main table, stored or not
		for t := range tx.RouteTables.By(model.ByVPC, v.ID) {
			if t.ID != v.MainRouteTable {
				count++
			}
		}
		if count >= s.quotas(tx.Snapshot, caller.Scope).RouteTablesPerVPC {
			return secgroup.Errorf("RouteTableLimitExceeded", "The maximum number of route tables has been reached.")
		}
		if err := s.checkTagCount(tags); err != nil {
			return err
		}
		made = &secgroup.RouteTable{
			Scope: caller.Scope, ID: newID(secgroup.RouteTablePrefix), VPC: v.ID, Tags: tags, Created: s.now().UTC(),
		}
		tx.RouteTables.Put(made)
		s.remember(tx, caller.Scope, "CreateRouteTable", token, made.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// DeleteRouteTable removes a table that no subnet uses.
//
// Errors: InvalidRouteTableID.NotFound, DependencyViolation.
func (s *Service) DeleteRouteTable(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		t, err := routeTableOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		if len(t.Subnets) > 0 || tx.VPCs.Get(t.VPC).MainRouteTable == id {
			return secgroup.Errorf("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", id)
		}
		tx.RouteTables.Delete(id)
		return nil
	})
}

// AssociateRouteTable has a table route for a subnet, and returns the id of that
// tie. Doing it again changes nothing.
//
// Errors: InvalidRouteTableID.NotFound, InvalidSubnetID.NotFound,
// InvalidParameterValue (another VPC), Resource.AlreadyAssociated.
func (s *Service) AssociateRouteTable(ctx context.Context, caller Caller, table, subnet string) (id string, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		t, err := routeTableOf(tx.Snapshot, caller.Scope, table)
		if err != nil {
			return err
		}
		n, err := subnetOf(tx.Snapshot, caller.Scope, subnet)
		if err != nil {
			return err
		}
		if n.VPC != t.VPC {
			return secgroup.Errorf("InvalidParameterValue", "Route table %s and subnet %s belong to different networks", t.ID, n.ID)
		}
		if old, explicit := tx.RouteTableOf(n.ID, n.VPC); explicit {
			i := slices.IndexFunc(old.Subnets, func(a secgroup.RouteAssociation) bool { return a.Subnet == n.ID })
			if id = old.Subnets[i].ID; old.ID != t.ID {
				return secgroup.Errorf("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
			}
			return nil
		}
		id = newID(secgroup.RouteAssociationPrefix)
		tie(tx, t, secgroup.RouteAssociation{ID: id, Subnet: n.ID})
		return nil
	})
	return id, err
}

func tie(tx *model.Tx, t *secgroup.RouteTable, a secgroup.RouteAssociation) {
	next := *t
	next.Subnets = append(slices.Clone(t.Subnets), a)
	tx.RouteTables.Put(&next)
}

func untie(tx *model.Tx, t *secgroup.RouteTable, at int) {
	next := *t
	next.Subnets = slices.Delete(slices.Clone(t.Subnets), at, at+1)
	tx.RouteTables.Put(&next)
}

// findRouteAssociation returns the table of an association and its place there;
// -1 for the tie of a VPC to its main table.
func findRouteAssociation(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.RouteTable, int, error) {
	for t := range snap.RouteTables.By(model.ByScope, model.ScopeValue(scope)) {
		if i := slices.IndexFunc(t.Subnets, func(a secgroup.RouteAssociation) bool { return a.ID == id }); i >= 0 {
			return t, i, nil
		}
	}
	for v := range snap.VPCs.By(model.ByScope, model.ScopeValue(scope)) {
		if MainRouteAssociation(v.MainRouteTable) == id {
			return snap.MainRouteTable(v), -1, nil
		}
	}
	return nil, 0, noRouteAssociation.err(id)
}

// DisassociateRouteTable gives a subnet back to its VPC's main table.
//
// Errors: InvalidAssociationID.NotFound, InvalidParameterValue (main).
func (s *Service) DisassociateRouteTable(ctx context.Context, caller Caller, association string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		t, at, err := findRouteAssociation(tx.Snapshot, caller.Scope, association)
		if err != nil {
			return err
		}
		if at < 0 {
			return secgroup.Errorf("InvalidParameterValue", "cannot disassociate the main route table association %s", association)
		}
		untie(tx, t, at)
		return nil
	})
}

// ReplaceRouteTableAssociation has another table route for the subnet of an
// association, or for all subnets without one if it is that of the main table.
// It returns the id of the new tie.
//
// Errors: InvalidAssociationID.NotFound, InvalidRouteTableID.NotFound,
// InvalidParameterValue (another VPC).
func (s *Service) ReplaceRouteTableAssociation(ctx context.Context, caller Caller, association, table string) (id string, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		old, at, err := findRouteAssociation(tx.Snapshot, caller.Scope, association)
		if err != nil {
			return err
		}
		t, err := routeTableOf(tx.Snapshot, caller.Scope, table)
		if err != nil {
			return err
		}
		if t.VPC != old.VPC {
			return secgroup.Errorf("InvalidParameterValue", "Route table %s and association %s belong to different networks", t.ID, association)
		}
		if at < 0 {
			v := *tx.VPCs.Get(t.VPC)
			tx.RouteTables.Put(old) // no longer to be inferred from the VPC
			v.MainRouteTable, id = t.ID, MainRouteAssociation(t.ID)
			tx.VPCs.Put(&v)
			return nil
		}
		id = newID(secgroup.RouteAssociationPrefix)
		subnet := old.Subnets[at].Subnet
		untie(tx, old, at)
		if t.ID == old.ID {
			t = tx.RouteTables.Get(t.ID)
		}
		tie(tx, t, secgroup.RouteAssociation{ID: id, Subnet: subnet})
		return nil
	})
	return id, err
}

// forgetSubnet takes a subnet that is to be deleted from the table that routes
// for it.
func forgetSubnet(tx *model.Tx, n *secgroup.Subnet) {
	if t, explicit := tx.RouteTableOf(n.ID, n.VPC); explicit {
		untie(tx, t, slices.IndexFunc(t.Subnets, func(a secgroup.RouteAssociation) bool { return a.Subnet == n.ID }))
	}
}
