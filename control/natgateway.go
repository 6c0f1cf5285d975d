// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var noNATGateway = absent{"NatGatewayNotFound", "NatGateway"}

// endedNATLife is how long a NAT gateway stays visible that was deleted or failed.
const endedNATLife = time.Hour

// NATGatewaySpec is a NAT gateway as it is asked for.
type NATGatewaySpec struct {
	Subnet, Allocation string     // ids
	Private            netip.Addr // of the subnet; the zero Addr for any free one
	Tags               secgroup.Tags
}

func natGatewayOf(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.NATGateway, error) {
	if g := snap.NATGateways.Get(id); g != nil && g.Scope == scope {
		return g, nil
	}
	return nil, noNATGateway.err(id)
}

// NATGateways returns the scope's gateways of these ids, or all for none.
//
// Errors: NatGatewayNotFound.
func NATGateways(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.NATGateway, error) {
	return rowsOrAll(&snap.NATGateways, scope, ids, noNATGateway, func(g *secgroup.NATGateway) bool { return g.Scope == scope })
}

// CreateNATGateway makes a NAT gateway: an interface in the subnet, which a public
// address of the account stands for, with an instance of the service behind it.
// What cannot be had, though it exists, is told by a gateway that failed
// (docs/spec/ec2-api.md section 4.8).
//
// Errors: InvalidSubnetID.NotFound, InvalidAllocationID.NotFound, those of addresses
// and interfaces, TagLimitExceeded, IdempotentParameterMismatch.
func (s *Service) CreateNATGateway(ctx context.Context, caller Caller, spec NATGatewaySpec, token ClientToken) (made *secgroup.NATGateway, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		ids, err := s.once(tx, caller.Scope, "CreateNatGateway", token, func() ([]string, error) {
			n, err := subnetOf(tx.Snapshot, caller.Scope, spec.Subnet)
			if err != nil {
				return nil, err
			}
			e, err := AddressRef{Allocation: spec.Allocation}.find(tx.Snapshot, caller.Scope)
			if err != nil {
				return nil, err
			}
			if err := s.checkTagCount(spec.Tags); err != nil {
				return nil, err
			}
			g := &secgroup.NATGateway{
				Scope: caller.Scope, ID: newID(secgroup.NATGatewayPrefix), VPC: n.VPC, Subnet: n.ID, Allocation: e.ID, Public: e.Address,
				State: secgroup.NATPending, Tags: spec.Tags, Created: s.now().UTC(),
			}
			err = tx.Nested(func(tx *model.Tx) error { return s.provisionNAT(tx, g, n, e, spec.Private) })
			var cannot *natFailure
			if errors.As(err, &cannot) {
				g.State, g.Ended, g.Interface, g.Private = secgroup.NATFailed, g.Created, "", netip.Addr{}
				g.Code, g.Failure = cannot.code, cannot.text
			} else if err != nil {
				return nil, err
			}
			tx.NATGateways.Put(g)
			return []string{g.ID}, nil
		})
		if err != nil {
			return err
		}
		made, err = natGatewayOf(tx.Snapshot, caller.Scope, ids[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// natFailure is why a gateway fails that could be asked for.
type natFailure struct{ code, text string }

func (f *natFailure) Error() string { return f.code + ": " + f.text }

// provisionNAT makes what a gateway is made of, and notes it in g.
func (s *Service) provisionNAT(tx *model.Tx, g *secgroup.NATGateway, n *secgroup.Subnet, e *secgroup.ElasticIP, private netip.Addr) error {
	switch {
	case tx.Gateway(g.VPC) == nil:
		return &natFailure{"Gateway.NotAttached", "Network " + g.VPC + " has no Internet gateway attached"}
	case e.Association != "":
		return &natFailure{"Resource.AlreadyAssociated", "Elastic IP address [" + e.ID + "] is already associated"}
	}
	tx.Guard(model.ScopeID(serviceScope))
	in, err := s.newStreaming(tx, secgroup.Streaming{Owner: g.Scope, Kind: secgroup.NATKind, Name: g.ID}, "", "", g.Created)
	if err != nil {
		return &natFailure{"InternalError", err.Error()}
	}
	asked := &InterfaceSpec{Description: "Interface for NAT Gateway " + g.ID}
	asked.Primary = private
	i, err := s.newInterface(tx, n, nil, asked)
	if errors.Is(err, errNoFreeAddress) {
		return &natFailure{"InsufficientFreeAddressesInSubnet", "Subnet " + n.ID + " has insufficient free addresses to create this NAT gateway"}
	}
	if err != nil {
		return err
	}
	i.Requester, i.SourceDestCheck = secgroup.NATRequester, false
	i.Attachment = s.newAttachment(in.ID, 0, true)
	tx.Interfaces.Put(i)
	in.Zone, in.VPC, in.Subnet = n.Zone, n.VPC, n.ID
	tx.Instances.Put(in)
	tied := e.Free()
	tied.Association, tied.Interface, tied.Private = newID(secgroup.ElasticIPAssociation), i.ID, i.Addresses[0]
	tx.ElasticIPs.Put(tied)
	g.Interface, g.Private = i.ID, i.Addresses[0]
	return nil
}

// DeleteNATGateway has a gateway end: its interface goes at once, its public address
// stays the account's, and routes to it lead nowhere. One that has ended stays as
// it is.
//
// Errors: NatGatewayNotFound.
func (s *Service) DeleteNATGateway(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := natGatewayOf(tx.Snapshot, caller.Scope, id)
		if err != nil || !was.There() {
			return err
		}
		g := *was
		g.State = secgroup.NATDeleting
		tx.NATGateways.Put(&g)
		s.settleNAT(tx, &g)
		return nil
	})
}

// settleNATGateways does what gateways wait for that begin or end.
func (s *Service) settleNATGateways(ctx context.Context, snap *model.Snapshot) error {
	var failed []error
	for g := range snap.NATGateways.All() {
		if g.State != secgroup.NATPending && g.State != secgroup.NATDeleting {
			continue
		}
		err := s.write(ctx, g.Scope, func(tx *model.Tx) error {
			if now := tx.NATGateways.Get(g.ID); now != nil {
				s.settleNAT(tx, now)
			}
			return nil
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("NAT gateway %s: %w", g.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (s *Service) settleNAT(tx *model.Tx, was *secgroup.NATGateway) {
	all := streamingOf(tx.Snapshot, was.Scope, secgroup.NATKind, was.ID)
	g := *was
	switch {
	case g.State == secgroup.NATPending && slices.ContainsFunc(all, func(in *secgroup.Instance) bool { return in.State == secgroup.Running }):
		g.State = secgroup.NATAvailable
	case g.State == secgroup.NATDeleting && len(all) == 0:
		g.State, g.Ended = secgroup.NATDeleted, s.now().UTC()
	case g.State == secgroup.NATDeleting:
		for _, in := range all {
			s.dismiss(tx, in, false)
		}
		return
	default:
		return
	}
	tx.NATGateways.Put(&g)
}

// overNAT reports whether nobody can see a gateway any more.
func (s *Service) overNAT(g *secgroup.NATGateway) bool {
	return !g.Ended.IsZero() && s.now().Sub(g.Ended) >= endedNATLife
}

// ofNATGateway refuses what would take a public address from a NAT gateway.
func ofNATGateway(snap *model.Snapshot, e *secgroup.ElasticIP) error {
	if i := snap.Interfaces.Get(e.Interface); i != nil && i.Requester == secgroup.NATRequester {
		return secgroup.Errorf("OperationNotPermitted", "The address with allocation id [%s] is of a NAT gateway, with which it goes.", e.ID)
	}
	return nil
}
