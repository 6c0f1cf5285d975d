// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// AssociateSubnetBlock gives a subnet its IPv6 block
// (docs/spec/ec2-api.md section 4.3).
//
// Errors: InvalidSubnetID.NotFound, InvalidSubnet.Range, InvalidSubnet.Conflict,
// CidrLimitExceeded.
func (s *Service) AssociateSubnetBlock(ctx context.Context, caller Caller, id string, block netip.Prefix) (made secgroup.CIDRAssociation, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := subnetOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		if was.IPv6 != nil {
			return secgroup.Errorf("CidrLimitExceeded", "This subnet %s has met its maximum number of allowed CIDRs: 1", id)
		}
		made = secgroup.CIDRAssociation{ID: newID(secgroup.SubnetAssociationPrefix), Prefix: block}
		n := *was
		n.IPv6 = &made
		if err := fits(tx, tx.VPCs.Get(n.VPC), &n); err != nil {
			return err
		}
		tx.Subnets.Put(&n)
		return nil
	})
	return made, err
}

// DisassociateSubnetBlock takes the IPv6 block from its subnet and returns the
// subnet and what it gave up. Interfaces with addresses of the block, and a
// subnet whose interfaces get such addresses by themselves, stand in the way.
//
// Errors: InvalidSubnetCidrBlockAssociationID.NotFound, InvalidCidrBlock.InUse,
// OperationNotPermitted.
func (s *Service) DisassociateSubnetBlock(ctx context.Context, caller Caller, association string) (subnet string, gone secgroup.CIDRAssociation, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		for was := range tx.Subnets.By(model.ByScope, model.ScopeValue(caller.Scope)) {
			if was.IPv6 == nil || was.IPv6.ID != association {
				continue
			}
			subnet, gone = was.ID, *was.IPv6
			if was.AssignIPv6OnCreate {
				return secgroup.Errorf("OperationNotPermitted", "The subnet '%s' assigns IPv6 addresses on creation. "+
					"Modify its 'assignIpv6AddressOnCreation' attribute and try again.", was.ID)
			}
			for i := range tx.Interfaces.By(model.BySubnet, was.ID) {
				if len(i.IPv6)+len(i.IPv6Prefixes) > 0 {
					return secgroup.Errorf("InvalidCidrBlock.InUse", "The subnet %s currently has an interface within CIDR block %s", was.ID, gone.Prefix)
				}
			}
			n := *was
			n.IPv6, n.FormerIPv6 = nil, &gone
			tx.Subnets.Put(&n)
			return nil
		}
		return secgroup.Errorf("InvalidSubnetCidrBlockAssociationID.NotFound", "The subnet CIDR block association ID '%s' does not exist", association)
	})
	return subnet, gone, err
}

// SubnetChange is one change of one attribute: exactly one field is set.
type SubnetChange struct {
	AssignIPv6OnCreate *bool
	MapPublicIP        *bool // kept to be shown: there are no public addresses
}

// ModifySubnetAttribute changes what interfaces made from now on get.
//
// Errors: InvalidSubnetID.NotFound, InvalidParameterValue.
func (s *Service) ModifySubnetAttribute(ctx context.Context, caller Caller, id string, change SubnetChange) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := subnetOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		n := *was
		switch on := change.AssignIPv6OnCreate; {
		case on == nil:
			n.MapPublicIP = *change.MapPublicIP
		case *on && n.IPv6 == nil:
			return errNoIPv6Block
		case !*on && n.IPv6Native:
			return secgroup.Errorf("InvalidParameterValue", "The subnet has IPv6 addresses only; its interfaces always get one")
		default:
			n.AssignIPv6OnCreate = *on
		}
		tx.Subnets.Put(&n)
		return nil
	})
}
