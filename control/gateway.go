// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var noInternetGateway = absent{"InvalidInternetGatewayID.NotFound", "internetGateway"}

var errManyGateways = secgroup.Errorf("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.")

func gatewayOf(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.InternetGateway, error) {
	if g := snap.InternetGateways.Get(id); g != nil && g.Scope == scope {
		return g, nil
	}
	return nil, noInternetGateway.err(id)
}

// InternetGateways returns the scope's internet gateways of these ids, or all for
// none.
func InternetGateways(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.InternetGateway, error) {
	return rowsOrAll(&snap.InternetGateways, scope, ids, noInternetGateway, func(g *secgroup.InternetGateway) bool { return g.Scope == scope })
}

// CreateInternetGateway makes a gateway that no VPC uses yet
// (docs/spec/ec2-api.md section 4.5).
//
// Errors: InternetGatewayLimitExceeded, TagLimitExceeded.
func (s *Service) CreateInternetGateway(ctx context.Context, caller Caller, tags secgroup.Tags) (made *secgroup.InternetGateway, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if err := s.checkTagCount(tags); err != nil {
			return err
		}
		made, err = s.newGateway(tx, caller.Scope, "")
		if err != nil {
			return err
		}
		made.Tags = tags
		tx.InternetGateways.Put(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// newGateway returns a gateway attached to a VPC, or to none; the caller puts it.
func (s *Service) newGateway(tx *model.Tx, scope secgroup.Scope, vpc string) (*secgroup.InternetGateway, error) {
	if full(&tx.InternetGateways, scope, s.quotas(tx.Snapshot, scope).InternetGatewaysPerRegion) {
		return nil, errManyGateways
	}
	return &secgroup.InternetGateway{Scope: scope, ID: newID(secgroup.InternetGatewayPrefix), VPC: vpc, Created: s.now().UTC()}, nil
}

// AttachInternetGateway joins a VPC to the internet: the public addresses of its
// interfaces are reachable from now on, and routes may lead to the gateway.
//
// Errors: InvalidInternetGatewayID.NotFound, InvalidVpcID.NotFound,
// Resource.AlreadyAssociated, InvalidParameterValue (the VPC has one).
func (s *Service) AttachInternetGateway(ctx context.Context, caller Caller, id, vpc string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := gatewayOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		v, err := findVPC(tx.Snapshot, caller.Scope, vpc)
		if err != nil {
			return err
		}
		if g.VPC != "" {
			return secgroup.Errorf("Resource.AlreadyAssociated", "resource %s is already attached to network %s", id, g.VPC)
		}
		if tx.Gateway(v.ID) != nil {
			return secgroup.Errorf("InvalidParameterValue", "Network %s already has an internet gateway attached", v.ID)
		}
		next := *g
		next.VPC = v.ID
		tx.InternetGateways.Put(&next)
		return nil
	})
}

// DetachInternetGateway cuts a VPC off the internet. Routes to the gateway stay
// and lead nowhere; public addresses in use stand in the way.
//
// Errors: InvalidInternetGatewayID.NotFound, InvalidVpcID.NotFound,
// Gateway.NotAttached, DependencyViolation.
func (s *Service) DetachInternetGateway(ctx context.Context, caller Caller, id, vpc string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := gatewayOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		if _, err := findVPC(tx.Snapshot, caller.Scope, vpc); err != nil {
			return err
		}
		if g.VPC != vpc {
			return secgroup.Errorf("Gateway.NotAttached", "resource %s is not attached to network %s", id, vpc)
		}
		for i := range tx.Interfaces.By(model.ByVPC, vpc) {
			if i.Public.IsValid() || tx.ElasticIPs.Has(model.ByInterface, i.ID) {
				return secgroup.Errorf("DependencyViolation",
					"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", vpc)
			}
		}
		next := *g
		next.VPC = ""
		tx.InternetGateways.Put(&next)
		return nil
	})
}

// DeleteInternetGateway removes a gateway that is attached to nothing. Routes to
// it stay and lead nowhere.
//
// Errors: InvalidInternetGatewayID.NotFound, DependencyViolation.
func (s *Service) DeleteInternetGateway(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := gatewayOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		if g.VPC != "" {
			return secgroup.Errorf("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", id)
		}
		tx.InternetGateways.Delete(id)
		return nil
	})
}
