// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/flow"
)

// TestRows pins the form that the datapath reads.
func TestRows(t *testing.T) {
	tests := []struct {
		name string
		rule Rule
		want Row
	}{
		{"tcp 80", Rule{"", 6, 80, 80, cidr("0.0.0.0/0")},
			Row{{0, NoRule, 0}, {0x060050, 0, 0}, {0x060051, NoRule, 0}}},
		{"proto 50", Rule{"", 50, 0, 0, cidr("0.0.0.0/0")},
			Row{{0, NoRule, 0}, {0x320000, 0, FlagAllPorts}, {0x330000, NoRule, 0}}},
		{"all", Rule{"", All, 0, 0, cidr("0.0.0.0/0")}, Row{{0, 0, FlagAllPorts}}},
		{"icmp echo", Rule{"", 1, 8, -1, cidr("0.0.0.0/0")},
			Row{{0, NoRule, 0}, {0x010800, 0, 0}, {0x010900, NoRule, 0}}},
		{"proto 255", Rule{"", 255, 0, 0, cidr("0.0.0.0/0")}, Row{{0, NoRule, 0}, {0xff0000, 0, FlagAllPorts}}},
		{"icmpv6 for IPv4", Rule{"", 58, -1, -1, cidr("0.0.0.0/0")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := Compile(Source{flow.Ingress: {tt.rule}}).Tables[flow.Ingress]
			routes := table.Routes[flow.IPv4]
			if len(routes) != 1 {
				t.Fatalf("%d routes, want 1", len(routes))
			}
			if got := table.Rows[routes[0].Row]; !slices.Equal(got, tt.want) {
				t.Errorf("row %v, want %v", got, tt.want)
			}
		})
	}
}

// TestRowsAreShared holds that a long prefix list costs one row.
func TestRowsAreShared(t *testing.T) {
	var peer Peer
	for i := range 1000 {
		peer.Prefixes = append(peer.Prefixes, cidr(fmt.Sprintf("10.%d.%d.0/24", i>>8, i&0xff)).Prefix)
	}
	table := Compile(Source{{{"r", 6, 22, 22, peer}, {"s", 6, 23, 23, peer}}}).Tables[flow.Ingress]
	if got := len(table.Rows); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	if got := len(table.Routes[flow.IPv4]); got != 1000 {
		t.Errorf("%d routes, want 1000", got)
	}
}

func TestGroups(t *testing.T) {
	p := Compile(Source{
		flow.Ingress: {{"", 6, 1, 1, group("b")}, {"", 6, 1, 1, group("a")}},
		flow.Egress:  {{"", 6, 1, 1, group("b")}, {"", 6, 1, 1, cidr("::/0")}},
	})
	if got, want := p.Groups(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("Groups = %v, want %v", got, want)
	}
	if row := p.Tables[flow.Egress].GroupRow(flow.IPv4, []string{"a", "unknown"}); row != nil {
		t.Errorf("egress row of a group that egress rules do not name: %v", row)
	}
}

// TestLookupDepth holds that a thousand rules need at most twelve steps of
// binary search, whatever the ranges.
func TestLookupDepth(t *testing.T) {
	var rules []Rule
	for i := range 1000 {
		rules = append(rules, Rule{fmt.Sprint(i), 6, i * 3, i*3 + 1, cidr("0.0.0.0/0")})
	}
	table := Compile(Source{rules}).Tables[flow.Ingress]
	if n := len(table.Rows[0]); n > 1<<11 {
		t.Errorf("%d steps in one row", n)
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{10, 1000} {
		ports := make([]Rule, n)
		for i := range ports {
			ports[i] = Rule{fmt.Sprint(i), 6, i * 3, i*3 + 1, cidr("0.0.0.0/0")}
		}
		for name, rules := range map[string][]Rule{"addresses": many(n), "ports": ports} {
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Compile(Source{flow.Ingress: rules, flow.Egress: rules})
				}
			})
		}
	}
}
