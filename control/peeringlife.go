// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// changePeering runs a change of one peering connection that the caller sees, on
// a copy of it, and returns what it became.
func (s *Service) changePeering(ctx context.Context, caller Caller, id string, change func(tx *model.Tx, p *secgroup.Peering) error) (changed *secgroup.Peering, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was := tx.Peerings.Get(id)
		if was == nil || !s.seesPeering(was, caller.Scope) {
			return noPeering.err(id)
		}
		tx.Guard(model.ScopeID(was.Requester.Scope))
		tx.Guard(model.ScopeID(was.Accepter.Scope))
		next := *was.At(s.now())
		if err := change(tx, &next); err != nil {
			return err
		}
		tx.Peerings.Put(&next)
		changed = &next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// transition refuses a step that the state does not allow.
func transition(p *secgroup.Peering, to string, from ...secgroup.PeeringState) error {
	for _, state := range from {
		if p.State == state {
			return nil
		}
	}
	return secgroup.Errorf("InvalidStateTransition", "Invalid state transition for %s, attempted to transition from %s to %s", p.ID, p.State, to)
}

// answering refuses whoever is not to answer a request for peering.
func answering(p *secgroup.Peering, caller Caller, verb, done string) error {
	switch {
	case p.Accepter.Account != caller.Account:
		return secgroup.Errorf("OperationNotPermitted", "User (%s) cannot %s peering %s", caller.Account, verb, p.ID)
	case p.Accepter.Region != caller.Region:
		return secgroup.Errorf("OperationNotPermitted",
			"Incorrect region (%s) specified for this request. VPC peering connection %s must be %s in region %s",
			caller.Region, p.ID, done, p.Accepter.Region)
	}
	return nil
}

// AcceptPeering makes a requested peering connection active.
//
// Errors: InvalidVpcPeeringConnectionID.NotFound, OperationNotPermitted,
// InvalidStateTransition, VpcPeeringConnectionAlreadyExists,
// UnsupportedOperation (addresses would be ambiguous),
// ActiveVpcPeeringConnectionPerVpcLimitExceeded.
func (s *Service) AcceptPeering(ctx context.Context, caller Caller, id string) (*secgroup.Peering, error) {
	return s.changePeering(ctx, caller, id, func(tx *model.Tx, p *secgroup.Peering) error {
		if err := answering(p, caller, "accept", "accepted"); err != nil {
			return err
		}
		if err := transition(p, "active", secgroup.PeeringPending); err != nil {
			return err
		}
		// Of a pending one both VPCs are there: DeleteVPC sees to that.
		a, b := tx.VPCs.Get(p.Requester.VPC), tx.VPCs.Get(p.Accepter.VPC)
		if tx.ActivePeering(a.ID, b.ID) != nil {
			return secgroup.Errorf("VpcPeeringConnectionAlreadyExists", "The vpc peering connection identified by %s already exists.", p.ID)
		}
		if err := distinctPlaces(tx.Snapshot, a, b); err != nil {
			return err
		}
		for _, v := range []*secgroup.VPC{a, b} {
			active := 0
			neighbours(tx.Snapshot, v.ID, func(*secgroup.Peering, *secgroup.VPC) { active++ })
			if limit := s.quotas(tx.Snapshot, v.Scope).PeeringsPerVPC; active >= limit {
				return secgroup.Errorf("ActiveVpcPeeringConnectionPerVpcLimitExceeded",
					"You've reached the limit on the number of active VPC peering connections you can have for %s: %d", v.ID, limit)
			}
		}
		noteBlocks(&p.Requester, a)
		noteBlocks(&p.Accepter, b)
		p.State = secgroup.PeeringActive
		return nil
	})
}

// distinctPlaces refuses to peer VPCs if an address would then mean two places
// to one of them: in both, or in one and in a VPC that the other is peered with.
func distinctPlaces(snap *model.Snapshot, a, b *secgroup.VPC) (err error) {
	if overlap(a, b) {
		return secgroup.Errorf("UnsupportedOperation", "The blocks of %s and %s overlap.", a.ID, b.ID)
	}
	for _, pair := range [][2]*secgroup.VPC{{a, b}, {b, a}} {
		neighbours(snap, pair[0].ID, func(p *secgroup.Peering, v *secgroup.VPC) {
			if overlap(v, pair[1]) {
				err = secgroup.Errorf("UnsupportedOperation",
					"The blocks of %s overlap those of %s, which %s is peered with already (%s).", pair[1].ID, v.ID, pair[0].ID, p.ID)
			}
		})
	}
	return err
}

// RejectPeering turns a request for peering down.
//
// Errors: InvalidVpcPeeringConnectionID.NotFound, OperationNotPermitted,
// InvalidStateTransition.
func (s *Service) RejectPeering(ctx context.Context, caller Caller, id string) error {
	_, err := s.changePeering(ctx, caller, id, func(tx *model.Tx, p *secgroup.Peering) error {
		if err := answering(p, caller, "reject", "rejected"); err != nil {
			return err
		}
		if err := transition(p, "rejected", secgroup.PeeringPending); err != nil {
			return err
		}
		p.State, p.By, p.Ended = secgroup.PeeringRejected, caller.Account, s.now().UTC()
		return nil
	})
	return err
}

// DeletePeering ends a peering connection, from either side, or takes a request
// back.
//
// Errors: InvalidVpcPeeringConnectionID.NotFound, OperationNotPermitted,
// InvalidStateTransition.
func (s *Service) DeletePeering(ctx context.Context, caller Caller, id string) error {
	_, err := s.changePeering(ctx, caller, id, func(tx *model.Tx, p *secgroup.Peering) error {
		if err := transition(p, "deleting", secgroup.PeeringPending, secgroup.PeeringActive); err != nil {
			return err
		}
		if p.State == secgroup.PeeringPending && p.Requester.Account != caller.Account {
			return secgroup.Errorf("OperationNotPermitted", "User (%s) cannot delete peering %s", caller.Account, p.ID)
		}
		p.State, p.By, p.Ended = secgroup.PeeringDeleted, caller.Account, s.now().UTC()
		return nil
	})
	return err
}

// PeeringOptions are changes of AllowDNS per side; nil leaves it alone.
type PeeringOptions struct{ Requester, Accepter *bool }

// ModifyPeering changes the options of an active peering connection. Each side's
// are its own account's to change. No packet depends on them.
//
// Errors: InvalidVpcPeeringConnectionID.NotFound, OperationNotPermitted.
func (s *Service) ModifyPeering(ctx context.Context, caller Caller, id string, options PeeringOptions) (*secgroup.Peering, error) {
	return s.changePeering(ctx, caller, id, func(tx *model.Tx, p *secgroup.Peering) error {
		if p.State != secgroup.PeeringActive {
			return secgroup.Errorf("OperationNotPermitted", "Peering %s is not active.", p.ID)
		}
		for _, o := range []struct {
			value *bool
			side  *secgroup.PeeringSide
		}{{options.Requester, &p.Requester}, {options.Accepter, &p.Accepter}} {
			if o.value == nil {
				continue
			}
			if o.side.Scope != caller.Scope {
				return secgroup.Errorf("OperationNotPermitted", "User (%s) cannot modify the options of %s in peering %s from region %s",
					caller.Account, o.side.VPC, p.ID, caller.Region)
			}
			o.side.AllowDNS = *o.value
		}
		return nil
	})
}

// endPeerings ends what leads to a VPC that its owner deletes.
func (s *Service) endPeerings(tx *model.Tx, v *secgroup.VPC) {
	var ending []*secgroup.Peering
	for p := range tx.Peerings.By(model.ByVPC, v.ID) {
		if p := p.At(s.now()); p.State == secgroup.PeeringPending || p.State == secgroup.PeeringActive {
			ending = append(ending, p)
		}
	}
	for _, p := range ending {
		next := *p
		next.State, next.By, next.Ended = secgroup.PeeringDeleted, v.Account, s.now().UTC()
		tx.Guard(model.ScopeID(p.Other(v.ID).Scope))
		tx.Peerings.Put(&next)
	}
}
