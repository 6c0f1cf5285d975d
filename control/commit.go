// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

const (
	queued   = 1024 // operations that wait for the committer
	maxBatch = 256  // operations in one commit
	retries  = 100  // conflicts with other servers before a batch gives up

	// A write is answered within the sum of these: 30 s. One that comes while the store
	// is away already is refused by the first.
	freshWithin  = 5 * time.Second  // what a call waits for a store that does not answer
	queueWithin  = 15 * time.Second // an operation, until the committer takes it
	commitWithin = 10 * time.Second // a batch, in however many parts

	tryWithin  = 3 * time.Second // one attempt to commit, before another member is asked
	doubtPause = 50 * time.Millisecond
)

// request is one operation that waits for the committer.
type request struct {
	ctx   context.Context
	edit  func(*model.Tx) error
	owned atomic.Bool   // by the committer, or by who waits no longer: by whoever set it
	err   error         // valid once done is closed
	done  chan struct{} // closed when the outcome is durable and visible
}

// own reports whether the caller is the first that asks. The committer runs what it
// owns; who waits may leave if the committer does not own it yet.
func (r *request) own() bool { return r.owned.CompareAndSwap(false, true) }

func (r *request) finish(err error) { r.err = err; close(r.done) }

var (
	// ErrContended is a change that lost to those of other servers each time that it
	// was tried. Nothing of it is done.
	ErrContended = secgroup.Errorf("Unavailable", "Changes by way of other servers came first each time. Try again.")

	errStopping = secgroup.Errorf("Unavailable", "The server is stopping.")
	errAway     = secgroup.Errorf("ServiceUnavailable", "The request has failed due to a temporary failure of the server. Try again.")
)

// away is errAway with what the log is to say.
func away(cause error) error { return fmt.Errorf("%w %w", errAway, cause) }

// requestKey is where a context keeps the id of the call that it is for.
type requestKey struct{}

// WithRequest returns a context for the work of one call. What that commits bears
// its id, in etcd and in the log.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// write runs edit as a transaction of scope. When it returns nil, the changes
// are durable and every later read sees them; otherwise nothing changed, but for
// ServiceUnavailable, which leaves that open. edit may run more than once and must
// depend on its Tx alone.
//
// All operations of this process go through one committer: it runs whatever is
// waiting, one after the other, on one transaction and commits that once, so
// operations never conflict with each other and share the cost of the disk.
func (s *Service) write(ctx context.Context, scope secgroup.Scope, edit func(*model.Tx) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, queueWithin, away(errQueue))
	defer cancel()
	r := &request{ctx: ctx, done: make(chan struct{})}
	id, _ := ctx.Value(requestKey{}).(string)
	r.edit = func(tx *model.Tx) error {
		tx.Guard(model.ScopeID(scope))
		if err := edit(tx); err != nil {
			return err
		}
		tx.Answers(id)
		return nil
	}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.stopped:
		return errStopping
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.own() {
			return context.Cause(ctx) // it was not begun and never will be
		}
		select { // its outcome must be known
		case <-r.done:
			return r.err
		case <-s.stopped:
		}
	case <-s.stopped:
	}
	select {
	case <-r.done:
		return r.err
	default:
		return errStopping // it came after the last batch
	}
}

var errQueue = errors.New("the turn of a change did not come in time")

// Run commits operations until ctx ends, and returns its cause. Call it once.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.stopped)
	for {
		select {
		case r := <-s.queue:
			within, cancel := context.WithTimeout(ctx, commitWithin)
			s.commit(within, s.gather(r))
			cancel()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// gather returns a request and those that wait behind it, but for those that nobody
// waits for any more.
func (s *Service) gather(r *request) (batch []*request) {
	for {
		if r.own() {
			batch = append(batch, r)
		}
		if len(batch) == maxBatch {
			return batch
		}
		select {
		case r = <-s.queue:
		default:
			return batch
		}
	}
}

// attempt is one run of a batch on one transaction.
type attempt struct {
	tx      *model.Tx
	outcome []error // of each request, if tx is committed
	guards  []store.Guard
	writes  []store.Write // none: there is nothing to commit
}

// commit runs a batch on one transaction and answers every request in it. A batch
// that is more than etcd takes at once goes in halves.
func (s *Service) commit(ctx context.Context, batch []*request) {
	outcome, err := s.settle(ctx, batch)
	if errors.Is(err, store.ErrTooLarge) && len(batch) > 1 {
		s.commit(ctx, batch[:len(batch)/2])
		s.commit(ctx, batch[len(batch)/2:])
		return
	}
	for i, r := range batch {
		if err != nil { // refusals too: they may rest on changes that were not made
			r.finish(err)
		} else {
			r.finish(outcome[i])
		}
	}
}

// settle tries until it knows what became of a batch. When an answer of the store
// is lost, the very same commit is sent again: whichever arrives first makes the
// other one conflict, and no operation meets its own work and refuses it.
func (s *Service) settle(ctx context.Context, batch []*request) ([]error, error) {
	for range retries {
		a, err := s.play(batch)
		if err == nil {
			err = s.submit(ctx, a)
		}
		a.tx.Finish()
		if !errors.Is(err, store.ErrConflict) {
			return a.outcome, err
		}
	}
	return nil, ErrContended
}

// play runs the operations of a batch on a new transaction.
func (s *Service) play(batch []*request) (a *attempt, err error) {
	a = &attempt{tx: s.model.Begin(), outcome: make([]error, len(batch))}
	for i, r := range batch {
		if a.outcome[i] = context.Cause(r.ctx); a.outcome[i] == nil {
			a.outcome[i] = a.tx.Nested(r.edit)
		}
	}
	if a.tx.Changed() {
		a.guards, a.writes, err = a.tx.Commit()
	}
	return a, err
}

// submit commits an attempt and waits until reads see it. With ErrConflict it was
// not made and never will be, and the model has what was made instead.
func (s *Service) submit(ctx context.Context, a *attempt) error {
	if len(a.writes) == 0 {
		return nil
	}
	for lost := false; ; lost = true {
		err := s.persist(ctx, a)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrTooLarge) && !lost:
			return err
		case errors.Is(err, store.ErrFull) && !lost:
			return away(err)
		}
		if behind := s.model.CatchUp(ctx); behind != nil {
			return away(errors.Join(err, behind))
		}
		switch fate := a.tx.Fate(); {
		case fate == model.Present:
			s.log.Info("committed, though the store's answer was lost", "requests", a.tx.Requests())
			return nil
		case errors.Is(err, store.ErrConflict) && (fate == model.Absent || !lost):
			return err
		case fate == model.Unknown:
			return away(err)
		}
		select {
		case <-time.After(doubtPause):
		case <-ctx.Done():
			return away(err)
		}
	}
}

// persist makes an attempt durable and waits until the model shows it.
func (s *Service) persist(ctx context.Context, a *attempt) error {
	within, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	began := time.Now()
	revision, err := s.commitTo(within, a.guards, a.writes)
	if err != nil {
		return err
	}
	if _, err := s.model.Await(ctx, revision); err != nil {
		return err
	}
	s.log.Info("committed", "revision", revision, "requests", a.tx.Requests())
	if s.committed != nil && len(a.tx.Requests()) > 0 {
		s.committed(Committed{revision, a.tx.Requests(), began, time.Now()})
	}
	return nil
}

// Committed is a commit that is durable and visible.
type Committed struct {
	Revision   int64
	Requests   []string // calls that it answers
	Began, End time.Time
}
