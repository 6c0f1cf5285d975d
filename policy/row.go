// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"sort"
)

// NoRule is the rule number that means none matches.
const NoRule = 0xffff

// MaxRules is how many rules one direction may have: their steps are counted
// in 16 bits. API quotas are far below.
const MaxRules = 0x7ffe

// FlagAllPorts marks keys at which one of the matching rules admits everything of
// the key's protocol: an all-ports rule (section 2.1, condition 4, and 4.5).
const FlagAllPorts = 1 << 0

// Step says which rule admits the keys from Start up to the next step.
type Step struct {
	Start uint32
	Rule  uint16 // NoRule: none does
	Flags uint8
}

// Row is a step function over all keys: steps in order of Start, the first at
// 0, neighbours different. The zero Row admits nothing.
type Row []Step

// At returns the step that holds key.
func (r Row) At(key uint32) Step {
	i := sort.Search(len(r), func(i int) bool { return r[i].Start > key })
	if i == 0 {
		return Step{Rule: NoRule}
	}
	return r[i-1]
}

// numbered is a rule's range of keys under the rule's number.
type numbered struct {
	span
	rule     uint16
	allPorts bool
}

// newRow merges ranges into a row. They must be in ascending order of rule:
// each paints the keys that no rule before it took, so the lowest number wins.
func newRow(ranges []numbered) Row {
	if len(ranges) == 1 && !ranges[0].allPorts {
		return oneRange(ranges[0])
	}
	bounds := make([]uint32, 1, 2*len(ranges)+1)
	for _, n := range ranges {
		if n.lo > n.hi {
			continue
		}
		bounds = append(bounds, n.lo)
		if n.hi < maxKey {
			bounds = append(bounds, n.hi+1)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)

	steps := make([]Step, len(bounds))
	for i, b := range bounds {
		steps[i] = Step{Start: b, Rule: NoRule}
	}
	free := newGaps(len(steps))
	var flagged map[span]bool
	for _, n := range ranges {
		if n.lo > n.hi {
			continue
		}
		first, _ := slices.BinarySearch(bounds, n.lo)
		end, _ := slices.BinarySearch(bounds, n.hi+1)
		for i := free.next(first); i < end; i = free.next(i + 1) {
			steps[i].Rule = n.rule
			free.take(i)
		}
		if n.allPorts && !flagged[n.span] {
			if flagged == nil {
				flagged = make(map[span]bool)
			}
			flagged[n.span] = true
			for i := first; i < end; i++ {
				steps[i].Flags |= FlagAllPorts
			}
		}
	}
	row := Row(slices.CompactFunc(steps, func(a, b Step) bool {
		return a.Rule == b.Rule && a.Flags == b.Flags
	}))
	if len(row) == 1 && row[0].Rule == NoRule {
		return nil
	}
	return slices.Clip(row)
}

// oneRange is newRow for most rows there are: those of a prefix that one rule
// names.
func oneRange(n numbered) Row {
	if n.lo > n.hi {
		return nil
	}
	return appendOneRange(make(Row, 0, maxOneRange), n)
}

const maxOneRange = 3 // steps

// appendOneRange appends the steps of a range that is not empty.
func appendOneRange(row []Step, n numbered) []Step {
	if n.lo > 0 {
		row = append(row, Step{Start: 0, Rule: NoRule})
	}
	row = append(row, Step{Start: n.lo, Rule: n.rule})
	if n.hi < maxKey {
		row = append(row, Step{Start: n.hi + 1, Rule: NoRule})
	}
	return row
}

// gaps finds the next place not yet taken, skipping runs of taken ones.
type gaps []int32

func newGaps(n int) gaps {
	g := make(gaps, n+1)
	for i := range g {
		g[i] = int32(i)
	}
	return g
}

func (g gaps) next(i int) int {
	for int(g[i]) != i {
		g[i] = g[g[i]]
		i = int(g[i])
	}
	return i
}

func (g gaps) take(i int) { g[i] = int32(i + 1) }
