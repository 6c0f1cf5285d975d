// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/store"
)

// Tx is a writable copy of a snapshot. What is put into it is seen by later
// reads of the same Tx and by nobody else until control commits it.
type Tx struct {
	*Snapshot
	dirty   map[Ref]any // row, or nil for a deleted one
	guarded map[string]bool
}

// Begin returns a Tx on the current snapshot. It is not safe for concurrent use.
func (m *Model) Begin() *Tx {
	m.mu.Lock()
	defer m.mu.Unlock()
	return begin(m.current)
}

func begin(s *Snapshot) *Tx {
	tx := &Tx{dirty: map[Ref]any{}, guarded: map[string]bool{}}
	tx.Snapshot = s.copy(tx.dirty)
	return tx
}

// Guard names an invariant that spans rows (a VPC, an account's Region): the
// commit fails with store.ErrConflict if another server changed anything under
// the same guard since the Tx began. Every change is made under at least one.
func (tx *Tx) Guard(scope string) { tx.guarded[scope] = true }

// Nested runs f on a copy of tx and keeps what f changed only if f succeeds.
func (tx *Tx) Nested(f func(*Tx) error) error {
	inner := begin(tx.Snapshot)
	if err := f(inner); err != nil {
		return err
	}
	maps.Copy(inner.guarded, tx.guarded)
	for ref, row := range tx.dirty {
		if _, again := inner.dirty[ref]; !again {
			inner.dirty[ref] = row
		}
	}
	*tx = *inner
	return nil
}

// Changed reports whether there is anything to commit.
func (tx *Tx) Changed() bool { return len(tx.dirty) > 0 }

// Commit returns what control hands to the store: the guards with the revisions
// this Tx was built on, and the changed rows in their stored form, in the order
// of their keys.
func (tx *Tx) Commit() ([]store.Guard, []store.Write, error) {
	if len(tx.dirty) > 0 && len(tx.guarded) == 0 {
		return nil, nil, fmt.Errorf("commit %d changes: no guard", len(tx.dirty))
	}
	var guards []store.Guard
	var writes []store.Write
	for _, scope := range slices.Sorted(maps.Keys(tx.guarded)) {
		key := Ref{scopes, scope}.key()
		revision, _ := tx.guards.Get(scope)
		guards = append(guards, store.Guard{Key: key, Revision: revision})
		writes = append(writes, store.Write{Key: key, Value: []byte{}})
	}
	for ref, row := range tx.dirty {
		value, err := encode(row)
		if err != nil {
			return nil, nil, fmt.Errorf("encode %s %s: %w", ref.Kind, ref.ID, err)
		}
		writes = append(writes, store.Write{Key: ref.key(), Value: value})
	}
	slices.SortFunc(writes, func(a, b store.Write) int { return strings.Compare(a.Key, b.Key) })
	return guards, writes, nil
}
