// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"maps"
	"slices"
)

// keyset is a set of ids.
type keyset map[string]struct{}

func (s keyset) add(id string)      { s[id] = struct{}{} }
func (s keyset) has(id string) bool { _, ok := s[id]; return ok }
func (s keyset) sorted() []string   { return slices.Sorted(maps.Keys(s)) }

// count counts holders of an id; one without holders is absent.
type count map[string]int

// move takes the holds on was back and adds those on now. first and last are
// called for ids that got their first holder or lost their last.
func (c count) move(was, now []string, first, last func(string)) {
	for _, id := range now {
		if c[id]++; c[id] == 1 {
			first(id)
		}
	}
	for _, id := range was {
		if c[id]--; c[id] == 0 {
			delete(c, id)
			last(id)
		}
	}
}
