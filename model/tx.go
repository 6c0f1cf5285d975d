// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"

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

	requests []string // that it answers
	id       string   // "" until Commit
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
	c, changed, guarded, requests := tx.changes, len(tx.changes.log), len(tx.guarded), len(tx.requests)
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
	c.log, tx.guarded, tx.requests = c.log[:changed], tx.guarded[:guarded], tx.requests[:requests]
	return err
}

// Answers notes a call that is answered with this Tx, "" for none.
func (tx *Tx) Answers(request string) {
	if request != "" {
		tx.requests = append(tx.requests, request)
	}
}

// Requests returns the calls that are answered with this Tx.
func (tx *Tx) Requests() []string { return tx.requests }

// Changed reports whether there is anything to commit.
func (tx *Tx) Changed() bool { return len(tx.changes.dirty) > 0 }
