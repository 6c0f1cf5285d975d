// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ReportStreams takes which sessions the gateway behind a door has users on, all of
// them, and returns those that are to leave: their session is over, or they have done
// nothing for as long as their fleet allows (docs/spec/appstream.md section 7).
func (s *Service) ReportStreams(ctx context.Context, watched []secgroup.Watched, by secgroup.Door) (leave []string, err error) {
	snap := s.Read()
	there := map[string]bool{}
	for _, w := range watched {
		v := snap.StreamingSessions.Get(w.Session)
		if v == nil || v.State == secgroup.SessionExpired || idle(snap, v, w.Idle) {
			leave = append(leave, w.Session)
			continue
		}
		there[w.Session] = true
	}
	wrong := map[secgroup.Scope][]string{}
	for v := range snap.StreamingSessions.All() {
		if v.State == secgroup.SessionActive && v.Endpoint == by.Endpoint && v.Door == by.Address && v.Connected != there[v.ID] {
			wrong[v.Scope] = append(wrong[v.Scope], v.ID)
		}
	}
	for scope, ids := range wrong {
		err := s.write(ctx, scope, func(tx *model.Tx) error {
			for _, id := range ids {
				if was := tx.StreamingSessions.Get(id); was != nil && was.State == secgroup.SessionActive {
					v := *was
					v.Connected, v.Away = there[id], s.now().UTC()
					tx.StreamingSessions.Put(&v)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return leave, nil
}

// idle reports whether a user who has done nothing for so long is disconnected.
func idle(snap *model.Snapshot, v *secgroup.StreamingSession, since time.Duration) bool {
	f := snap.Fleets.Get(model.StreamingName(v.Scope, v.Fleet))
	return f != nil && f.Idle > 0 && since >= f.Idle
}

// StreamingSessions returns the sessions of a fleet that users have by way of a
// stack, the oldest first (docs/spec/appstream.md section 7).
//
// Errors: InvalidParameterCombinationException.
func StreamingSessions(snap *model.Snapshot, scope secgroup.Scope, stack, fleet string) ([]*secgroup.StreamingSession, error) {
	if snap.Stacks.Get(model.StreamingName(scope, stack)) == nil {
		return nil, secgroup.Errorf(streamCombination, "The stack %s for account %s does not exist.", stack, scope.Account)
	}
	if snap.Fleets.Get(model.StreamingName(scope, fleet)) == nil {
		return nil, secgroup.Errorf(streamCombination, "The fleet %s for account %s does not exist.", fleet, scope.Account)
	}
	var out []*secgroup.StreamingSession
	for v := range snap.StreamingSessions.By(model.ByFleet, model.StreamingName(scope, fleet)) {
		if v.Stack == stack {
			out = append(out, v)
		}
	}
	return out, nil
}

// ExpireSession ends a session; its instance is replaced. An unknown one is no
// error.
func (s *Service) ExpireSession(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		v := tx.StreamingSessions.Get(id)
		if v == nil || v.Scope != caller.Scope || v.State == secgroup.SessionExpired {
			return nil
		}
		s.endSession(tx, v)
		if f := tx.Fleets.Get(model.StreamingName(v.Scope, v.Fleet)); f != nil {
			s.settleFleet(tx, f) // its address is nobody's from now on
		}
		return nil
	})
}

// DrainSessionInstance keeps further sessions from the instance of a session.
//
// Errors: ResourceNotFoundException, OperationNotPermittedException.
func (s *Service) DrainSessionInstance(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		v := tx.StreamingSessions.Get(id)
		if v == nil || v.Scope != caller.Scope {
			return secgroup.Errorf(streamNotFound, "The session %s for account %s does not exist.", id, caller.Account)
		}
		f := tx.Fleets.Get(model.StreamingName(v.Scope, v.Fleet))
		in := tx.Instances.Get(v.Instance)
		if f == nil || f.Sessions <= 1 || in == nil || v.State == secgroup.SessionExpired {
			return secgroup.Errorf(streamNotPermitted, "Only instances of multi-session fleets with an active session can be drained.")
		}
		if !in.Streaming.Draining {
			drain(tx, in)
		}
		return nil
	})
}
