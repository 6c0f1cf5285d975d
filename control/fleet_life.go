// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// fleetNamed returns the scope's fleet of that name.
func fleetNamed(snap *model.Snapshot, scope secgroup.Scope, name string) (*secgroup.Fleet, error) {
	if f := snap.Fleets.Get(model.StreamingName(scope, name)); f != nil {
		return f, nil
	}
	return nil, noFleet(scope, name)
}

// Fleets returns the scope's fleets of these names, or all for none.
//
// Errors: ResourceNotFoundException.
func Fleets(snap *model.Snapshot, scope secgroup.Scope, names ...string) ([]*secgroup.Fleet, error) {
	return streamingRows(&snap.Fleets, scope, names, func(name string) (*secgroup.Fleet, error) { return fleetNamed(snap, scope, name) })
}

// streamingRows returns the rows of these names, each once, or all of the scope.
func streamingRows[T any](t *model.Table[T], scope secgroup.Scope, names []string, find func(string) (*T, error)) ([]*T, error) {
	var out []*T
	for _, name := range distinctIDs(names) {
		row, err := find(name)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	if len(names) == 0 {
		for row := range t.By(model.ByScope, model.ScopeValue(scope)) {
			out = append(out, row)
		}
	}
	return out, nil
}

// restricted reports whether the change has something that a running fleet does
// not take: the presence counts, whatever the value (docs/spec/appstream.md
// section 3.3).
func (c *FleetChange) restricted() bool {
	return c.VPC != nil || len(c.Delete) > 0 || c.Internet != nil || c.InstanceType != nil || c.Description != nil ||
		c.MaxDuration != nil || c.Directory != nil || c.Role != nil || c.StreamView != nil || c.Platform != nil ||
		c.SessionsPerInstance != nil || c.VolumeGB != nil || c.NoIMDSv1 != nil
}

// UpdateFleet changes a fleet, all that is asked for or nothing (section 3.3).
//
// Errors: those of section 2.3.
func (s *Service) UpdateFleet(ctx context.Context, caller Caller, name string, c FleetChange) (changed *secgroup.Fleet, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := fleetNamed(tx.Snapshot, caller.Scope, name)
		if err != nil {
			return err
		}
		f := *was
		switch f.State {
		case secgroup.FleetStarting, secgroup.FleetStopping:
			return secgroup.Errorf(streamNotPermitted, "Fleet %s cannot be updated while it is %s.", name, f.State)
		case secgroup.FleetRunning:
			if c.restricted() {
				return secgroup.Errorf(streamInUse,
					"Cannot update the attribute for fleet %s when it is ACTIVE. The fleet must be stopped to complete this action.", name)
			}
		}
		if err := s.change(tx, &f, &c); err != nil {
			return err
		}
		if was.State == secgroup.FleetRunning && f.Platform != was.Platform && f.Type != secgroup.Elastic {
			return secgroup.Errorf(streamIncompatible, "The image %s has another operating system: stop fleet %s to change it.", f.Image, name)
		}
		tx.Fleets.Put(&f)
		changed = &f
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// StartFleet wants a fleet's instances. RunFleets makes them; what keeps it from
// that is in the fleet's errors (section 3.5). A fleet that starts or runs stays
// as it is.
//
// Errors: those of section 2.3.
func (s *Service) StartFleet(ctx context.Context, caller Caller, name string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := fleetNamed(tx.Snapshot, caller.Scope, name)
		if err != nil {
			return err
		}
		f := *was
		switch f.State {
		case secgroup.FleetStarting, secgroup.FleetRunning:
			return nil
		case secgroup.FleetStopping:
			return secgroup.Errorf(streamNotPermitted, "Fleet %s must be in the STOPPED state.", name)
		}
		if err := checkStreamingRole(tx, f.Scope, f.Options.Role); err != nil {
			return err
		}
		if err := s.checkCapacity(tx, &f); err != nil {
			return err
		}
		f.State, f.Errors = secgroup.FleetStarting, nil
		f.NotBefore = f.Created
		tx.Fleets.Put(&f)
		return nil
	})
}

// StopFleet ends a fleet's sessions and instances. One that stops or is stopped
// stays as it is (section 3.1).
//
// Errors: ResourceNotFoundException.
func (s *Service) StopFleet(ctx context.Context, caller Caller, name string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := fleetNamed(tx.Snapshot, caller.Scope, name)
		if err != nil || was.State == secgroup.FleetStopping || was.State == secgroup.FleetStopped {
			return err
		}
		f := *was
		f.State = secgroup.FleetStopping
		tx.Fleets.Put(&f)
		s.endSessions(tx, &f)
		for _, in := range streamingOf(tx.Snapshot, f.Scope, secgroup.FleetKind, name) {
			s.dismiss(tx, in, true)
		}
		return nil
	})
}

// DeleteFleet deletes a stopped fleet that no stack has (section 3.7).
//
// Errors: ResourceNotFoundException, ResourceInUseException.
func (s *Service) DeleteFleet(ctx context.Context, caller Caller, name string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		f, err := fleetNamed(tx.Snapshot, caller.Scope, name)
		switch id := model.StreamingName(caller.Scope, name); {
		case err != nil:
			return err
		case f.State != secgroup.FleetStopped:
			return secgroup.Errorf(streamInUse, "Fleet %s must be in the STOPPED state.", name)
		case tx.Stacks.Has(model.ByFleet, id):
			return secgroup.Errorf(streamInUse, "Fleet %s is associated with one or more stacks.", name)
		default:
			tx.Fleets.Delete(id)
			return nil
		}
	})
}

// Capacity is how much of a fleet there is (section 3.6).
type Capacity struct {
	Desired, Running, InUse, Available int // instances
	// Sessions, of fleets with more than one on an instance.
	Multi                                    bool
	WantedSessions, Actual, Active, Free     int
	Draining, DrainingActive, DrainingUnused int
}

// CapacityOf counts a fleet's instances and sessions.
func CapacityOf(snap *model.Snapshot, f *secgroup.Fleet) Capacity {
	per := max(f.Sessions, 1)
	c := Capacity{Desired: f.Desired, Multi: f.Sessions > 1}
	if f.Type == secgroup.Elastic {
		c.Desired = f.MaxSessions
	}
	for _, in := range streamingOf(snap, f.Scope, secgroup.FleetKind, f.Name) {
		if in.State != secgroup.Running {
			continue
		}
		c.Running++
		n := liveSessions(snap, in.ID)
		if n > 0 {
			c.InUse++
		}
		if in.Streaming.Draining {
			c.Draining++
			c.DrainingActive += n
			c.DrainingUnused += per - n
			continue
		}
		c.Actual += per
		c.Active += n
	}
	c.Available = c.Running - c.InUse
	c.WantedSessions, c.Free = c.Desired*per, c.Actual-c.Active
	return c
}
