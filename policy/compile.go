// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
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

	// Rows are the distinct rows that Routes refer to.
	Rows []Row

	// Routes are sorted by address, then length. The longest prefix around a
	// remote address has the whole answer of all CIDR and prefix-list rules.
	Routes [flow.NumFamilies][]Route

	// Any holds the any-CIDR rules for TCP and UDP alone, with FlagAllPorts,
	// from which untracked is decided (section 2.1).
	Any [flow.NumFamilies]Row

	index   [flow.NumFamilies]map[netip.Prefix]int // prefix -> row
	lengths [flow.NumFamilies][]int                // prefix lengths in use, longest first
	groups  map[string][]int                       // group -> numbers of the rules that name it
	source  []Rule
}

// Route gives the row of one prefix: an index into Table.Rows.
type Route struct {
	Prefix netip.Prefix
	Row    int
}

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
	var byPrefix [flow.NumFamilies]map[netip.Prefix][]int
	for f := range byPrefix {
		byPrefix[f] = make(map[netip.Prefix][]int)
	}
	add := func(p netip.Prefix, rule int) {
		if !p.IsValid() || p.Addr().Is4In6() {
			return
		}
		p = p.Masked()
		m := byPrefix[family(p.Addr())]
		if l := m[p]; len(l) == 0 || l[len(l)-1] != rule {
			m[p] = append(l, rule)
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
	for f := range byPrefix {
		t.route(flow.Family(f), byPrefix[f], shared)
		t.Any[f] = t.anyRow(flow.Family(f))
	}
	return t
}

// route walks the prefixes of one family from the outside in, so that the rules
// of the prefixes around each are known when its turn comes.
func (t *Table) route(f flow.Family, own map[netip.Prefix][]int, shared map[string]int) {
	prefixes := make([]netip.Prefix, 0, len(own))
	for p := range own {
		prefixes = append(prefixes, p)
	}
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	t.index[f] = make(map[netip.Prefix]int, len(prefixes))

	type level struct {
		prefix netip.Prefix
		rules  []int // own and around, ascending
	}
	var around []level
	used := make(map[int]bool)
	for _, p := range prefixes {
		for len(around) > 0 && !around[len(around)-1].prefix.Contains(p.Addr()) {
			around = around[:len(around)-1]
		}
		rules := own[p]
		if len(around) > 0 {
			rules = union(around[len(around)-1].rules, rules)
		}
		around = append(around, level{p, rules})

		row := newRow(t.ranges(f, rules))
		id := row.identity()
		n, ok := shared[id]
		if !ok {
			n = len(t.Rows)
			shared[id] = n
			t.Rows = append(t.Rows, row)
		}
		t.Routes[f] = append(t.Routes[f], Route{p, n})
		t.index[f][p] = n
		used[p.Bits()] = true
	}
	for bits := range used {
		t.lengths[f] = append(t.lengths[f], bits)
	}
	slices.SortFunc(t.lengths[f], func(a, b int) int { return b - a })
}

// union merges two ascending lists.
func union(a, b []int) []int {
	out := make([]int, 0, len(a)+len(b))
	out = append(append(out, a...), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// ranges returns the keys that the given rules admit in family f.
func (t *Table) ranges(f flow.Family, rules []int) []numbered {
	out := make([]numbered, 0, len(rules))
	for _, i := range rules {
		out = append(out, numbered{span: t.source[i].span(f), rule: uint16(i)})
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
	return newRow(t.ranges(f, slices.Compact(rules)))
}
