// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// PeeringRequest is what CreateVpcPeeringConnection is asked for.
type PeeringRequest struct {
	VPC        string
	PeerVPC    string
	PeerOwner  string // account; the caller's when empty
	PeerRegion string // the caller's when empty
	Tags       secgroup.Tags
}

// peeringLife is how long a request for peering waits to be accepted
// (docs/spec/ec2-api.md section 9.1).
const peeringLife = 7 * 24 * time.Hour

var noPeering = absent{"InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection"}

// CreatePeering asks the owner of another VPC for a peering connection. What
// cannot work is made all the same, and has failed. A request that waits already
// is returned again.
//
// Errors: InvalidVpcID.NotFound, InvalidParameterValue (Region),
// OutstandingVpcPeeringConnectionLimitExceeded, TagLimitExceeded.
func (s *Service) CreatePeering(ctx context.Context, caller Caller, want PeeringRequest) (made *secgroup.Peering, err error) {
	there := caller.Scope
	if want.PeerOwner != "" {
		there.Account = want.PeerOwner
	}
	if want.PeerRegion != "" {
		there.Region = want.PeerRegion
	}
	if _, ok := s.Region(there.Region); !ok {
		return nil, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter peerRegion is invalid.", there.Region)
	}
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		tx.Guard(model.ScopeID(there))
		v, err := findVPC(tx.Snapshot, caller.Scope, want.VPC)
		if err != nil {
			return err
		}
		now, waiting := s.now().UTC(), 0
		for p := range tx.Peerings.By(model.ByScope, model.ScopeValue(caller.Scope)) {
			if p.At(now).State != secgroup.PeeringPending || p.Requester.Scope != caller.Scope {
				continue
			}
			if waiting++; p.Requester.VPC == v.ID && p.Accepter.VPC == want.PeerVPC && p.Accepter.Scope == there {
				made = p
				return nil
			}
		}
		if limit := s.quotas(tx.Snapshot, caller.Scope).PeeringRequests; waiting >= limit {
			return secgroup.Errorf("OutstandingVpcPeeringConnectionLimitExceeded",
				"You've reached the limit on the number of VPC peering connection requests that you've created: %d", limit)
		}
		if err := s.checkTagCount(want.Tags); err != nil {
			return err
		}
		made = &secgroup.Peering{
			ID:        newID(secgroup.PeeringPrefix),
			Requester: secgroup.PeeringSide{Scope: caller.Scope, VPC: v.ID, Tags: want.Tags},
			Accepter:  secgroup.PeeringSide{Scope: there, VPC: want.PeerVPC},
			State:     secgroup.PeeringPending, Created: now, Expires: now.Add(peeringLife),
		}
		noteBlocks(&made.Requester, v)
		peer := tx.VPCs.Get(want.PeerVPC)
		if peer == nil || peer.Scope != there || overlap(v, peer) {
			made.State, made.Ended = secgroup.PeeringFailed, now
		}
		tx.Peerings.Put(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// noteBlocks keeps a side's blocks with the peering connection.
func noteBlocks(side *secgroup.PeeringSide, v *secgroup.VPC) {
	side.CIDRs, side.IPv6 = prefixesOf(v.CIDRs), prefixesOf(v.IPv6)
}

func prefixesOf(blocks []secgroup.CIDRAssociation) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range blocks {
		out = append(out, a.Prefix)
	}
	return out
}

// overlap reports whether two VPCs have an address in common, as a VPC has with
// itself.
func overlap(a, b *secgroup.VPC) bool {
	blocks := prefixesOf(slices.Concat(b.CIDRs, b.IPv6))
	return slices.ContainsFunc(prefixesOf(slices.Concat(a.CIDRs, a.IPv6)), func(p netip.Prefix) bool {
		return slices.ContainsFunc(blocks, p.Overlaps)
	})
}

// neighbours yields the VPCs on the other sides of a VPC's active peering
// connections, with these.
func neighbours(snap *model.Snapshot, vpc string, yield func(*secgroup.Peering, *secgroup.VPC)) {
	for p := range snap.Peerings.By(model.ByVPC, vpc) {
		if p.State == secgroup.PeeringActive {
			if v := snap.VPCs.Get(p.Other(vpc).VPC); v != nil {
				yield(p, v)
			}
		}
	}
}

// peeredBlock reports whether a new block of a VPC would be an address range that
// the VPC, or a VPC that it is peered with, can reach already: every address must
// mean one place wherever it is used (docs/spec/packet-semantics.md section 1.7).
func peeredBlock(snap *model.Snapshot, vpc string, block netip.Prefix) (taken bool) {
	overlaps := func(v *secgroup.VPC) bool {
		return v.ID != vpc && slices.ContainsFunc(prefixesOf(slices.Concat(v.CIDRs, v.IPv6)), block.Overlaps)
	}
	neighbours(snap, vpc, func(_ *secgroup.Peering, v *secgroup.VPC) {
		taken = taken || overlaps(v)
		neighbours(snap, v.ID, func(_ *secgroup.Peering, next *secgroup.VPC) { taken = taken || overlaps(next) })
	})
	return taken
}

// Peerings returns the peering connections of these ids that the scope takes part
// in, or all of them when there are no ids, as they are now. Dead ones stay
// visible for a while.
//
// Errors: InvalidVpcPeeringConnectionID.NotFound.
func (s *Service) Peerings(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.Peering, error) {
	found, err := rowsOrAll(&snap.Peerings, scope, ids, noPeering, func(p *secgroup.Peering) bool { return s.seesPeering(p, scope) })
	if err != nil {
		return nil, err
	}
	var out []*secgroup.Peering
	for _, p := range found {
		if s.seesPeering(p, scope) {
			out = append(out, p.At(s.now()))
		}
	}
	return out, nil
}

// How long a peering connection that is over stays visible (section 9.1).
const (
	overSoon = 2 * time.Hour
	overLate = 2 * 24 * time.Hour
)

// seesPeering reports whether the scope takes part in a peering connection and
// still sees it.
func (s *Service) seesPeering(p *secgroup.Peering, scope secgroup.Scope) bool {
	p = p.At(s.now())
	requester, accepter := p.Requester.Scope == scope, p.Accepter.Scope == scope
	if !requester && !accepter {
		return false
	}
	life := overLate
	switch p.State {
	case secgroup.PeeringPending, secgroup.PeeringActive:
		return true
	case secgroup.PeeringFailed:
		if !requester {
			return false
		}
		life = overSoon
	case secgroup.PeeringRejected:
		if !requester || p.Requester.Account == p.Accepter.Account {
			life = overSoon
		}
	case secgroup.PeeringDeleted:
		if p.By == scope.Account {
			life = overSoon
		}
	}
	if s.deadPeerings > 0 {
		life = min(life, s.deadPeerings)
	}
	return s.now().Sub(p.Ended) < life
}

// deadPeering reports whether nobody sees a peering connection any more.
func (s *Service) deadPeering(p *secgroup.Peering) bool {
	return !s.seesPeering(p, p.Requester.Scope) && !s.seesPeering(p, p.Accepter.Scope)
}
