// SPDX-License-Identifier: Apache-2.0

package model

import "context"

// Subscription tells one reader which rows changed. Changes that the reader has
// not fetched coalesce: it holds each row's name at most once, and when it would
// hold more than maxPending of them, it forgets which and says that anything may
// have changed. So a reader that has stopped costs no more memory with time.
type Subscription struct {
	model   *Model
	wake    chan struct{} // capacity 1; a full one already says what there is to say
	pending map[Ref]struct{}
	all     bool // anything may have changed
}

// maxPending is how many names a subscription holds for its reader.
const maxPending = 1 << 16

// Subscribe returns a subscription whose first Next reports that anything may
// have changed. Close it.
func (m *Model) Subscribe() *Subscription {
	s := &Subscription{model: m, wake: make(chan struct{}, 1), pending: map[Ref]struct{}{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subs[s] = struct{}{}
	s.add(nil)
	return s
}

// add notes changes; nil means anything. The caller holds the model's lock.
func (s *Subscription) add(changed []Ref) {
	if changed == nil {
		s.all = true
	}
	for _, ref := range changed {
		if s.all {
			break
		}
		s.pending[ref] = struct{}{}
		if len(s.pending) > maxPending {
			s.pending, s.all = map[Ref]struct{}{}, true
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for a change and returns the newest snapshot with the rows that
// changed since the last call. all true: anything may have.
func (s *Subscription) Next(ctx context.Context) (snap *Snapshot, changed map[Ref]struct{}, all bool, err error) {
	select {
	case <-s.wake:
	case <-ctx.Done():
		return nil, nil, false, context.Cause(ctx)
	}
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	snap, changed, all = s.model.current, s.pending, s.all
	s.pending, s.all = map[Ref]struct{}{}, false
	return snap, changed, all, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	delete(s.model.subs, s)
}
