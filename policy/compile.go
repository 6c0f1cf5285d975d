// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
)

// Policy is the compiled form of a Source. It is immutable. The zero Policy
// admits nothing.
type Policy struct {
	Tables [flow.NumDirections]Table
	groups []string
}

// Table is one direction of a Policy. Its exported fields are what a datapath
// installs; they must not be changed.
type Table struct {
	Rules []string // rule ids by number

	// Rows are what Routes refer to, one per set of rules that a prefix has.
	Rows []Row

	// Routes are sorted by address, then length. The longest prefix around a
	// remote address has the whole answer of all CIDR and prefix-list rules.
	Routes [flow.NumFamilies][]Route

	// Any holds the any-CIDR rules for TCP and UDP alone, with FlagAllPorts,
	// from which untracked is decided (section 2.1).
	Any [flow.NumFamilies]Row

	lengths [flow.NumFamilies][]int // prefix lengths in use, longest first
	groups  map[string][]int        // group -> numbers of the rules that name it
	source  []Rule
}

// Route gives the row of one prefix: an index into Table.Rows.
type Route struct {
	Prefix netip.Prefix
	Row    int
}

// Compare orders routes as Table.Routes are.
func (r Route) Compare(other Route) int { return comparePrefixes(r.Prefix, other.Prefix) }

// Compile builds the tables. The same Source always gives equal tables. Rules
// whose peer or range is invalid match nothing. It panics when a direction has
// more than MaxRules rules, which the quotas of the API exclude.
func Compile(src Source) *Policy {
	p := &Policy{}
	for d := range p.Tables {
		p.Tables[d] = compileTable(src[d])
		for g := range p.Tables[d].groups {
			p.groups = append(p.groups, g)
		}
	}
	slices.Sort(p.groups)
	p.groups = slices.Compact(p.groups)
	return p
}

// Groups returns the groups that rules name as peers, sorted. The caller must
// not change the slice.
func (p *Policy) Groups() []string { return p.groups }

func compileTable(rules []Rule) Table {
	if len(rules) > MaxRules {
		panic(fmt.Sprintf("policy: %d rules in one direction, at most %d", len(rules), MaxRules))
	}
	t := Table{
		Rules:  make([]string, len(rules)),
		groups: make(map[string][]int),
		source: slices.Clone(rules),
	}
	var own [flow.NumFamilies][]owned
	own[flow.IPv4] = make([]owned, 0, len(rules))
	add := func(p netip.Prefix, rule int) {
		if p.IsValid() && !p.Addr().Is4In6() {
			f := family(p.Addr())
			own[f] = append(own[f], newOwned(p.Masked(), rule))
		}
	}
	for i := range rules {
		r := &rules[i]
		t.Rules[i] = r.ID
		add(r.Peer.Prefix, i)
		for _, p := range r.Peer.Prefixes {
			add(p, i)
		}
		if g := r.Peer.Group; g != "" {
			t.groups[g] = append(t.groups[g], i)
		}
	}
	shared := make(map[string]int)
	for f := range own {
		t.route(flow.Family(f), own[f], shared)
		t.Any[f] = t.anyRow(flow.Family(f))
	}
	return t
}

// owned is a prefix that a rule names. high and low are its address, for sorting.
type owned struct {
	prefix    netip.Prefix
	high, low uint64
	rule      int
}

func newOwned(p netip.Prefix, rule int) owned {
	a := p.Addr().As16()
	return owned{p, binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), rule}
}

// compareOwned orders as comparePrefixes does, and within a prefix by rule.
func compareOwned(a, b owned) int {
	switch {
	case a.high != b.high:
		return cmp.Compare(a.high, b.high)
	case a.low != b.low:
		return cmp.Compare(a.low, b.low)
	case a.prefix.Bits() != b.prefix.Bits():
		return a.prefix.Bits() - b.prefix.Bits()
	}
	return a.rule - b.rule
}

// comparePrefixes orders prefixes as Table.Routes are: those around others first.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// route walks the prefixes of one family from the outside in, so that the rules
// of the prefixes around each are known when its turn comes. shared holds the
// rows there are, by the numbers of the rules that they are made of; most are made
// of one rule alone, which single holds.
func (t *Table) route(f flow.Family, own []owned, shared map[string]int) {
	slices.SortFunc(own, compareOwned)
	single := make([]int, len(t.Rules)) // index of the row, plus one
	t.Routes[f] = make([]Route, 0, len(own))
	steps := make([]Step, 0, maxOneRange*len(own)) // room for rows of one rule
	type level struct {
		prefix netip.Prefix
		rules  []int // own and around, ascending
	}
	var around []level
	var used [129]bool // lengths
	var key []byte
	numbers := make([]int, 0, len(own))
	var ranges []numbered
	for len(own) > 0 {
		p, n := own[0].prefix, 1
		for n < len(own) && own[n].prefix == p {
			n++
		}
		from := len(numbers)
		for _, o := range own[:n] {
			if len(numbers) == from || numbers[len(numbers)-1] != o.rule {
				numbers = append(numbers, o.rule)
			}
		}
		rules := numbers[from:len(numbers):len(numbers)]
		own = own[n:]
		for len(around) > 0 && !around[len(around)-1].prefix.Contains(p.Addr()) {
			around = around[:len(around)-1]
		}
		if len(around) > 0 {
			rules = union(around[len(around)-1].rules, rules)
		}
		around = append(around, level{p, rules})

		if len(rules) == 1 {
			at := &single[rules[0]]
			if *at == 0 {
				ranges = t.appendRanges(ranges[:0], f, rules)
				if n := ranges[0]; n.lo <= n.hi && !n.allPorts {
					from := len(steps)
					steps = appendOneRange(steps, n)
					t.Rows = append(t.Rows, Row(steps[from:len(steps):len(steps)]))
				} else {
					t.Rows = append(t.Rows, newRow(ranges))
				}
				*at = len(t.Rows)
			}
			t.Routes[f] = append(t.Routes[f], Route{p, *at - 1})
			used[p.Bits()] = true
			continue
		}
		key = append(key[:0], byte(f)) // the same rules are other keys in another family
		for _, r := range rules {
			key = binary.LittleEndian.AppendUint16(key, uint16(r))
		}
		row, ok := shared[string(key)]
		if !ok {
			row = len(t.Rows)
			shared[string(key)] = row
			ranges = t.appendRanges(ranges[:0], f, rules)
			t.Rows = append(t.Rows, newRow(ranges))
		}
		t.Routes[f] = append(t.Routes[f], Route{p, row})
		used[p.Bits()] = true
	}
	for bits := len(used) - 1; bits >= 0; bits-- {
		if used[bits] {
			t.lengths[f] = append(t.lengths[f], bits)
		}
	}
}

// union merges two ascending lists.
func union(a, b []int) []int {
	out := make([]int, 0, len(a)+len(b))
	out = append(append(out, a...), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// appendRanges appends the keys that the given rules admit in family f.
func (t *Table) appendRanges(out []numbered, f flow.Family, rules []int) []numbered {
	for _, i := range rules {
		out = append(out, numbered{t.source[i].span(f), uint16(i), t.source[i].whole(f)})
	}
	return out
}

func (t *Table) anyRow(f flow.Family) Row {
	var out []numbered
	for i := range t.source {
		r := &t.source[i]
		if r.Peer.anyCIDR(f) && r.untrackable() {
			out = append(out, numbered{r.span(f), uint16(i), r.allPorts()})
		}
	}
	return newRow(out)
}

// HasGroups reports whether any rule's peer is a group.
func (t *Table) HasGroups() bool { return len(t.groups) > 0 }

// GroupRow returns the row over the rules whose peer is one of groups: what
// membership alone admits, for one family. Groups that no rule names, unknown
// ones included, add nothing.
func (t *Table) GroupRow(f flow.Family, groups []string) Row {
	var rules []int
	for _, g := range groups {
		rules = append(rules, t.groups[g]...)
	}
	if len(rules) == 0 {
		return nil
	}
	slices.Sort(rules)
	return newRow(t.appendRanges(nil, f, slices.Compact(rules)))
}
