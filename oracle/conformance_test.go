// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
)

// row is a line of the conformance table (docs/spec/packet-semantics.md section
// 7). Setup and steps are clauses between semicolons.
//
// Setup: "A: in tcp/22 H1/32" puts the rule, and those that follow, into a group
// of A's own; "g1: …" into the group g1; "A ∈ g1,g2" sets A's groups; "W" stands
// for the base group of 7.C; "pl1 = …" is a prefix list. An interface that the
// setup does not name is fully open.
//
// Steps: a packet with the verdicts expected, "B✓ A✗" by gate or just "✓" for
// the last gate that it met, and perhaps the reason of the last; "+59" seconds;
// a change; "entries 1", of A.
type row struct{ name, setup, steps string }

const topology = `
vpc V1 10.0.0.0/16 2001:db8:1::/56 subnets 10.0.1.0/24 10.0.2.0/24 2001:db8:1:1::/64
vpc V3 10.0.0.0/16 subnets 10.0.1.0/24
host H1 203.0.113.1
host H2 203.0.113.2
host H6 2001:db8:ffff::1
group open V1
rule open in all 0/0
rule open in all ::/0
rule open out all 0/0
rule open out all ::/0
group openX V3
rule openX in all 0/0
rule openX out all 0/0
interface A  V1 02:00:00:00:00:0a 10.0.1.10 2001:db8:1:1::a 10.0.1.11 10.0.1.64/28 groups open
interface A2 V1 02:00:00:00:00:2a 10.0.2.12 groups open
interface B  V1 02:00:00:00:00:0b 10.0.1.20 2001:db8:1:1::b 10.0.1.21 10.0.1.80/28 groups open
interface C  V1 02:00:00:00:00:0c 10.0.2.30 groups open
interface N  V1 02:00:00:00:00:0e 10.0.1.50 groups open
interface X  V3 02:00:00:00:00:0f 10.0.1.20 groups openX
`

var shorthand = map[string]string{
	"IN∅":  "",
	"OUT∅": "",
	"OUT*": "out all 0/0; out all ::/0",
	"OPEN": "in all 0/0; in all ::/0; out all 0/0; out all ::/0",
	"W":    "in tcp/22 H1/32; in tcp/80 0/0; in tcp/80 ::/0; in icmp all 0/0; out all 0/0; out all ::/0",
}

// clauses splits text at semicolons and replaces the shorthand.
func clauses(text string) []string {
	var out []string
	for _, c := range strings.Split(text, ";") {
		c = strings.TrimSpace(c)
		label, rest, labelled := strings.Cut(c, ": ")
		if !labelled {
			label, rest = "", c
		}
		if long, ok := shorthand[strings.TrimSpace(rest)]; ok {
			rest = long
		}
		if label != "" {
			out = append(out, label+":")
		}
		for _, r := range strings.Split(rest, ";") {
			if r = strings.TrimSpace(r); r != "" {
				out = append(out, r)
			}
		}
	}
	return out
}

// lab is a world in which a row is played.
type lab struct {
	t    *testing.T
	s    *testworld.Scenario
	w    *oracle.World
	now  time.Duration
	last testworld.Packet
}

func newLab(t *testing.T, setup string) *lab {
	t.Helper()
	s, err := testworld.Parse(topology)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, s: s, w: s.World}
	current := ""
	for _, c := range clauses(setup) {
		if name, label := strings.CutSuffix(c, ":"); label {
			current = l.begin(name)
			continue
		}
		if who, groups, ok := strings.Cut(c, " ∈ "); ok {
			for _, g := range strings.Split(groups, ",") {
				l.group(g)
			}
			l.change("groups " + who + " " + groups)
			continue
		}
		if name, blocks, ok := strings.Cut(c, " = "); ok {
			l.change("relist " + name + " " + blocks)
			continue
		}
		if l.setting(current, c) {
			continue
		}
		l.change("authorize " + current + " " + c)
	}
	return l
}

// begin makes the group of the name, which is an interface's or a group's, and
// returns the group's.
func (l *lab) begin(name string) string {
	if e := l.w.Interfaces[name]; e != nil {
		e.Groups = []string{"of" + name}
		name = "of" + name
	}
	l.group(name)
	return name
}

func (l *lab) group(name string) {
	if l.w.Groups[name] == nil {
		l.w.Groups[name] = &oracle.Group{Name: name, VPC: "V1"}
	}
}

// setting applies "check off", "no snapshot" and timeouts to the interface of the group.
func (l *lab) setting(group, c string) bool {
	e := l.w.Interfaces[strings.TrimPrefix(group, "of")]
	if e == nil {
		return false
	}
	name, value, _ := strings.Cut(c, "=")
	n, _ := strconv.Atoi(value)
	d := time.Duration(n) * time.Second
	switch name {
	case "no snapshot":
		e.Groups = nil
	case "check off":
		e.SourceDestCheck = false
	case "T_est":
		e.Timeouts.TCPEstablished = d
	case "UdpTimeout":
		e.Timeouts.UDP = d
	case "UdpStreamTimeout":
		e.Timeouts.UDPStream = d
	default:
		return false
	}
	return true
}

func (l *lab) change(text string) {
	l.t.Helper()
	ev, err := testworld.ParseEvent(text, l.w, l.s.Names, l.last)
	if err == nil && ev.Change == nil {
		err = fmt.Errorf("%q is no change", text)
	}
	if err == nil {
		err = ev.Change.Apply(l.w)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

const symbols = "✓✗⊘○"

var verdicts = map[string]flow.Verdict{"✓": flow.Accept, "✗": flow.Reject, "⊘": flow.Discard, "○": flow.Exempt}

// expectation is what a step says about one gate.
type expectation struct {
	gate    string // "" for the last gate
	verdict flow.Verdict
	reason  string // "" for any
}

// split takes the expectations off the end of a step.
func split(step string) (text string, want []expectation) {
	words := strings.Fields(step)
	i := slices.IndexFunc(words, func(s string) bool { return strings.ContainsAny(s, symbols) })
	if i < 0 {
		return step, nil
	}
	for _, s := range words[i:] {
		if j := strings.IndexAny(s, symbols); j >= 0 {
			want = append(want, expectation{gate: s[:j], verdict: verdicts[s[j:]]})
		} else {
			want[len(want)-1].reason = s
		}
	}
	return strings.Join(words[:i], " "), want
}

func (l *lab) play(steps string) {
	l.t.Helper()
	for _, step := range clauses(steps) {
		text, want := split(step)
		first, rest, _ := strings.Cut(text, " ")
		switch {
		case strings.HasPrefix(step, "+"):
			n, err := strconv.ParseFloat(step[1:], 64)
			if err != nil {
				l.t.Fatalf("read pause %q: %v", step, err)
			}
			l.now += time.Duration(n * float64(time.Second))
		case first == "entries":
			if got := l.w.Interfaces["A"].Entries(l.now); strconv.Itoa(got) != rest {
				l.t.Errorf("%d entries at A, want %s", got, rest)
			}
		case want == nil:
			l.change(step)
		default:
			l.packet(step, text, want)
		}
	}
}

func (l *lab) packet(step, text string, want []expectation) {
	l.t.Helper()
	p, err := testworld.ParsePacket(text, l.w, l.s.Names, l.last)
	if err != nil {
		l.t.Fatal(err)
	}
	l.last = p
	l.expect(step, p, p.Deliver(l.w, l.now), want)
}

func (l *lab) expect(step string, p testworld.Packet, d oracle.Delivery, want []expectation) {
	l.t.Helper()
	for _, x := range want {
		j := d.Ingress
		switch {
		case x.gate == "" && j == nil, x.gate == p.Gate && !p.Outside:
			j = d.Egress
		case x.gate != "" && (j == nil || d.To.Name != x.gate):
			l.t.Errorf("%q: %s did not see the packet: %s", step, x.gate, d.Reason())
			continue
		}
		if j.Verdict() != x.verdict || x.reason != "" && x.reason != j.Reason.String() {
			l.t.Errorf("%q: got %s (%s), want %s %s", step, j.Verdict(), j.Reason, x.verdict, x.reason)
		}
	}
}

func TestConformance(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range slices.Concat(rowsA, rowsB, rowsC, rowsD, rowsE, rowsF, rowsG, rowsHI, rowsJL) {
		if seen[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		seen[r.name] = true
		t.Run("PKT-"+r.name, func(t *testing.T) { newLab(t, r.setup).play(r.steps) })
	}
}

// The three ways to write a world down must agree, or a corpus would lie.
func TestTopologyPrintsAsItReads(t *testing.T) {
	s, err := testworld.Parse(topology)
	if err != nil {
		t.Fatal(err)
	}
	again, err := testworld.Parse(s.String())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := s.String(), again.String(); a != b {
		t.Errorf("printed\n%s\nread and printed again\n%s", a, b)
	}
	if n := len(slices.Collect(maps.Keys(s.World.Interfaces))); n != 6 {
		t.Errorf("%d interfaces, want 6", n)
	}
}
