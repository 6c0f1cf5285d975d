// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// stackNamed returns the scope's stack of that name.
func stackNamed(snap *model.Snapshot, scope secgroup.Scope, name string) (*secgroup.Stack, error) {
	if k := snap.Stacks.Get(model.StreamingName(scope, name)); k != nil {
		return k, nil
	}
	return nil, noStack(scope, name)
}

// Stacks returns the scope's stacks of these names, or all for none.
//
// Errors: ResourceNotFoundException.
func Stacks(snap *model.Snapshot, scope secgroup.Scope, names ...string) ([]*secgroup.Stack, error) {
	return streamingRows(&snap.Stacks, scope, names, func(name string) (*secgroup.Stack, error) { return stackNamed(snap, scope, name) })
}

// CreateStack makes a stack without a fleet. Its scope and time of creation are
// set here.
//
// Errors: ResourceAlreadyExistsException, LimitExceededException.
func (s *Service) CreateStack(ctx context.Context, caller Caller, k secgroup.Stack) (made *secgroup.Stack, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if tx.Stacks.Get(model.StreamingName(caller.Scope, k.Name)) != nil {
			return secgroup.Errorf(streamExists, "Stack %s already exists.", k.Name)
		}
		if full(&tx.Stacks, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).StacksPerRegion) {
			return secgroup.Errorf(streamLimit, "The maximum number of stacks for account %s has been reached.", caller.Account)
		}
		c := k
		c.Scope, c.Created = caller.Scope, s.now().UTC()
		tx.Stacks.Put(&c)
		made = &c
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// UpdateStack changes a stack by change, which gets a copy that it may change.
//
// Errors: ResourceNotFoundException, and what change returns.
func (s *Service) UpdateStack(ctx context.Context, caller Caller, name string, change func(*secgroup.Stack) error) (changed *secgroup.Stack, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := stackNamed(tx.Snapshot, caller.Scope, name)
		if err != nil {
			return err
		}
		k := *was
		if err := change(&k); err != nil {
			return err
		}
		tx.Stacks.Put(&k)
		changed = &k
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// DeleteStack deletes a stack that has no fleet.
//
// Errors: ResourceNotFoundException, ResourceInUseException.
func (s *Service) DeleteStack(ctx context.Context, caller Caller, name string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		k, err := stackNamed(tx.Snapshot, caller.Scope, name)
		if err != nil {
			return err
		}
		if k.Fleet != "" {
			return secgroup.Errorf(streamInUse, "Stack %s is associated with fleet %s.", name, k.Fleet)
		}
		tx.Stacks.Delete(model.StreamingName(caller.Scope, name))
		return nil
	})
}

// AssociateFleet gives a stack its fleet. Doing it again changes nothing; a stack
// has one fleet at most (docs/spec/appstream.md section 6).
//
// Errors: ResourceNotFoundException, LimitExceededException.
func (s *Service) AssociateFleet(ctx context.Context, caller Caller, fleet, stack string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if _, err := fleetNamed(tx.Snapshot, caller.Scope, fleet); err != nil {
			return err
		}
		was, err := stackNamed(tx.Snapshot, caller.Scope, stack)
		switch {
		case err != nil:
			return err
		case was.Fleet == fleet:
			return nil
		case was.Fleet != "":
			return secgroup.Errorf(streamLimit, "Stack %s is associated with fleet %s already.", stack, was.Fleet)
		}
		k := *was
		k.Fleet = fleet
		tx.Stacks.Put(&k)
		return nil
	})
}

// DisassociateFleet takes a stack's fleet from it, unless users stream.
//
// Errors: ResourceNotFoundException, ResourceInUseException.
func (s *Service) DisassociateFleet(ctx context.Context, caller Caller, fleet, stack string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		f, err := fleetNamed(tx.Snapshot, caller.Scope, fleet)
		if err != nil {
			return err
		}
		was, err := stackNamed(tx.Snapshot, caller.Scope, stack)
		switch {
		case err != nil:
			return err
		case was.Fleet != fleet:
			return secgroup.Errorf(streamNotFound, "Fleet %s is not associated with stack %s.", fleet, stack)
		}
		for v := range tx.StreamingSessions.By(model.ByFleet, model.StreamingName(f.Scope, f.Name)) {
			if v.Stack == stack && v.State != secgroup.SessionExpired {
				return secgroup.Errorf(streamInUse, "Stack %s has active sessions on fleet %s.", stack, fleet)
			}
		}
		k := *was
		k.Fleet = ""
		tx.Stacks.Put(&k)
		return nil
	})
}

// AssociatedStacks returns the names of the stacks of a fleet, sorted.
func AssociatedStacks(snap *model.Snapshot, scope secgroup.Scope, fleet string) []string {
	var names []string
	for k := range snap.Stacks.By(model.ByFleet, model.StreamingName(scope, fleet)) {
		names = append(names, k.Name)
	}
	slices.Sort(names)
	return names
}
