// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// askWithin bounds one question to the store. With several members, the next
	// question goes to another one.
	askWithin = time.Second
	// askBeside is how long a question waits for the one before it: no longer than
	// needed to share what comes in meanwhile, should that one have gone to a member
	// that is no more.
	askBeside = 50 * time.Millisecond
	askAgain  = 100 * time.Millisecond // after one that failed
)

// CatchUp returns once the snapshot holds every commit that was answered before
// the call, by whichever server. It costs one round trip to the store, which
// those who call at the same time share.
//
// The error says that the store did not answer before ctx ended.
func (m *Model) CatchUp(ctx context.Context) error {
	for {
		revision, err := m.questions.newest(ctx, m.askHead)
		if err == nil {
			_, err = m.Await(ctx, revision)
			return err
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return fmt.Errorf("ask the store for its newest revision: %w", err)
		}
	}
}

// askHead returns the revision of the newest commit.
func (m *Model) askHead(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	return m.store.Modified(ctx, headKey)
}

// questions lets callers share questions to the store. An answer counts for who
// came before its question left: whoever comes later waits for the next one.
type questions struct {
	mu       sync.Mutex
	underWay *question // nil: none
	next     *question // nil: nobody waits
}

type question struct {
	answered chan struct{} // closed once the fields below are valid
	revision int64
	err      error
}

// newest returns what ask answers to a question that left after the call. The
// first that needs a question asks it, on behalf of all who come until it leaves.
func (q *questions) newest(ctx context.Context, ask func(context.Context) (int64, error)) (int64, error) {
	q.mu.Lock()
	mine, before := q.next, q.underWay
	if mine != nil {
		q.mu.Unlock()
		select {
		case <-mine.answered:
			return mine.revision, mine.err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	mine = &question{answered: make(chan struct{})}
	q.next = mine
	q.mu.Unlock()
	if before != nil {
		select {
		case <-before.answered:
		case <-time.After(askBeside):
		}
	}
	q.mu.Lock()
	q.next, q.underWay = nil, mine
	q.mu.Unlock()
	mine.revision, mine.err = ask(ctx)
	q.mu.Lock()
	if q.underWay == mine {
		q.underWay = nil
	}
	q.mu.Unlock()
	close(mine.answered)
	return mine.revision, mine.err
}
