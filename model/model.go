// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/store"
)

// Model follows one store.
type Model struct {
	store *store.Store
	log   *slog.Logger

	mu      sync.Mutex
	current *Snapshot
	moved   chan struct{} // closed and replaced whenever current is
	own     *Tx           // the last one that was handed to the store; nil for none
	handed  map[string]Fate
	subs    map[*Subscription]struct{}

	recent    recent
	questions questions
}

// Open reads the whole store. Run keeps the model up to date from there.
//
// Errors: the store is unreadable, or was written by a newer version.
func Open(ctx context.Context, s *store.Store, log *slog.Logger) (*Model, error) {
	m := &Model{store: s, log: log, moved: make(chan struct{}), handed: map[string]Fate{}, subs: map[*Subscription]struct{}{}}
	if err := m.checkSchema(ctx); err != nil {
		return nil, err
	}
	if err := m.reload(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// checkSchema stamps a new store, and refuses one that a newer version wrote or
// that is being restored.
func (m *Model) checkSchema(ctx context.Context) error {
	_, err := m.store.Commit(ctx, []store.Guard{{Key: schemaKey}, {Key: partKey}}, []store.Write{{Key: schemaKey, Value: []byte(schemaVersion)}})
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	part, _, err := m.store.Load(ctx, partKey)
	if err != nil {
		return err
	}
	if len(part) > 0 {
		return errPart
	}
	found, _, err := m.store.Load(ctx, schemaKey)
	if err != nil {
		return err
	}
	if len(found) != 1 || string(found[0].Value) != schemaVersion {
		return fmt.Errorf("the store has schema %q, this version reads %q: use the version that wrote it", found[0].Value, schemaVersion)
	}
	return nil
}

// Run follows the store until ctx ends, and returns its cause. While the store is
// away, reads go on from memory. When the store can no longer tell what changed
// (it compacted its history), Run reads it anew.
func (m *Model) Run(ctx context.Context) error {
	for {
		err := m.store.Watch(ctx, root, m.Snapshot().Revision+1, m.apply)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m.log.Warn("following the store again", "revision", m.Snapshot().Revision, "because", err)
		if !errors.Is(err, store.ErrAway) {
			if err = m.reload(ctx); err == nil {
				continue
			}
			m.log.Error("cannot read the store", "error", err)
		}
		select {
		case <-time.After(followAgain):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// followAgain is the pause before a store that is away is tried again.
const followAgain = 200 * time.Millisecond

func (m *Model) reload(ctx context.Context) error {
	entries, revision, err := m.store.Load(ctx, root)
	if err != nil {
		return err
	}
	s := newSnapshot()
	if err := s.loadAll(entries); err != nil {
		return err
	}
	s.Revision = revision
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, fate := range m.handed {
		if fate == Absent {
			m.handed[id] = Unknown
		}
	}
	m.replace(s, nil)
	return nil
}

// apply brings one commit in.
func (m *Model) apply(b store.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if tx := m.own; tx != nil && tx.base == m.current {
		if s := tx.result(b); s != nil {
			s.Revision = b.Revision
			m.handed[tx.id] = Present
			m.recent.add(b.Revision, tx.requests)
			m.replace(s, tx.refs())
			return nil
		}
	}
	s := m.current.copy(nil)
	changed := make([]Ref, 0, len(b.Entries))
	for _, e := range b.Entries {
		ref, ok, err := s.load(e)
		if err != nil {
			return err
		}
		if ok {
			changed = append(changed, ref)
		}
	}
	s.Revision = b.Revision
	m.recent.add(b.Revision, m.arrived(b))
	m.replace(s, changed)
	return nil
}

// replace makes s current; a nil changed means that anything may have. The caller
// holds m.mu.
func (m *Model) replace(s *Snapshot, changed []Ref) {
	m.current, m.own = s, nil
	close(m.moved)
	m.moved = make(chan struct{})
	for sub := range m.subs {
		sub.add(changed)
	}
}

// Snapshot returns the newest snapshot.
func (m *Model) Snapshot() *Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// Await returns the first snapshot at revision or later.
func (m *Model) Await(ctx context.Context, revision int64) (*Snapshot, error) {
	for {
		m.mu.Lock()
		s, moved := m.current, m.moved
		m.mu.Unlock()
		if s.Revision >= revision {
			return s, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for revision %d of the store: %w", revision, context.Cause(ctx))
		}
	}
}
