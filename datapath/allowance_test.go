// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// sweep does what Run does every so often.
func sweep(t *testing.T, l *lab) {
	t.Helper()
	if err := l.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestUnitsGoWithTheirInterface holds that an interface that goes takes its units of
// the allowance along.
func TestUnitsGoWithTheirInterface(t *testing.T) {
	l := newLab(t)
	l.a.Instance, l.a.Allowance = "i-1", 3
	l.a = l.Attach(l.a)
	l.SetPolicy(l.a, world(rules{all(h1 + "/32")}, nil))
	for port := range 3 {
		in(udp(fmt.Sprintf("%s:%d", h1, port+1), server), byRule)(t, l)
	}
	in(udp(h1+":4", server), flow.ReasonAllowance)(t, l)
	if err := l.Detach(l.a.ID); err != nil {
		t.Fatal(err)
	}
	sweep(t, l)
	l.a = l.Attach(l.a)
	if used := l.Status(l.a).Used; used != 0 {
		t.Errorf("%d of the allowance are used by nobody", used)
	}
}

// TestOneUnitForARace is PKT-K12: the same tuples begin on two processors at once.
func TestOneUnitForARace(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, world(rules{all(h1 + "/32")}, nil))
	const tuples = 2000
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for port := range tuples {
				f := udp(h1+":5", fmt.Sprintf("%s:%d", a1, port))
				if _, err := l.RunProgram(flow.Ingress, l.a.Ifindex, f.Bytes, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	if s := l.Status(l.a); s.Used != tuples || s.Flows != tuples {
		t.Errorf("%d units and %d flows of %d tuples", s.Used, s.Flows, tuples)
	}
	l.Advance(31 * second)
	sweep(t, l)
	if s := l.Status(l.a); s.Used != 0 {
		t.Errorf("%d units are left of no flow", s.Used)
	}
}

// TestPairAllowance holds that each end of a local flow takes a unit of its own
// instance, and that one that has none left rejects at its own gate.
func TestPairAllowance(t *testing.T) {
	l := newLab(t)
	b := bpftest.Interface("eni-b", "10.0.1.20")
	b.Allowance = 1
	b = l.Attach(b)
	l.SetPolicy(l.a, world(nil, rules{all("10.0.1.0/24")}))
	l.SetPolicy(b, world(rules{all("10.0.1.0/24")}, nil))
	for i, want := range []flow.Reason{byRule, flow.ReasonAllowance} {
		got := l.Out(l.a, udp(fmt.Sprintf("%s:%d", a1, i+1), "10.0.1.20:9"))
		if got.Reason[flow.Egress] != byRule || got.Reason[flow.Ingress] != want {
			t.Errorf("%d: %s", i, got.Reason)
		}
	}
	if x, y := l.Status(l.a).Used, l.Status(b).Used; x != 2 || y != 1 {
		t.Errorf("A uses %d, B %d", x, y)
	}
}

// TestUses counts what rules admit: live flows, ended ones, packets without a flow.
func TestUses(t *testing.T) {
	l := newLab(t)
	named := rule(17, 53, 53, h1+"/32")
	named.ID = "sgr-udp"
	open := all("0.0.0.0/0")
	open.ID = "sgr-open"
	l.SetPolicy(l.a, world(rules{named}, nil))
	f := udp(h1+":9", a1+":53")
	in(f, byRule)(t, l)
	in(f, tracked)(t, l)
	of := func(id string) datapath.RuleUse {
		t.Helper()
		all, err := l.Uses()
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range all {
			if u.Rule == id {
				return u
			}
		}
		return datapath.RuleUse{}
	}
	if u := of("sgr-udp"); u.Packets != 2 || u.Flows != 1 || u.Live != 1 || u.Bytes != 64 {
		t.Errorf("live: %+v", u)
	}
	l.Advance(31 * second)
	sweep(t, l)
	if u := of("sgr-udp"); u.Packets != 2 || u.Flows != 1 || u.Live != 0 || u.Idle != 31*second {
		t.Errorf("ended: %+v", u)
	}
	l.SetPolicy(l.a, world(rules{open}, rules{open}))
	in(f, untracked)(t, l)
	if u := of("sgr-open"); u.Packets != 1 || u.Flows != 0 || u.Idle != 0 {
		t.Errorf("untracked: %+v", u)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Open()
	if u := of("sgr-udp"); u.Packets != 2 {
		t.Errorf("adopted: %+v", u)
	}
}

// TestCut ends the flows that an operator names, and no others (section 2.5).
func TestCut(t *testing.T) {
	l, b := pair(t)
	l.SetPolicy(b, world(rules{all("0.0.0.0/0")}, nil))
	l.SetPolicy(l.a, world(rules{all(h1 + "/32")}, rules{all("10.0.1.0/24")}))
	toB := tcp(a1+":7", "10.0.1.20:9", "S")
	l.Out(l.a, toB)
	for _, port := range []int{1, 2} {
		in(tcp(fmt.Sprintf("%s:%d", h1, port), server, "S"), byRule)(t, l)
	}
	in(icmp(h1, a1, 8, 0, 7), byRule)(t, l)
	cut := func(f datapath.Filter, want int) {
		t.Helper()
		f.Interface = "eni-a"
		if n, err := l.Cut(f); err != nil || n != want {
			t.Errorf("cut %+v: %d, %v, want %d", f, n, err, want)
		}
	}
	cut(datapath.Filter{Peer: netip.MustParsePrefix("192.0.2.0/24")}, 0)
	cut(datapath.Filter{Port: 2}, 1)
	in(tcp(h1+":2", server, "A"), noState)(t, l)
	in(tcp(h1+":1", server, "A"), tracked)(t, l)
	cut(datapath.Filter{Protocol: 1}, 1)
	cut(datapath.Filter{Peer: netip.MustParsePrefix("10.0.1.20/32")}, 1)
	got := l.Out(l.a, tcp(a1+":7", "10.0.1.20:9", "A"))
	if got.Reason[flow.Egress] != noState {
		t.Errorf("after the cut: %s", got.Reason)
	}
	cut(datapath.Filter{}, 1)
	if s := l.Status(l.a); s.Used != 0 || s.Flows != 0 {
		t.Errorf("%d units, %d flows", s.Used, s.Flows)
	}
	if s := l.Status(b); s.Used != 1 {
		t.Errorf("the other end lost its own: %d units", s.Used)
	}
}
