// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"
)

const (
	// electTerm is how long a process that died stays elected, in seconds.
	electTerm = 5
	// electAgain is the pause after a term that was lost or could not be begun.
	electAgain = time.Second
	// electPrefix is where candidates wait, outside of what the model follows.
	electPrefix = "/hedgeward/elected/"
)

// errLost ends the context of a term that is over.
var errLost = errors.New("another process is elected")

// Elected runs work on one of the processes that call it with the same name:
// when that one ends, the next begins at once; when it dies, within electTerm
// seconds. It blocks until ctx ends, or until work fails for another reason than
// that its context ended.
//
// The context of work ends when the term is over, which a process that was
// frozen learns late: for a moment two may run. Whatever work does must therefore
// be a Commit under guards, as of a function of what the store says; those stay
// right, whoever makes them.
//
// A store that is not Shared has no other candidates: work runs at once.
func (s *Store) Elected(ctx context.Context, name, candidate string, work func(context.Context) error) error {
	if !s.Shared() {
		return work(ctx)
	}
	for {
		err := s.term(ctx, name, candidate, work)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var failed workError
		if errors.As(err, &failed) {
			return failed.error
		}
		select {
		case <-time.After(electAgain):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// workError is an error of the work itself.
type workError struct{ error }

// term waits to be elected and runs work until it ends or the term does.
func (s *Store) term(ctx context.Context, name, candidate string, work func(context.Context) error) error {
	lease, err := s.client.Grant(ctx, electTerm)
	if err != nil {
		return fmt.Errorf("be elected for %s: %w", name, err)
	}
	// The session outlives ctx, to give the lease back: the next need not wait.
	session, err := concurrency.NewSession(s.client, concurrency.WithLease(lease.ID),
		concurrency.WithTTL(electTerm), concurrency.WithContext(context.WithoutCancel(ctx)))
	if err != nil {
		return fmt.Errorf("be elected for %s: %w", name, err)
	}
	defer session.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(session.Ctx(), func() { cancel(errLost) })()
	if err := concurrency.NewElection(session, electPrefix+name).Campaign(ctx, candidate); err != nil {
		return fmt.Errorf("be elected for %s: %w", name, err)
	}
	err = work(ctx)
	if err != nil && ctx.Err() == nil {
		return workError{err}
	}
	return err
}
