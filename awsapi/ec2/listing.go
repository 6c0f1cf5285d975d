// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"iter"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// finder leads from filters to the rows of a table that can match, so that a
// Describe costs what it shows and not what there is.
type finder[T any] struct {
	table func(*model.Snapshot) *model.Table[T]
	scope func(*T) secgroup.Scope
	by    []way // the first whose filter is in the request is taken
}

// way is a filter whose values an index knows.
type way struct {
	filter string                                                  // its name, or "tag:" for all of tags
	index  string                                                  // of the model, or theirIDs
	value  func(scope secgroup.Scope, filter, value string) string // that the index has for the filter's
}

// theirIDs stands for the rows' ids in the place of an index.
const theirIDs = ""

// itself is the value of an index that is about ids.
func itself(_ secgroup.Scope, _, value string) string { return value }

// tagWay finds rows by a tag. The table must have the index.
var tagWay = way{"tag:", model.ByTag, func(scope secgroup.Scope, filter, value string) string {
	return model.TagValue(scope, strings.TrimPrefix(filter, "tag:"), value)
}}

// rows yields the scope's rows that the filters can match, among others perhaps,
// by age, from behind a place on.
func (f finder[T]) rows(snap *model.Snapshot, scope secgroup.Scope, in []ec2types.Filter, after model.Place) iter.Seq[*T] {
	table := f.table(snap)
	for _, w := range f.by {
		for i := range in {
			name := deref(in[i].Name)
			if name != w.filter && (w.filter != tagWay.filter || !strings.HasPrefix(name, w.filter)) || slices.ContainsFunc(in[i].Values, isPattern) {
				continue
			}
			values := make([]string, len(in[i].Values))
			for j, v := range in[i].Values {
				values[j] = w.value(scope, name, v)
			}
			return f.own(scope, behind(table, w.index, values, after))
		}
	}
	return table.After(model.ByScope, model.ScopeValue(scope), after)
}

func isPattern(value string) bool { return strings.ContainsAny(value, `*?\`) }

// own drops rows of others.
func (f finder[T]) own(scope secgroup.Scope, rows iter.Seq[*T]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for row := range rows {
			if f.scope(row) == scope && !yield(row) {
				return
			}
		}
	}
}

// behind yields the rows that an index has under any of the values, each once, by
// age, from behind a place on.
func behind[T any](table *model.Table[T], index string, values []string, after model.Place) iter.Seq[*T] {
	if len(values) == 1 && index != theirIDs {
		return table.After(index, values[0], after)
	}
	var rows []*T
	for _, v := range values {
		if index != theirIDs {
			rows = slices.AppendSeq(rows, table.By(index, v))
		} else if row := table.Get(v); row != nil {
			rows = append(rows, row)
		}
	}
	return aged(table, rows, after)
}

// aged yields rows by age, each once, from behind a place on.
func aged[T any](table *model.Table[T], rows []*T, after model.Place) iter.Seq[*T] {
	rows = slices.DeleteFunc(rows, func(row *T) bool { return table.Place(row).Compare(after) <= 0 })
	slices.SortFunc(rows, func(a, b *T) int { return table.Place(a).Compare(table.Place(b)) })
	return slices.Values(slices.Compact(rows))
}

// walk is list for rows that come in the order of their keys, from behind the
// cursor on: it reads no further than the page.
func walk[T, Out any](c cursor, rows iter.Seq[*T], match func(*T) bool, key func(*T) string, show func(*T) Out) ([]Out, *string) {
	shown := []Out{}
	var last *T
	for row := range rows {
		if !match(row) {
			continue
		}
		if c.limit > 0 && len(shown) == c.limit {
			return shown, c.next(key(last))
		}
		shown = append(shown, show(row))
		last = row
	}
	return shown, nil
}

// place returns the place that the walk goes on behind; ok is false for a token
// that none was made of.
func (c cursor) place() (after model.Place, ok bool) {
	if c.after == "" {
		return model.Place{}, true
	}
	return model.PlaceOf(c.after)
}
