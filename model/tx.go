// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bytes"
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
	changes *changes
	guarded []string // in order of Guard, each once
	model   *Model
	base    *Snapshot // that it was begun on
	writes  []store.Write
}

// changes are what was put into the tables of one Tx.
type changes struct {
	dirty map[Ref]any // row, or a nil pointer for a deleted one
	log   []change    // in order, to be taken back
}

// change is one row before and after it was put.
type change struct {
	table anyTable
	ref   Ref
	row   any // before; a nil pointer for none
	dirty any // in changes before; nil for none
}

// note records that a row was put.
func (c *changes) note(t anyTable, ref Ref, before, after any) {
	c.log = append(c.log, change{t, ref, before, c.dirty[ref]})
	c.dirty[ref] = after
}

// Begin returns a Tx on the current snapshot. It is not safe for concurrent use.
func (m *Model) Begin() *Tx {
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := &Tx{changes: &changes{dirty: map[Ref]any{}}, model: m, base: m.current}
	tx.Snapshot = m.current.copy(tx.changes)
	return tx
}

// Guard names an invariant that spans rows (a VPC, an account's Region): the
// commit fails with store.ErrConflict if another server changed anything under
// the same guard since the Tx began. Every change is made under at least one.
func (tx *Tx) Guard(scope string) {
	if !slices.Contains(tx.guarded, scope) {
		tx.guarded = append(tx.guarded, scope)
	}
}

// Nested runs f on tx and takes back what f changed if f fails.
func (tx *Tx) Nested(f func(*Tx) error) error {
	c, changed, guarded := tx.changes, len(tx.changes.log), len(tx.guarded)
	err := f(tx)
	if err == nil {
		return nil
	}
	for _, was := range slices.Backward(c.log[changed:]) {
		was.table.put(was.ref.ID, was.row)
		if was.dirty == nil {
			delete(c.dirty, was.ref)
		} else {
			c.dirty[was.ref] = was.dirty
		}
	}
	c.log, tx.guarded = c.log[:changed], tx.guarded[:guarded]
	return err
}

// Changed reports whether there is anything to commit.
func (tx *Tx) Changed() bool { return len(tx.changes.dirty) > 0 }

// Commit returns what control hands to the store: the guards with the revisions
// this Tx was built on, and the changed rows in their stored form, in the order
// of their keys. The Tx cannot be written any more: the model takes its rows over
// as they are when the store reports just these writes.
func (tx *Tx) Commit() ([]store.Guard, []store.Write, error) {
	dirty := tx.changes.dirty
	if len(dirty) > 0 && len(tx.guarded) == 0 {
		return nil, nil, fmt.Errorf("commit %d changes: no guard", len(dirty))
	}
	var guards []store.Guard
	writes := make([]store.Write, 0, len(tx.guarded)+len(dirty))
	for _, scope := range slices.Sorted(slices.Values(tx.guarded)) {
		key := Ref{scopes, scope}.key()
		revision, _ := tx.guards.Get(scope)
		guards = append(guards, store.Guard{Key: key, Revision: revision})
		writes = append(writes, store.Write{Key: key, Value: []byte{}})
	}
	for ref, row := range dirty {
		value, err := encode(row)
		if err != nil {
			return nil, nil, fmt.Errorf("encode %s %s: %w", ref.Kind, ref.ID, err)
		}
		writes = append(writes, store.Write{Key: ref.key(), Value: value})
	}
	slices.SortFunc(writes, func(a, b store.Write) int { return strings.Compare(a.Key, b.Key) })
	for _, t := range tx.tables() {
		t.freeze()
	}
	tx.writes = writes
	tx.model.expect(tx)
	return guards, writes, nil
}

// result returns the snapshot that a commit made if it is this Tx's own, nil if
// it is another's.
func (tx *Tx) result(b store.Batch) *Snapshot {
	same := func(e store.Entry, w store.Write) bool { return e.Key == w.Key && bytes.Equal(e.Value, w.Value) }
	if !slices.EqualFunc(b.Entries, tx.writes, same) {
		return nil
	}
	for _, scope := range tx.guarded {
		tx.guards.Set(scope, b.Revision)
	}
	return tx.Snapshot
}

// refs returns the rows that the Tx changed.
func (tx *Tx) refs() []Ref { return slices.Collect(maps.Keys(tx.changes.dirty)) }
