// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
)

// lab is a world in which a row is played.
type lab struct {
	t    testing.TB
	j    Judge
	s    *testworld.Scenario
	w    *oracle.World
	last testworld.Packet
	fate Fate // of the last packet
}

// Play plays a row before a judge and fails the test where what the judge says is
// not what the row says.
func Play(t testing.TB, r Row, j Judge) {
	t.Helper()
	l := newLab(t, r.Setup, j)
	for _, step := range clauses(r.Steps) {
		l.step(step)
	}
}

func newLab(t testing.TB, setup string, j Judge) *lab {
	t.Helper()
	s, err := testworld.Parse(topology)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, j: j, s: s, w: s.World}
	current := ""
	for _, c := range clauses(setup) {
		verb, _, _ := strings.Cut(c, " ")
		who, groups, member := strings.Cut(c, " ∈ ")
		name, blocks, list := strings.Cut(c, " = ")
		switch {
		case strings.HasSuffix(c, ":"):
			current = l.begin(strings.TrimSuffix(c, ":"))
		case member:
			for _, g := range strings.Split(groups, ",") {
				l.group(g)
			}
			l.apply("groups " + who + " " + groups)
		case list:
			l.apply("relist " + name + " " + blocks)
		case l.setting(current, c):
		case slices.Contains([]string{"in", "out"}, verb):
			l.apply("authorize " + current + " " + c)
		default:
			l.apply(c)
		}
	}
	j.Load(l.w)
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

// apply makes a change of the world.
func (l *lab) apply(text string) *testworld.Change {
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
	return ev.Change
}

func (l *lab) step(step string) {
	l.t.Helper()
	text, want := split(step)
	first, rest, _ := strings.Cut(text, " ")
	a := l.w.Interfaces["A"]
	switch {
	case strings.HasPrefix(step, "+"):
		n, err := strconv.ParseFloat(step[1:], 64)
		if err != nil {
			l.t.Fatalf("read pause %q: %v", step, err)
		}
		l.j.Advance(time.Duration(n * float64(time.Second)))
	case first == "entries":
		l.number(step, strconv.Itoa(l.j.Entries(l.w, a)), rest)
	case first == "packets" || first == "bytes":
		packets, octets := l.j.Counted(l.w, a)
		if first == "bytes" {
			packets = octets
		}
		l.number(step, fmt.Sprintf("%d/%d", packets[flow.Ingress], packets[flow.Egress]), rest)
	case first == "available":
		n, _ := l.j.Allowance(l.w, a)
		l.number(step, strconv.Itoa(n), rest)
	case first == "exceeded":
		_, n := l.j.Allowance(l.w, a)
		l.number(step, strconv.Itoa(n), rest)
	case first == "released":
		l.number(step, strconv.Itoa(len(l.fate.Released)), rest)
		for _, f := range l.fate.Released {
			l.expect(step, l.last, f, want)
		}
	case first == "times" || first == "vary":
		l.often(first == "vary", rest, step, want)
	case want == nil:
		l.j.Change(l.w, l.apply(step))
	default:
		l.packet(step, l.read(text), want)
	}
}

func (l *lab) number(step, got, want string) {
	l.t.Helper()
	if got != want {
		l.t.Errorf("%q: got %s", step, got)
	}
}

// often plays a packet many times, perhaps with another source each time.
func (l *lab) often(vary bool, text, step string, want []expectation) {
	l.t.Helper()
	count, text, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		l.t.Fatalf("read %q: %v", step, err)
	}
	p := l.read(text)
	for i := range n {
		if l.t.Failed() {
			return
		}
		l.packet(fmt.Sprintf("%s (%d)", step, i+1), p, want)
		if vary {
			p.Src = p.Src.Next()
		}
	}
}

func (l *lab) read(text string) testworld.Packet {
	l.t.Helper()
	p, err := testworld.ParsePacket(text, l.w, l.s.Names, l.last)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *lab) packet(step string, p testworld.Packet, want []expectation) {
	l.t.Helper()
	l.last, l.fate = p, l.j.Packet(l.w, p)
	l.expect(step, p, l.fate, want)
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

// expect holds what became of a packet against what the step says. That a packet
// has no route is said of its last gate only if the step names it.
func (l *lab) expect(step string, p testworld.Packet, f Fate, want []expectation) {
	l.t.Helper()
	for _, x := range want {
		d := f.last()
		if x.gate == p.Gate && !p.Outside || d == flow.Ingress && f.Reason[d] == flow.ReasonNoRoute && x.reason != "no_route" {
			d = flow.Egress
		} else if x.gate != "" && (d != flow.Ingress || f.To != x.gate) {
			l.t.Errorf("%q: %s did not see the packet: %s", step, x.gate, f.Reason[d])
			continue
		}
		if got := f.Reason[d]; got.Verdict() != x.verdict || x.reason != "" && x.reason != got.String() {
			l.t.Errorf("%q: got %s (%s), want %s %s", step, got.Verdict(), got, x.verdict, x.reason)
		}
	}
}
