// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// AssociateGroup lets interfaces of a further VPC carry a group
// (docs/spec/ec2-api.md section 3.12). It reports whether they could
// already.
//
// Errors: InvalidGroup.NotFound, InvalidVpcID.NotFound, InvalidParameterValue.
func (s *Service) AssociateGroup(ctx context.Context, caller Caller, group, vpc string) (already bool, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := findGroup(tx.Snapshot, caller.Scope, group)
		if err != nil {
			return err
		}
		v, err := findVPC(tx.Snapshot, caller.Scope, vpc)
		if err != nil {
			return err
		}
		bad := func(text string) error {
			return secgroup.Errorf("InvalidParameterValue", "Security group '%s' "+text, g.ID)
		}
		switch home := tx.VPCs.Get(g.VPC); {
		case g.Default():
			return bad("is a default security group and cannot be associated with a VPC.")
		case v.ID == g.VPC:
			return bad("belongs to that VPC and cannot be associated with it.")
		case v.Default:
			return bad("cannot be associated with a default VPC.")
		case home.Default:
			return bad("belongs to a default VPC and cannot be associated with another.")
		}
		if already = tx.GroupAssociations.Get(model.GroupAssociationID(g.ID, v.ID)) != nil; !already {
			tx.GroupAssociations.Put(&secgroup.GroupAssociation{Scope: g.Scope, Group: g.ID, VPC: v.ID, Created: s.now().UTC()})
		}
		return nil
	})
	return already, err
}

// DisassociateGroup takes a group out of a VPC that it was associated with.
//
// Errors: InvalidGroup.NotFound, InvalidVpcID.NotFound,
// InvalidSecurityGroupVpcAssociation.NotFound, DependencyViolation.
func (s *Service) DisassociateGroup(ctx context.Context, caller Caller, group, vpc string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := findGroup(tx.Snapshot, caller.Scope, group)
		if err != nil {
			return err
		}
		if _, err := findVPC(tx.Snapshot, caller.Scope, vpc); err != nil {
			return err
		}
		id := model.GroupAssociationID(g.ID, vpc)
		if tx.GroupAssociations.Get(id) == nil {
			return secgroup.Errorf("InvalidSecurityGroupVpcAssociation.NotFound",
				"The security group '%s' is not associated with the VPC '%s'", g.ID, vpc)
		}
		for i := range tx.Interfaces.By(model.ByGroup, g.ID) {
			if i.VPC == vpc {
				return secgroup.Errorf("DependencyViolation", "resource %s has a dependent object", g.ID)
			}
		}
		tx.GroupAssociations.Delete(id)
		return nil
	})
}

// GroupAssociations returns the associations of the scope's groups.
func GroupAssociations(snap *model.Snapshot, scope secgroup.Scope) []*secgroup.GroupAssociation {
	return slices.Collect(snap.GroupAssociations.By(model.ByScope, model.ScopeValue(scope)))
}

// carriedIn reports whether interfaces of a VPC may carry the group.
func carriedIn(snap *model.Snapshot, g *secgroup.Group, vpc string) bool {
	return g.VPC == vpc || snap.GroupAssociations.Get(model.GroupAssociationID(g.ID, vpc)) != nil
}

// endAssociations takes every foreign group out of a VPC that is to be deleted.
// Nothing carries them any more.
func endAssociations(tx *model.Tx, vpc string) {
	for _, a := range slices.Collect(tx.GroupAssociations.By(model.ByVPC, vpc)) {
		tx.GroupAssociations.Delete(model.GroupAssociationID(a.Group, a.VPC))
	}
}
