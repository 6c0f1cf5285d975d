// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	// joinDeadline is how long after its start an instance may say nothing of its
	// attempt to join a directory. An attempt itself is over in half a minute.
	joinDeadline = 5 * time.Minute
	// retryJoining is longer than attempts take: instances that began together have
	// all said what became of theirs before another one is made.
	retryJoining = 30 * time.Second
)

// joining reports whether an instance starts and has not joined its directory yet.
// Until then it is pending, whatever its host sees.
func joining(in *secgroup.Instance) bool {
	what := in.Streaming
	return in.State == secgroup.Pending && what != nil && what.Directory != "" && what.Joined != in.Boots
}

// ReportJoin takes what became of an instance's attempt to join its directory. It runs
// from then on, or it goes and its fleet or builder shows why. trouble is "" for
// success. A report of an instance that does not join now is ignored, so
// instances may repeat themselves.
func (s *Service) ReportJoin(ctx context.Context, id, trouble string) error {
	seen := s.Read().Instances.Get(id)
	if seen == nil || !joining(seen) {
		return nil
	}
	return s.write(ctx, seen.Streaming.Owner, func(tx *model.Tx) error {
		tx.Guard(model.ScopeID(serviceScope))
		was := tx.Instances.Get(id)
		if was == nil || !joining(was) {
			return nil
		}
		if trouble != "" {
			s.joinFailed(tx, was, &shortfall{noSuchDomain, "An instance could not join the directory " + was.Streaming.Directory +
				": " + trouble + ". Check the VPC, the subnets and the security groups."})
			return nil
		}
		in, what := *was, *was.Streaming
		what.Joined = in.Boots
		in.Streaming, in.State = &what, secgroup.Running
		s.activate(tx, id)
		tx.Instances.Put(&in)
		return nil
	})
}

// joinFailed ends an instance that could not join, and notes why.
func (s *Service) joinFailed(tx *model.Tx, in *secgroup.Instance, why *shortfall) {
	now, what := s.now(), in.Streaming
	if was := tx.Fleets.Get(model.StreamingName(what.Owner, what.Name)); was != nil && what.Kind == secgroup.FleetKind {
		f := *was
		f.Errors, f.NotBefore = streamingErrors(f.Errors, now, why), now.Add(retryJoining).UTC()
		tx.Fleets.Put(&f)
	}
	if was := tx.Builders.Get(model.BuilderID(what.Owner, what.Kind, what.Name)); was != nil && was.State == secgroup.BuilderPending {
		b := *was
		b.State, b.Errors = secgroup.BuilderFailed, streamingErrors(nil, now, why)
		tx.Builders.Put(&b)
	}
	for _, v := range slices.Collect(tx.StreamingSessions.By(model.ByInstance, in.ID)) {
		s.endSession(tx, v)
	}
	s.dismiss(tx, in, false)
}

// giveUpJoins ends the instances that have said nothing for too long.
func (s *Service) giveUpJoins(ctx context.Context) error {
	var failed []error
	late := func(in *secgroup.Instance) bool { return joining(in) && s.now().Sub(in.Launched) > joinDeadline }
	for seen := range s.Read().Instances.By(model.ByScope, model.ScopeValue(serviceScope)) {
		if !late(seen) {
			continue
		}
		failed = append(failed, s.write(ctx, seen.Streaming.Owner, func(tx *model.Tx) error {
			tx.Guard(model.ScopeID(serviceScope))
			if in := tx.Instances.Get(seen.ID); in != nil && late(in) {
				s.joinFailed(tx, in, &shortfall{joinUnheard, "An instance has not said whether it joined the directory " + in.Streaming.Directory + "."})
			}
			return nil
		}))
	}
	return errors.Join(failed...)
}
