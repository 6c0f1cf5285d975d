// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/tidwall/btree"
)

// root is the prefix of every key; the number is the schema's version. A binary
// that finds a newer one refuses to start (see Open).
const (
	root          = "/hedgeward/v1/"
	schemaKey     = "/hedgeward/schema"
	schemaVersion = "1"
)

// Kind names a table, and is the second part of its keys in the store.
type Kind string

// Ref names one row of one table.
type Ref struct {
	Kind Kind
	ID   string
}

func (r Ref) key() string { return root + string(r.Kind) + "/" + r.ID }

// refOf takes a store key apart; ok is false for keys that are no rows.
func refOf(key string) (r Ref, ok bool) {
	rest, ok := strings.CutPrefix(key, root)
	if !ok {
		return Ref{}, false
	}
	kind, id, ok := strings.Cut(rest, "/")
	return Ref{Kind(kind), id}, ok && id != ""
}

// schema says how rows of one kind are found.
type schema[T any] struct {
	kind    Kind
	id      func(*T) string
	born    func(*T) time.Time // nil: rows have no age, and are in the order of their ids
	indexes []index[T]
	counted string // the index whose rows Count counts; "" for none
}

// index maps a row to the values by which it can be looked up.
type index[T any] struct {
	name   string
	values func(*T) []string
}

// Table holds the rows of one kind, ordered by id. Copies share structure: a
// copy is cheap and independent. Tables of a Snapshot are read-only; those of a
// Tx can be written.
type Table[T any] struct {
	schema  *schema[T]
	rows    *btree.Map[string, *T]
	indexes []*btree.BTreeG[entry]  // one per schema index
	counts  *btree.Map[string, int] // rows by value of the counted index; nil without one
	changes *changes                // of the Tx this table belongs to; nil when read-only
}

func newTable[T any](s *schema[T]) Table[T] {
	t := Table[T]{schema: s, rows: new(btree.Map[string, *T])}
	for range s.indexes {
		t.indexes = append(t.indexes, btree.NewBTreeGOptions(entry.before, btree.Options{NoLocks: true}))
	}
	if s.counted != "" {
		t.counts = new(btree.Map[string, int])
	}
	return t
}

// entry is one row under one value of one index. Its strings are the row's own
// where they can be.
type entry struct {
	value string
	place Place
}

func (e entry) before(other entry) bool {
	if c := strings.Compare(e.value, other.value); c != 0 {
		return c < 0
	}
	return e.place.Compare(other.place) < 0
}

// Get returns the row, or nil.
func (t *Table[T]) Get(id string) *T {
	row, _ := t.rows.Get(id)
	return row
}

// Len returns the number of rows.
func (t *Table[T]) Len() int { return t.rows.Len() }

// All yields every row, ordered by id.
func (t *Table[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		t.rows.Scan(func(_ string, row *T) bool { return yield(row) })
	}
}

// By yields the rows whose index has the value, ordered by Place. It panics when
// the table has no such index: that is a bug.
func (t *Table[T]) By(name, value string) iter.Seq[*T] { return t.After(name, value, Place{}) }

// After is By from the first row behind a place on, in a time that does not
// depend on how many are before it. The zero Place is before every row.
func (t *Table[T]) After(name, value string, after Place) iter.Seq[*T] {
	i := t.schema.index(name)
	return func(yield func(*T) bool) {
		t.indexes[i].Ascend(entry{value, after}, func(e entry) bool {
			if e.value != value {
				return false
			}
			if e.place == after {
				return true
			}
			row, _ := t.rows.Get(e.place.ID)
			return yield(row)
		})
	}
}

// Has reports whether any row's index has the value.
func (t *Table[T]) Has(name, value string) bool {
	for range t.By(name, value) {
		return true
	}
	return false
}

// Count returns how many rows By yields, without visiting them. It panics when
// the index is not the one that the table counts.
func (t *Table[T]) Count(name, value string) int {
	if name != t.schema.counted {
		panic(fmt.Sprintf("model: table %s does not count by %q", t.schema.kind, name))
	}
	n, _ := t.counts.Get(value)
	return n
}

// Place returns where a row is in every listing: behind all that are older.
func (t *Table[T]) Place(row *T) Place {
	p := Place{ID: t.schema.id(row)}
	if t.schema.born != nil {
		if born := t.schema.born(row); !born.IsZero() {
			p.Born = born.UnixNano()
		}
	}
	return p
}

// Put adds or replaces the row. It panics on a read-only table.
func (t *Table[T]) Put(row *T) { t.write(t.schema.id(row), row) }

// Delete removes the row; an absent one is no error. It panics on a read-only
// table.
func (t *Table[T]) Delete(id string) {
	if t.Get(id) != nil {
		t.write(id, nil)
	}
}

func (t *Table[T]) write(id string, row *T) {
	if t.changes == nil {
		panic("model: " + string(t.schema.kind) + " " + id + " is written in a table that is read-only")
	}
	t.changes.note(t, Ref{t.schema.kind, id}, t.set(id, row), row)
}

// set replaces the row and its index entries, and returns the row before; nil is
// none.
func (t *Table[T]) set(id string, row *T) (old *T) {
	if row == nil {
		old, _ = t.rows.Delete(id)
	} else {
		old, _ = t.rows.Set(id, row)
	}
	var was, is Place
	if old != nil {
		was = t.Place(old)
	}
	if row != nil {
		is = t.Place(row)
	}
	for i, ix := range t.schema.indexes {
		var before, after []string
		if old != nil {
			before = ix.values(old)
		}
		if row != nil {
			after = ix.values(row)
		}
		reindex(t.indexes[i], was, is, before, after)
		if t.schema.counted == ix.name {
			t.recount(before, -1)
			t.recount(after, 1)
		}
	}
	return old
}

// recount notes that as many more rows have each of the values.
func (t *Table[T]) recount(values []string, more int) {
	for _, v := range values {
		if n, _ := t.counts.Get(v); n+more != 0 {
			t.counts.Set(v, n+more)
		} else {
			t.counts.Delete(v)
		}
	}
}

// reindex replaces a row's entries in one index. What a change leaves as it was
// costs next to nothing: a group has an entry for each of its rules, and most
// changes add or remove one.
func reindex(ix *btree.BTreeG[entry], was, is Place, before, after []string) {
	if was == is {
		for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
			before, after = before[1:], after[1:]
		}
		for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
			before, after = before[:len(before)-1], after[:len(after)-1]
		}
	}
	for _, v := range before {
		ix.Delete(entry{v, was})
	}
	for _, v := range after {
		ix.Set(entry{v, is})
	}
}

func (s *schema[T]) index(name string) int {
	for i, ix := range s.indexes {
		if ix.name == name {
			return i
		}
	}
	panic(fmt.Sprintf("model: table %s has no index %q", s.kind, name))
}

// anyTable is a table whose row type is not known: what loading, following and
// taking back need.
type anyTable interface {
	kindOf() Kind
	decode(id string, value []byte) (row any, err error)
	put(id string, row any)
	copyTo(c *changes)
	freeze()
}

func (t *Table[T]) kindOf() Kind { return t.schema.kind }

// decode returns a row from its stored form; nil stands for none.
func (t *Table[T]) decode(id string, value []byte) (any, error) {
	if value == nil {
		return (*T)(nil), nil
	}
	row := new(T)
	if err := json.Unmarshal(value, row); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", t.schema.kind, id, err)
	}
	return row, nil
}

// put takes what decode or note returned.
func (t *Table[T]) put(id string, row any) { t.set(id, row.(*T)) }

// copyTo makes the table independent of the one it was copied from.
func (t *Table[T]) copyTo(c *changes) {
	t.rows = t.rows.Copy()
	indexes := make([]*btree.BTreeG[entry], len(t.indexes))
	for i, ix := range t.indexes {
		indexes[i] = ix.Copy()
	}
	t.indexes = indexes
	if t.counts != nil {
		t.counts = t.counts.Copy()
	}
	t.changes = c
}

// freeze makes the table read-only.
func (t *Table[T]) freeze() { t.changes = nil }
