// SPDX-License-Identifier: Apache-2.0

package model

import (
	"runtime"
	"sync"

	"github.com/hedgeward/hedgeward/store"
)

// loadAll fills an empty snapshot. Stored forms are read on all CPUs, because
// that is most of a start; rows go in one after the other.
func (s *Snapshot) loadAll(entries []store.Entry) error {
	type loaded struct {
		table anyTable
		id    string
		row   any
	}
	rows := make([]loaded, len(entries))
	parts := max(1, min(runtime.GOMAXPROCS(0), len(entries)))
	errs := make([]error, parts)
	var readers sync.WaitGroup
	for part := range parts {
		readers.Go(func() {
			tables := map[Kind]anyTable{}
			for i := part; i < len(entries) && errs[part] == nil; i += parts {
				ref, ok := refOf(entries[i].Key)
				if !ok || ref.Kind == scopes {
					continue
				}
				if tables[ref.Kind] == nil {
					if tables[ref.Kind], errs[part] = s.table(ref.Kind); errs[part] != nil {
						continue
					}
				}
				rows[i] = loaded{table: tables[ref.Kind], id: ref.ID}
				rows[i].row, errs[part] = rows[i].table.decode(ref.ID, entries[i].Value)
			}
		})
	}
	readers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for i, r := range rows {
		if r.table != nil {
			r.table.put(r.id, r.row)
		} else if ref, ok := refOf(entries[i].Key); ok {
			s.guards.Set(ref.ID, entries[i].Revision)
		}
	}
	return nil
}
