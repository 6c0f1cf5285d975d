// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ErrNotOnHost reports that a host spoke of an instance or an interface that is not
// its own.
var ErrNotOnHost = errors.New("it is not on this host")

// ReportInstance takes what a host's agent sees of one of its instances. An
// observation completes the transition that waits for it and is otherwise
// ignored, so agents may repeat themselves and be late:
//
//	pending       running             becomes running
//	pending       terminated          could not be made: terminated at its first boot, stopped at a later one
//	stopping      stopped, terminated becomes stopped
//	shutting-down terminated          becomes terminated
//
// detail says why an instance could not be made; clients read it as stateReason.
//
// host is who reports.
//
// Errors: ErrNotOnHost for an instance of another host, which stays as it is.
func (s *Service) ReportInstance(ctx context.Context, host, id string, observed secgroup.InstanceState, detail string) error {
	seen := s.Read().Instances.Get(id)
	if seen != nil && seen.Host != host {
		return fmt.Errorf("%s reports %s as %s: %w", host, id, observed, ErrNotOnHost)
	}
	if seen == nil {
		if observed == secgroup.Terminated {
			return nil // the record of a streaming instance goes with it
		}
		return noInstance.err(id)
	}
	if seen.Streaming != nil {
		return s.reportStreaming(ctx, seen, observed, detail)
	}
	return s.write(ctx, seen.Scope, func(tx *model.Tx) error {
		was := tx.Instances.Get(id)
		if was == nil {
			return noInstance.err(id)
		}
		if was.Host != host {
			return fmt.Errorf("%s reports %s as %s: %w", host, id, observed, ErrNotOnHost)
		}
		in := *was
		gone := observed == secgroup.Terminated
		switch {
		case in.State == secgroup.Pending && observed == secgroup.Running:
			in.State = secgroup.Running
		case in.State == secgroup.Pending && gone:
			in.Reason, in.ReasonAt = "Server.InternalError: "+detail, s.now().UTC()
			if in.Boots > 1 { // it has been there: what it has is worth keeping
				in.State = secgroup.Stopped
				releasePublic(tx, id)
				break
			}
			release(tx, id)
			s.bury(&in)
		case in.State == secgroup.Stopping && (gone || observed == secgroup.Stopped):
			in.State = secgroup.Stopped
		case in.State == secgroup.ShuttingDown && gone:
			s.bury(&in)
		default:
			return nil
		}
		tx.Instances.Put(&in)
		return nil
	})
}

// terminatedLife is how long a terminated instance stays visible
// (docs/spec/ec2-api.md section 6.2).
const terminatedLife = time.Hour

// PurgeTerminated removes the records of instances that ended an hour ago or
// earlier, and the client tokens, join tokens, NAT gateways and peering connections that nobody
// can see or need any more. Call it every few minutes.
func (s *Service) PurgeTerminated(ctx context.Context) error {
	snap := s.Read()
	old := map[secgroup.Scope]bool{}
	for in := range snap.Instances.All() {
		if s.over(in) {
			old[in.Scope] = true
		}
	}
	for t := range snap.Tokens.All() {
		if s.forgotten(snap, t) {
			old[t.Scope] = true
		}
	}
	for p := range snap.Peerings.All() {
		if s.deadPeering(p) {
			old[p.Requester.Scope] = true
		}
	}
	for g := range snap.NATGateways.All() {
		if s.overNAT(g) {
			old[g.Scope] = true
		}
	}
	for scope := range old {
		if err := s.write(ctx, scope, func(tx *model.Tx) error { s.purge(tx, scope); return nil }); err != nil {
			return err
		}
	}
	return s.forgetTokens(ctx)
}

func (s *Service) over(in *secgroup.Instance) bool {
	return in.State == secgroup.Terminated && s.now().Sub(in.TerminatedAt) >= terminatedLife
}

// purge removes what is over in one scope, instances before the tokens that
// they keep.
func (s *Service) purge(tx *model.Tx, scope secgroup.Scope) {
	var instances, tokens []string
	for in := range tx.Instances.By(model.ByScope, model.ScopeValue(scope)) {
		if s.over(in) {
			instances = append(instances, in.ID)
		}
	}
	for _, id := range instances {
		tx.Instances.Delete(id)
	}
	for t := range tx.Tokens.By(model.ByScope, model.ScopeValue(scope)) {
		if s.forgotten(tx.Snapshot, t) {
			tokens = append(tokens, model.TokenID(t.Scope, t.Operation, t.Token))
		}
	}
	for _, id := range tokens {
		tx.Tokens.Delete(id)
	}
	for _, g := range slices.Collect(tx.NATGateways.By(model.ByScope, model.ScopeValue(scope))) {
		if s.overNAT(g) {
			tx.NATGateways.Delete(g.ID)
		}
	}
	for _, p := range slices.Collect(tx.Peerings.By(model.ByScope, model.ScopeValue(scope))) {
		if p.Requester.Scope == scope && s.deadPeering(p) {
			tx.Peerings.Delete(p.ID)
		}
	}
}
