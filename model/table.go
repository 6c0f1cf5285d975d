// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

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
	indexes []index[T]
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
	indexes []*btree.Set[string] // one per schema index, of value + "\x00" + id
	dirty   map[Ref]any          // of the Tx this table belongs to; nil when read-only
}

func newTable[T any](s *schema[T]) Table[T] {
	t := Table[T]{schema: s, rows: new(btree.Map[string, *T])}
	for range s.indexes {
		t.indexes = append(t.indexes, new(btree.Set[string]))
	}
	return t
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

// By yields the rows whose index has the value, ordered by id. It panics when
// the table has no such index: that is a bug.
func (t *Table[T]) By(name, value string) iter.Seq[*T] {
	i := t.schema.index(name)
	return func(yield func(*T) bool) {
		prefix := value + "\x00"
		t.indexes[i].Ascend(prefix, func(entry string) bool {
			id, ok := strings.CutPrefix(entry, prefix)
			if !ok {
				return false
			}
			row, _ := t.rows.Get(id)
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

// Put adds or replaces the row. It panics on a read-only table.
func (t *Table[T]) Put(row *T) {
	id := t.schema.id(row)
	t.dirty[Ref{t.schema.kind, id}] = row // a nil map panics: this table is read-only
	t.set(id, row)
}

// Delete removes the row; an absent one is no error. It panics on a read-only
// table.
func (t *Table[T]) Delete(id string) {
	if t.Get(id) == nil {
		return
	}
	t.dirty[Ref{t.schema.kind, id}] = nil
	t.set(id, nil)
}

// set replaces the row and its index entries; nil removes both.
func (t *Table[T]) set(id string, row *T) {
	old, _ := t.rows.Get(id)
	if row == nil {
		t.rows.Delete(id)
	} else {
		t.rows.Set(id, row)
	}
	for i, ix := range t.schema.indexes {
		var before, after []string
		if old != nil {
			before = ix.values(old)
		}
		if row != nil {
			after = ix.values(row)
		}
		t.reindex(t.indexes[i], id, before, after)
	}
}

// reindex replaces a row's entries in one index. What most changes of a row leave
// as it was, they cost nothing: a group has an entry for each of its rules.
func (t *Table[T]) reindex(ix *btree.Set[string], id string, before, after []string) {
	if slices.Equal(before, after) {
		return
	}
	stays := make(map[string]bool, len(before))
	for _, v := range before {
		stays[v] = false
	}
	for _, v := range after {
		if _, had := stays[v]; had {
			stays[v] = true
		} else {
			ix.Insert(v + "\x00" + id)
		}
	}
	for v, stays := range stays {
		if !stays {
			ix.Delete(v + "\x00" + id)
		}
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

// anyTable is a table whose row type is not known: what loading and following
// need.
type anyTable interface {
	kindOf() Kind
	load(id string, value []byte) error
	copyTo(dirty map[Ref]any)
}

func (t *Table[T]) kindOf() Kind { return t.schema.kind }

// load takes a row as the store has it; nil removes it.
func (t *Table[T]) load(id string, value []byte) error {
	if value == nil {
		t.set(id, nil)
		return nil
	}
	row := new(T)
	if err := json.Unmarshal(value, row); err != nil {
		return fmt.Errorf("read %s %s: %w", t.schema.kind, id, err)
	}
	t.set(id, row)
	return nil
}

// copyTo makes the table independent of the one it was copied from.
func (t *Table[T]) copyTo(dirty map[Ref]any) {
	t.rows = t.rows.Copy()
	indexes := make([]*btree.Set[string], len(t.indexes))
	for i, ix := range t.indexes {
		indexes[i] = ix.Copy()
	}
	t.indexes = indexes
	t.dirty = dirty
}
