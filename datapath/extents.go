// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"cmp"
	"fmt"
	"slices"
)

// extent is a run of places in the steps map.
type extent struct{ offset, count uint32 }

// extents hands out places in the steps map, first fit. free is sorted and
// without touching neighbours.
type extents struct {
	free []extent
	size uint32
}

// newExtents returns the places of a map of the given size that none of used
// takes; used may overlap.
func newExtents(size uint32, used []extent) *extents {
	slices.SortFunc(used, func(a, b extent) int { return cmp.Compare(a.offset, b.offset) })
	e := &extents{size: size}
	var at uint32
	for _, u := range used {
		if u.offset > at {
			e.free = append(e.free, extent{at, u.offset - at})
		}
		at = max(at, u.offset+u.count)
	}
	if at < size {
		e.free = append(e.free, extent{at, size - at})
	}
	return e
}

// take returns count adjacent places. Nothing is taken on error.
func (e *extents) take(count uint32) (extent, error) {
	if count == 0 {
		return extent{}, nil
	}
	for i, f := range e.free {
		if f.count < count {
			continue
		}
		if f.count == count {
			e.free = slices.Delete(e.free, i, i+1)
		} else {
			e.free[i] = extent{f.offset + count, f.count - count}
		}
		return extent{f.offset, count}, nil
	}
	return extent{}, fmt.Errorf("no room for %d steps of rules among %d: %w", count, e.size, errFull)
}

// give returns places that take handed out.
func (e *extents) give(x extent) {
	if x.count == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(e.free, x, func(a, b extent) int { return cmp.Compare(a.offset, b.offset) })
	e.free = slices.Insert(e.free, i, x)
	if i+1 < len(e.free) && e.free[i].offset+e.free[i].count == e.free[i+1].offset {
		e.free[i].count += e.free[i+1].count
		e.free = slices.Delete(e.free, i+1, i+2)
	}
	if i > 0 && e.free[i-1].offset+e.free[i-1].count == e.free[i].offset {
		e.free[i-1].count += e.free[i].count
		e.free = slices.Delete(e.free, i, i+1)
	}
}
