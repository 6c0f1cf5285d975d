// SPDX-License-Identifier: Apache-2.0

package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	settleEvery   = time.Second     // what is short, late or over is looked at so often
	retryStarting = 5 * time.Second // after an instance that its host could not make
)

// RunFleets brings fleets and builders to what is wanted of them until ctx ends,
// and returns its cause: it makes and ends instances, and completes states. All
// it goes by is what the store says, so whoever runs it after a crash goes on
// where that happened (docs/spec/appstream.md section 10).
func (s *Service) RunFleets(ctx context.Context) error {
	sub := s.model.Subscribe()
	defer sub.Close()
	changed := make(chan struct{}, 1)
	followed := make(chan error, 1)
	go func() {
		for {
			_, refs, all, err := sub.Next(ctx)
			if err != nil {
				followed <- err
				return
			}
			if all || concernsFleets(refs) {
				select {
				case changed <- struct{}{}:
				default: // a full one already says what there is to say
				}
			}
		}
	}()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-changed:
		case <-tick.C:
		case err := <-followed:
			return err
		}
		if err := s.settleAll(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot bring fleets to what is wanted; trying again", "error", err)
		}
	}
}

func concernsFleets(refs map[model.Ref]struct{}) bool {
	for ref := range refs {
		switch ref.Kind {
		case model.Fleets, model.Builders, model.Instances, model.StreamingSessions, model.VPCEndpoints, model.NATGateways:
			return true
		}
	}
	return false
}

// settleAll looks at every fleet and builder, and writes for those that are not
// what they shall be.
func (s *Service) settleAll(ctx context.Context) error {
	snap := s.Read()
	failed := []error{s.placeHomeless(ctx), s.giveUpJoins(ctx)}
	for f := range snap.Fleets.All() {
		if s.fleetSettled(snap, f) {
			continue
		}
		err := s.write(ctx, f.Scope, func(tx *model.Tx) error {
			if now := tx.Fleets.Get(model.StreamingName(f.Scope, f.Name)); now != nil {
				s.settleFleet(tx, now)
			}
			return nil
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("fleet %s of %s: %w", f.Name, f.Account, err))
		}
	}
	for b := range snap.Builders.All() {
		if b.State == secgroup.BuilderRunning || b.State == secgroup.BuilderStopped || b.State == secgroup.BuilderFailed {
			continue
		}
		err := s.write(ctx, b.Scope, func(tx *model.Tx) error {
			if now := tx.Builders.Get(model.BuilderID(b.Scope, b.Kind, b.Name)); now != nil {
				s.settleBuilder(tx, now)
			}
			return nil
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("%s %s of %s: %w", builderNouns[b.Kind], b.Name, b.Account, err))
		}
	}
	for e := range snap.VPCEndpoints.All() {
		if endpointSettled(e) {
			continue
		}
		err := s.write(ctx, e.Scope, func(tx *model.Tx) error {
			if now := tx.VPCEndpoints.Get(e.ID); now != nil {
				s.settleEndpoint(tx, now)
			}
			return nil
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("endpoint %s: %w", e.ID, err))
		}
	}
	failed = append(failed, s.settleNATGateways(ctx, snap))
	return errors.Join(failed...)
}

// fleetSettled reports, without a write, that nothing is to be done.
func (s *Service) fleetSettled(snap *model.Snapshot, f *secgroup.Fleet) bool {
	now := s.now()
	for v := range snap.StreamingSessions.By(model.ByFleet, model.StreamingName(f.Scope, f.Name)) {
		if s.sessionDue(f, v, now) {
			return false
		}
	}
	all := streamingOf(snap, f.Scope, secgroup.FleetKind, f.Name)
	if f.State == secgroup.FleetStopped {
		return len(all) == 0
	}
	if f.State != secgroup.FleetRunning || len(f.Errors) > 0 {
		return false
	}
	if f.Type == secgroup.Elastic {
		return !slices.ContainsFunc(all, func(in *secgroup.Instance) bool { return worn(snap, in) })
	}
	return f.Type == secgroup.AlwaysOn && len(all) == f.Desired && !slices.ContainsFunc(all, func(in *secgroup.Instance) bool {
		return in.State != secgroup.Running || in.Image != f.Image && liveSessions(snap, in.ID) == 0 || worn(snap, in)
	})
}

// worn reports whether an instance has had its last session.
func worn(snap *model.Snapshot, in *secgroup.Instance) bool {
	return (in.Streaming.Used || in.Streaming.Draining) && liveSessions(snap, in.ID) == 0
}

// settleFleet does the next step of whatever a fleet needs.
func (s *Service) settleFleet(tx *model.Tx, was *secgroup.Fleet) {
	s.expireDue(tx, was)
	f := *was
	var live []*secgroup.Instance
	ending := false
	for _, in := range streamingOf(tx.Snapshot, f.Scope, secgroup.FleetKind, f.Name) {
		switch {
		case in.State == secgroup.ShuttingDown:
			ending = true
		case f.State == secgroup.FleetStopping || f.State == secgroup.FleetStopped:
			s.dismiss(tx, in, true)
			ending = true
		case worn(tx.Snapshot, in):
			s.dismiss(tx, in, false)
		default:
			live = append(live, in)
		}
	}
	switch f.State {
	case secgroup.FleetStopping:
		if !ending {
			f.State = secgroup.FleetStopped
		}
	case secgroup.FleetStarting, secgroup.FleetRunning:
		s.fill(tx, &f, live)
	}
	if !equalFleets(&f, was) {
		tx.Fleets.Put(&f)
	}
}

// equalFleets compares what settleFleet changes.
func equalFleets(a, b *secgroup.Fleet) bool {
	return a.State == b.State && slices.Equal(a.Errors, b.Errors) && a.NotBefore.Equal(b.NotBefore)
}

// fill makes the instances that a fleet lacks, ends those that it has too many
// of, and completes its start.
func (s *Service) fill(tx *model.Tx, f *secgroup.Fleet, live []*secgroup.Instance) {
	var short []error
	if f.Type == secgroup.Elastic { // instances come with sessions: only see that they could
		if _, err := placementOf(tx.Snapshot, f.Scope, f.VPC, f.Internet); err != nil {
			short = append(short, err)
		}
		f.Errors = streamingErrors(f.Errors, s.now(), short...)
		if f.State == secgroup.FleetStarting {
			f.State = secgroup.FleetRunning
			if len(short) > 0 {
				f.State = secgroup.FleetStopped
			}
		}
		return
	}
	for n := len(live); n < f.Desired && !s.now().Before(f.NotBefore); n++ {
		in, err := s.provision(tx, secgroup.Streaming{Owner: f.Scope, Kind: secgroup.FleetKind, Name: f.Name, Directory: f.Options.Domain()}, f.VPC, f.Internet, f.InstanceType, f.Image)
		if err != nil {
			short = append(short, err)
			break // the next one would fail alike
		}
		if f.Type == secgroup.OnDemand { // it waits for a session
			in.State, in.Boots = secgroup.Stopped, 0
			releasePublic(tx, in.ID)
			tx.Instances.Put(in)
		}
		live = append(live, in)
	}
	s.thin(tx, f, live)
	s.renew(tx, f, live)
	waiting := s.now().Before(f.NotBefore)
	if len(short) > 0 || !waiting {
		f.Errors = streamingErrors(f.Errors, s.now(), short...)
	}
	if f.State != secgroup.FleetStarting {
		return
	}
	pending := slices.ContainsFunc(live, func(in *secgroup.Instance) bool { return in.State == secgroup.Pending })
	switch {
	case pending:
	case len(live) > 0 || f.Desired == 0:
		f.State = secgroup.FleetRunning
	case len(f.Errors) > 0:
		f.State = secgroup.FleetStopped
	}
}

// thin ends what is more than desired: what nobody uses first; a user's instance
// takes no further session and goes with the last.
func (s *Service) thin(tx *model.Tx, f *secgroup.Fleet, live []*secgroup.Instance) {
	if len(live) <= f.Desired {
		return
	}
	byUse := slices.SortedStableFunc(slices.Values(live), func(a, b *secgroup.Instance) int {
		return cmp.Compare(liveSessions(tx.Snapshot, a.ID), liveSessions(tx.Snapshot, b.ID))
	})
	for _, in := range byUse[:len(live)-f.Desired] {
		if liveSessions(tx.Snapshot, in.ID) == 0 {
			s.dismiss(tx, in, false)
		} else if !in.Streaming.Draining {
			drain(tx, in)
		}
	}
}

// drain keeps further sessions from an instance.
func drain(tx *model.Tx, in *secgroup.Instance) {
	tx.Guard(model.ScopeID(serviceScope))
	next, what := *in, *in.Streaming
	what.Draining = true
	next.Streaming = &what
	tx.Instances.Put(&next)
}

// renew ends one idle instance that has another image than the fleet, if all
// others are there: images change gradually (section 3.3).
func (s *Service) renew(tx *model.Tx, f *secgroup.Fleet, live []*secgroup.Instance) {
	if f.State != secgroup.FleetRunning || len(live) != f.Desired ||
		slices.ContainsFunc(live, func(in *secgroup.Instance) bool { return in.State == secgroup.Pending }) {
		return
	}
	for _, in := range live {
		if in.Image != f.Image && liveSessions(tx.Snapshot, in.ID) == 0 {
			s.dismiss(tx, in, false)
			return
		}
	}
}

// reportStreaming is ReportInstance for instances of the service's.
func (s *Service) reportStreaming(ctx context.Context, seen *secgroup.Instance, observed secgroup.InstanceState, detail string) error {
	return s.write(ctx, seen.Streaming.Owner, func(tx *model.Tx) error {
		tx.Guard(model.ScopeID(serviceScope))
		was := tx.Instances.Get(seen.ID)
		if was == nil || was.Host != seen.Host {
			return nil // ended, and seen to have ended; or it is elsewhere now
		}
		in := *was
		gone := observed == secgroup.Terminated
		switch {
		case in.State == secgroup.Pending && observed == secgroup.Running && joining(&in):
			return nil // until it says itself what became of that
		case in.State == secgroup.Pending && observed == secgroup.Running:
			in.State = secgroup.Running
			s.activate(tx, in.ID)
		case in.State == secgroup.Pending && gone:
			s.streamingFailed(tx, &in, detail)
			return nil
		case in.State == secgroup.Stopping && (gone || observed == secgroup.Stopped):
			in.State = secgroup.Stopped
			releasePublic(tx, in.ID)
		case in.State == secgroup.ShuttingDown && gone:
			release(tx, in.ID)
			tx.Instances.Delete(in.ID)
			return nil
		default:
			return nil
		}
		tx.Instances.Put(&in)
		return nil
	})
}

// streamingFailed takes away an instance that its host could not make, and notes
// why.
func (s *Service) streamingFailed(tx *model.Tx, in *secgroup.Instance, detail string) {
	now, what := s.now(), in.Streaming
	err := &shortfall{instanceUnmade, "An instance could not be made: " + detail}
	switch what.Kind {
	case secgroup.GatewayKind, secgroup.EndpointKind, secgroup.NATKind: // nothing stands in for it: it is tried again
		next := *in
		next.Boots++
		tx.Instances.Put(&next)
		return
	case secgroup.FleetKind:
		if was := tx.Fleets.Get(model.StreamingName(what.Owner, what.Name)); was != nil {
			f := *was
			f.Errors, f.NotBefore = streamingErrors(f.Errors, now, err), now.Add(retryStarting).UTC()
			tx.Fleets.Put(&f)
		}
	default:
		if was := tx.Builders.Get(model.BuilderID(what.Owner, what.Kind, what.Name)); was != nil && was.State == secgroup.BuilderPending {
			b := *was
			b.State, b.Errors = secgroup.BuilderFailed, streamingErrors(nil, now, err)
			tx.Builders.Put(&b)
		}
	}
	for v := range tx.StreamingSessions.By(model.ByInstance, in.ID) {
		s.endSession(tx, v)
	}
	release(tx, in.ID)
	tx.Instances.Delete(in.ID)
}
