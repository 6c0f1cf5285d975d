// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
)

// entriesOf counts what interfaces remember, live or not.
func entriesOf(t *testing.T, l *lab) (n int) {
	t.Helper()
	if err := l.Datapath.Flows(func(datapath.Flow) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSweepInSlices frees more dead flows than are looked at, or named to the
// program, at once, and leaves those between them that live.
func TestSweepInSlices(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, world(rules{all("0.0.0.0/0")}, nil))
	const flows = 3000
	for n := range flows {
		in(udp(fmt.Sprintf("%s:%d", h1, n+1), server), byRule)(t, l)
		if n%10 == 0 {
			client := fmt.Sprintf("%s:%d", h2, n+1)
			in(tcp(client, server, "S"), byRule)(t, l)
			in(tcp(client, server, "A"), tracked)(t, l)
		}
	}
	sweep(t, l)
	if s := l.Swept(); s != (datapath.Swept{Live: flows * 11 / 10}) {
		t.Errorf("swept %+v of living flows", s)
	}
	l.Advance(31 * second)
	sweep(t, l)
	if s := l.Swept(); s != (datapath.Swept{Live: flows / 10, Freed: flows}) {
		t.Errorf("swept %+v", s)
	}
	if s := l.Status(l.a); s.Used != flows/10 || s.Flows != flows/10 {
		t.Errorf("%d units and %d flows of %d connections", s.Used, s.Flows, flows/10)
	}
}

// TestSweepJudgesAgain holds, for each table of flows, that what user space takes for
// dead ends only if the program finds it dead, under the same rules: a packet may have
// come meanwhile.
func TestSweepJudgesAgain(t *testing.T) {
	l, b := pair(t)
	l.a.SourceDestCheck = false
	l.a = l.Attach(l.a)
	l.SetPolicy(b, world(rules{all("10.0.1.0/24")}, nil))
	l.SetPolicy(l.a, world(rules{all(h1 + "/32")}, rules{all("10.0.1.0/24")}))
	in(udp(h1+":1", server), byRule)(t, l)
	in(udp(h1+":1", "10.9.9.9:22"), byRule)(t, l) // forwarded
	l.Out(l.a, udp(a1+":7", "10.0.1.20:9"))
	if s, err := l.SweepEverything(); err != nil || s != (datapath.Swept{Live: 4}) {
		t.Errorf("swept %+v of living flows: %v", s, err)
	}
	in(udp(h1+":1", server), tracked)(t, l)
	in(udp(h1+":1", "10.9.9.9:22"), tracked)(t, l)
	sweep(t, l)
	if s := l.Swept(); s != (datapath.Swept{Live: 4}) {
		t.Errorf("swept %+v of living flows", s)
	}
	l.Advance(31 * second)
	if s, err := l.SweepEverything(); err != nil || s != (datapath.Swept{Freed: 3}) {
		t.Errorf("swept %+v of dead ones: %v", s, err)
	}
	if x, y := l.Status(l.a).Used, l.Status(b).Used; x != 0 || y != 0 {
		t.Errorf("A uses %d, B %d", x, y)
	}
}

// TestSweepOfAPair keeps an entry while one of its ends lives, and counts that one.
func TestSweepOfAPair(t *testing.T) {
	l, b := pair(t)
	l.SetPolicy(b, world(rules{all("10.0.1.0/24")}, nil))
	l.SetPolicy(l.a, world(nil, rules{all("10.0.1.0/24")}))
	l.Out(l.a, udp(a1+":7", "10.0.1.20:9"))
	if n, err := l.Cut(datapath.Filter{Interface: l.a.ID}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for range 2 { // the first would take away what the second misses
		sweep(t, l)
		if s := l.Swept(); s != (datapath.Swept{Live: 1}) || entriesOf(t, l) != 1 {
			t.Errorf("swept %+v of half a pair", s)
		}
	}
	l.Advance(31 * second)
	sweep(t, l)
	if s := l.Swept(); s != (datapath.Swept{Freed: 1}) || l.Status(b).Used != 0 {
		t.Errorf("swept %+v of a dead pair; %d units are left", s, l.Status(b).Used)
	}
}

// TestSweepCutShort holds that what a sweep did not come to is left to the next one,
// what went since among it.
func TestSweepCutShort(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, serverRules)
	for _, e := range serverOpen {
		e(t, l)
	}
	if err := l.Detach(l.a.ID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Sweep(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a sweep without time: %v", err)
	}
	if n := l.IDs(); n == 0 {
		t.Error("the ids of flows that were not swept are forgotten")
	}
	sweep(t, l)
	if s := l.Swept(); s != (datapath.Swept{Freed: 1}) || l.IDs() != 0 {
		t.Errorf("swept %+v, %d ids are left", s, l.IDs())
	}
}
