// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/store"
)

// headKey is written by every commit: its revision is that of the newest one,
// and its value says whose that was.
const headKey = root + "head"

// head is the value under headKey. Who reads etcd with other tools finds there
// which calls a revision goes back to.
type head struct {
	ID       string   `json:"id"`                 // of the commit, unlike any other
	Requests []string `json:"requests,omitempty"` // calls that it answers; none for work of our own
}

// Fate is what became of a commit whose answer was lost.
type Fate int

// The fates.
const (
	Unknown Fate = iota // what was committed meanwhile cannot be told any more
	Absent              // it is not in the model's snapshot; it may come yet
	Present
)

// Commit returns what control hands to the store: the guards with the revisions
// this Tx was built on, and the changed rows in their stored form, in the order
// of their keys. The Tx cannot be written any more: the model takes its rows over
// as they are when the store reports just these writes. Finish it.
func (tx *Tx) Commit() ([]store.Guard, []store.Write, error) {
	dirty := tx.changes.dirty
	if len(dirty) > 0 && len(tx.guarded) == 0 {
		return nil, nil, fmt.Errorf("commit %d changes: no guard", len(dirty))
	}
	var guards []store.Guard
	writes := make([]store.Write, 0, len(tx.guarded)+len(dirty)+1)
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
	var id [12]byte
	rand.Read(id[:])
	tx.id = hex.EncodeToString(id[:])
	own, err := json.Marshal(head{tx.id, tx.requests})
	if err != nil {
		return nil, nil, fmt.Errorf("encode the head of a commit: %w", err)
	}
	writes = append(writes, store.Write{Key: headKey, Value: own})
	slices.SortFunc(writes, func(a, b store.Write) int { return strings.Compare(a.Key, b.Key) })
	for _, t := range tx.tables() {
		t.freeze()
	}
	tx.writes = writes
	tx.model.expect(tx)
	return guards, writes, nil
}

// Fate returns what became of a Tx that was handed to the store. A commit that is
// Absent comes no more once another one under one of its guards is in.
func (tx *Tx) Fate() Fate {
	tx.model.mu.Lock()
	defer tx.model.mu.Unlock()
	return tx.model.handed[tx.id]
}

// Finish forgets a Tx that was handed to the store.
func (tx *Tx) Finish() {
	tx.model.mu.Lock()
	defer tx.model.mu.Unlock()
	delete(tx.model.handed, tx.id)
}

// expect keeps a Tx that is about to be committed: if the next commit is found
// to be just that, its rows need not be read back from their stored form.
func (m *Model) expect(tx *Tx) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own = tx
	m.handed[tx.id] = Absent
}

// arrived notes whose commit a batch is and returns the calls that it answers. The
// caller holds m.mu.
func (m *Model) arrived(b store.Batch) (requests []string) {
	for _, e := range b.Entries {
		var h head
		if e.Key == headKey && json.Unmarshal(e.Value, &h) == nil {
			if _, ours := m.handed[h.ID]; ours {
				m.handed[h.ID] = Present
			}
			requests = h.Requests
		}
	}
	return requests
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
