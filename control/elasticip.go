// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	noAllocation         = absent{"InvalidAllocationID.NotFound", "allocation"}
	noAddressAssociation = absent{"InvalidAssociationID.NotFound", "association"}
)

// AddressRef names an Elastic IP address: by its allocation or by itself.
type AddressRef struct {
	Allocation string     // eipalloc-…; "" to look for Address
	Address    netip.Addr //
}

func noAddress(a netip.Addr) error {
	return secgroup.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", a)
}

// find returns the scope's address of that name.
func (r AddressRef) find(snap *model.Snapshot, scope secgroup.Scope) (*secgroup.ElasticIP, error) {
	if r.Allocation != "" {
		if e := snap.ElasticIPs.Get(r.Allocation); e != nil && e.Scope == scope {
			return e, nil
		}
		return nil, noAllocation.err(r.Allocation)
	}
	for e := range snap.ElasticIPs.By(model.ByPublic, r.Address.String()) {
		if e.Scope == scope {
			return e, nil
		}
	}
	return nil, noAddress(r.Address)
}

// ElasticIPs returns the scope's addresses of these names, each once, or all for
// none.
func ElasticIPs(snap *model.Snapshot, scope secgroup.Scope, refs ...AddressRef) ([]*secgroup.ElasticIP, error) {
	if len(refs) == 0 {
		return slices.Collect(snap.ElasticIPs.By(model.ByScope, model.ScopeValue(scope))), nil
	}
	var found []*secgroup.ElasticIP
	for _, r := range refs {
		e, err := r.find(snap, scope)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	return found, nil
}

// AllocateAddress gives the account a public address: the one wanted, or with the
// zero Addr any free one (docs/spec/ec2-api.md section 4.6).
//
// Errors: AddressLimitExceeded, InvalidAddress.NotFound (not of the pool),
// InvalidIPAddress.InUse, InsufficientAddressCapacity, TagLimitExceeded.
func (s *Service) AllocateAddress(ctx context.Context, caller Caller, wanted netip.Addr, tags secgroup.Tags) (made *secgroup.ElasticIP, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if full(&tx.ElasticIPs, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).ElasticIPsPerRegion) {
			return secgroup.Errorf("AddressLimitExceeded", "The maximum number of addresses has been reached.")
		}
		if err := s.checkTagCount(tags); err != nil {
			return err
		}
		a := wanted
		switch {
		case !a.IsValid():
			if a, err = s.freePublic(tx); err != nil {
				return err
			}
		case !s.publicPool.Contains(a) || reserved(s.publicPool, a):
			return noAddress(a)
		case publicTaken(tx, a):
			return errAddressInUse
		}
		tx.Guard(publicGuard)
		made = &secgroup.ElasticIP{Scope: caller.Scope, ID: newID(secgroup.ElasticIPPrefix), Address: a, Tags: tags, Created: s.now().UTC()}
		tx.ElasticIPs.Put(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// ReleaseAddress gives a public address back.
//
// Errors: InvalidAllocationID.NotFound, InvalidAddress.NotFound,
// InvalidIPAddress.InUse.
func (s *Service) ReleaseAddress(ctx context.Context, caller Caller, ref AddressRef) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		e, err := ref.find(tx.Snapshot, caller.Scope)
		if err != nil {
			return err
		}
		if e.Association != "" {
			return secgroup.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", e.Address)
		}
		tx.ElasticIPs.Delete(e.ID)
		return nil
	})
}

// AddressTarget is what a public address is to stand for: an address of an
// interface, or of the only interface of an instance.
type AddressTarget struct {
	Interface string     // eni-…, or
	Instance  string     // i-…
	Private   netip.Addr // the primary IPv4 address if zero
	// Keep refuses what would take the public address from where it is, or another
	// one from the target.
	Keep bool
}

// AssociateAddress has a public address stand for a private one and returns the
// id of that tie. The same tie again changes nothing; otherwise the address
// leaves where it was, and the target's former public address, too: an Elastic IP
// stays the account's, one that the network gave goes back.
//
// Errors: those of AddressRef and the target's ids, Resource.AlreadyAssociated,
// Gateway.NotAttached, InvalidParameterValue, InvalidInstanceID,
// OperationNotPermitted.
func (s *Service) AssociateAddress(ctx context.Context, caller Caller, ref AddressRef, to AddressTarget) (association string, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		e, err := ref.find(tx.Snapshot, caller.Scope)
		if err != nil {
			return err
		}
		if err := ofNATGateway(tx.Snapshot, e); err != nil {
			return err
		}
		was, err := to.find(tx, caller.Scope)
		if err != nil {
			return err
		}
		private := to.Private
		switch {
		case len(was.Addresses) == 0:
			return secgroup.Errorf("InvalidParameterValue", "Interface %s has no private IPv4 address", was.ID)
		case !private.IsValid():
			private = was.Addresses[0]
		case !slices.Contains(was.Addresses, private):
			return secgroup.Errorf("InvalidParameterValue", "Address %s is not assigned to interface %s", private, was.ID)
		}
		if e.Interface == was.ID && e.Private == private {
			association = e.Association
			return nil
		}
		if tx.Gateway(was.VPC) == nil {
			return secgroup.Errorf("Gateway.NotAttached", "Network %s is not attached to any internet gateway", was.VPC)
		}
		if to.Keep && e.Association != "" {
			return secgroup.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", e.ID, e.Association)
		}
		if other := tx.ElasticIP(was.ID, private); other != nil {
			if to.Keep {
				return secgroup.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", was.ID, other.Association)
			}
			tx.ElasticIPs.Put(other.Free())
		}
		next := e.Free()
		next.Association, next.Interface, next.Private = newID(secgroup.ElasticIPAssociation), was.ID, private
		association = next.Association
		tx.ElasticIPs.Put(next)
		if private == was.Addresses[0] && was.Public.IsValid() {
			i := *was
			i.Public = netip.Addr{}
			tx.Interfaces.Put(&i)
		}
		s.reassignPublic(tx, e.Interface) // which the address has left, if any
		return nil
	})
	return association, err
}

// find returns the interface of the target.
func (t AddressTarget) find(tx *model.Tx, scope secgroup.Scope) (*secgroup.Interface, error) {
	if t.Interface != "" {
		return ownInterface(tx, scope, t.Interface)
	}
	found, err := instancesOf(tx.Snapshot, scope, t.Instance)
	if err != nil {
		return nil, err
	}
	switch attached := Attached(tx.Snapshot, t.Instance); {
	case len(attached) == 0 || found[0].State == secgroup.ShuttingDown:
		return nil, secgroup.Errorf("InvalidInstanceID", "The instance '%s' is not in a valid state for this operation.", t.Instance)
	case len(attached) > 1:
		return nil, manyInterfaces(t.Instance)
	default:
		return ownInterface(tx, scope, attached[0].ID)
	}
}

func manyInterfaces(instance string) error {
	return secgroup.Errorf("InvalidInstanceID",
		"There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.", instance)
}

// DisassociateAddress has a public address, named by its tie or by itself, stand
// for nothing. An interface whose instance runs gets another one from the network
// if it had one when it was launched.
//
// Errors: InvalidAssociationID.NotFound, InvalidAddress.NotFound, OperationNotPermitted.
func (s *Service) DisassociateAddress(ctx context.Context, caller Caller, association string, address netip.Addr) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		e := addressAssociation(tx.Snapshot, caller.Scope, association)
		switch {
		case association != "" && e == nil:
			return noAddressAssociation.err(association)
		case e == nil:
			var err error
			if e, err = (AddressRef{Address: address}).find(tx.Snapshot, caller.Scope); err != nil {
				return err
			}
		}
		if err := ofNATGateway(tx.Snapshot, e); err != nil {
			return err
		}
		iface := e.Interface
		tx.ElasticIPs.Put(e.Free())
		s.reassignPublic(tx, iface)
		return nil
	})
}

// addressAssociation returns the scope's address with that tie, nil for none.
func addressAssociation(snap *model.Snapshot, scope secgroup.Scope, association string) *secgroup.ElasticIP {
	for e := range snap.ElasticIPs.By(model.ByAssociation, association) {
		if e.Scope == scope {
			return e
		}
	}
	return nil
}

// freeElasticIP ends the tie of the public address that stands for a private one,
// if one does.
func freeElasticIP(tx *model.Tx, iface string, private netip.Addr) {
	if e := tx.ElasticIP(iface, private); e != nil {
		tx.ElasticIPs.Put(e.Free())
	}
}
