// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestRuleKeyText(t *testing.T) {
	prefix := Peer{Prefix: netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		key  RuleKey
		want string
	}{
		{RuleKey{Protocol: TCP, From: 80, To: 80, Peer: prefix}, "peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW"},
		{RuleKey{Protocol: UDP, From: 53, To: 54, Peer: Peer{Group: "sg-1"}}, "peer: sg-1, UDP, from port: 53, to port: 54, ALLOW"},
		{RuleKey{Protocol: AllProtocols, From: -1, To: -1, Peer: Peer{Prefix: netip.MustParsePrefix("::/0")}}, "peer: ::/0, ALL, ALLOW"},
		{RuleKey{Protocol: 50, From: -1, To: -1, Peer: Peer{PrefixList: "pl-1"}}, "peer: pl-1, protocol: 50, ALLOW"},
		{RuleKey{Protocol: ICMP, From: 8, To: -1, Peer: prefix}, "peer: 10.0.0.0/8, ICMP, type: 8, code: ALL, ALLOW"},
		{RuleKey{Protocol: ICMPv6, From: -1, To: -1, Peer: prefix}, "peer: 10.0.0.0/8, ICMPv6, type: ALL, code: ALL, ALLOW"},
	} {
		if got := tt.key.String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestGrouped(t *testing.T) {
	four, six := Peer{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, Peer{Prefix: netip.MustParsePrefix("::/0")}
	office := "office"
	rule := func(egress bool, p Protocol, port int32, peer Peer) Rule {
		return Rule{RuleKey: RuleKey{Egress: egress, Protocol: p, From: port, To: port, Peer: peer}}
	}
	first := rule(false, TCP, 22, four)
	first.Description = &office
	third := rule(false, TCP, 22, Peer{Group: "sg-1"})
	third.GroupOwner = "111122223333"
	rules := []Rule{first, rule(false, UDP, 53, four), rule(true, AllProtocols, -1, six), third, rule(false, TCP, 23, four), rule(false, TCP, 22, six)}

	want := []Permission{
		{Protocol: TCP, From: 22, To: 22, Peers: []Pair{
			{Peer: four, Description: &office}, {Peer: Peer{Group: "sg-1"}, GroupOwner: "111122223333"}, {Peer: six},
		}},
		{Protocol: UDP, From: 53, To: 53, Peers: []Pair{{Peer: four}}},
		{Protocol: TCP, From: 23, To: 23, Peers: []Pair{{Peer: four}}},
	}
	if d := cmp.Diff(want, Grouped(rules, false), cmpopts.EquateComparable(netip.Prefix{})); d != "" {
		t.Error(d)
	}
	want = []Permission{{Protocol: AllProtocols, From: -1, To: -1, Peers: []Pair{{Peer: six}}}}
	if d := cmp.Diff(want, Grouped(rules, true), cmpopts.EquateComparable(netip.Prefix{})); d != "" {
		t.Error(d)
	}
}

// drawRule is one of few rules, so that equal ones are common, and of more ports
// than Alike searches without a map.
var drawRule = rapid.Custom(func(t *rapid.T) Rule {
	return Rule{RuleKey: RuleKey{
		Egress:   rapid.Bool().Draw(t, "egress"),
		Protocol: rapid.SampledFrom([]Protocol{AllProtocols, TCP, UDP, 50}).Draw(t, "protocol"),
		From:     rapid.Int32Range(1, 9).Draw(t, "from"),
		To:       rapid.Int32Range(2, 3).Draw(t, "to"),
		Peer:     Peer{Group: rapid.StringMatching("sg-[a-d]").Draw(t, "group")},
	}}
})

// Rules of more ports than are searched one by one are together all the same.
func TestAlikeOfManyPorts(t *testing.T) {
	var rules []Rule
	for i := range 120 {
		rules = append(rules, Rule{ID: fmt.Sprint(i), RuleKey: RuleKey{Protocol: TCP, From: int32(i % 40), Egress: i%3 == 0}})
	}
	for _, egress := range []bool{false, true} {
		n := 0
		for i, alike := range Alike(rules, egress) {
			for j, r := range alike {
				if n++; r.From != alike[0].From || r.Egress != egress || j > 0 && r.ID == alike[j-1].ID {
					t.Errorf("list %d holds %+v with %+v", i, r, alike[0])
				}
			}
		}
		if want := map[bool]int{false: 80, true: 40}[egress]; n != want {
			t.Errorf("%d of %d rules are there", n, want)
		}
		if lists := len(Alike(rules, egress)); lists != 40 {
			t.Errorf("%d lists, want 40", lists)
		}
	}
}

// TestGroupedKeepsEveryRule: the grouped view is another arrangement of the same
// rules, with one item per protocol and ports.
func TestGroupedKeepsEveryRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfDistinct(drawRule, func(r Rule) RuleKey { return r.RuleKey }).Draw(t, "rules")
		seen := map[RuleKey]bool{}
		for _, egress := range []bool{false, true} {
			items := map[RuleKey]bool{}
			for _, p := range Grouped(rules, egress) {
				if item := p.Key(egress, Peer{}); items[item] {
					t.Fatalf("two items for %v", item)
				} else {
					items[item] = true
				}
				for _, pair := range p.Peers {
					seen[p.Key(egress, pair.Peer)] = true
				}
			}
		}
		for _, r := range rules {
			if !seen[r.RuleKey] {
				t.Fatalf("%v is lost", r.RuleKey)
			}
		}
		if len(seen) != len(rules) {
			t.Fatalf("%d rules became %d", len(rules), len(seen))
		}
	})
}
