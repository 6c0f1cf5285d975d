// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

func fromGroup(g string) policy.Source {
	return policy.Source{flow.Ingress: {{ID: "r", Protocol: 6, From: 22, To: 22, Peer: policy.Peer{Group: g}}}}
}

// pair is A and B in one VPC, B open to everything.
func pair(t *testing.T) (*lab, datapath.Interface) {
	l := newLab(t)
	b := l.Attach(bpftest.Interface("eni-b", "10.0.1.20", "2001:db8:1:1::b"))
	l.SetPolicy(b, world(rules{all("0.0.0.0/0"), all("::/0")}, outAll))
	return l, b
}

// TestBothGates has B send to A: each is asked, each answers for itself, and the
// frame goes to A's device with A's MAC address on it.
func TestBothGates(t *testing.T) {
	l, b := pair(t)
	gates := func(f bpftest.Frame, egress, ingress flow.Reason) {
		t.Helper()
		got := l.Out(b, f)
		if got.Reason[flow.Egress] != egress || got.Reason[flow.Ingress] != ingress {
			t.Errorf("egress %s, ingress %s, want %s, %s", got.Reason[flow.Egress], got.Reason[flow.Ingress], egress, ingress)
		}
		passed := ingress.Verdict().Passes() && ingress != flow.ReasonUnset
		if (got.Redirect == l.a.Ifindex) != passed {
			t.Errorf("redirected to %d", got.Redirect)
		}
		if passed && string(got.Frame[:6]) != string(l.a.MAC) {
			t.Errorf("sent to %x", got.Frame[:6])
		}
	}
	ssh := tcp("10.0.1.20:1000", server, "S")
	gates(ssh, untracked, flow.ReasonNoPolicy)
	l.SetPolicy(l.a, fromGroup("sg-b"))
	gates(ssh, untracked, noRule) // PKT-B02
	l.SetGroups("eni-b", "10.0.1.20", "sg-b", "sg-other")
	gates(ssh, untracked, byRule)                                            // PKT-B01
	gates(tcp("10.0.1.20:1000", server, "A"), untracked, tracked)            // and its flow
	gates(tcp("[2001:db8:1:1::b]:1", "["+a6+"]:22", "S"), untracked, noRule) // PKT-B10, before
	l.SetGroups("eni-b", "2001:db8:1:1::b", "sg-b")
	gates(tcp("[2001:db8:1:1::b]:1", "["+a6+"]:22", "S"), untracked, byRule)
	l.SetGroups("eni-b", "10.0.1.20")
	gates(tcp("10.0.1.20:1000", server, "A"), untracked, tracked) // PKT-B14
	gates(tcp("10.0.1.20:1001", server, "S"), untracked, noRule)
	l.SetPolicy(b, world(nil, nil))
	gates(tcp("10.0.1.20:1002", server, "S"), noRule, flow.ReasonUnset) // PKT-B03
}

// TestHostSpeaksForNobody is consequence 1 of section 1.5: a member's address on
// a packet that did not come from the member's interface.
func TestHostSpeaksForNobody(t *testing.T) {
	l, _ := pair(t)
	l.SetPolicy(l.a, fromGroup("sg-b"))
	l.SetGroups("eni-b", "10.0.1.20", "sg-b")
	l.SetGroups("", "10.0.2.30", "sg-b")
	for src, want := range map[string]flow.Reason{"10.0.1.20:1": noRule, "10.0.2.30:1": byRule, "10.0.2.31:1": noRule} {
		if got := l.In(l.a, tcp(src, server, "S")).Reason[flow.Ingress]; got != want {
			t.Errorf("from %s: %s, want %s", src, got, want)
		}
	}
	if err := l.DeleteAddress(bpftest.VPC, netip.MustParseAddr("10.0.2.30")); err != nil {
		t.Fatal(err)
	}
	if got := l.In(l.a, tcp("10.0.2.30:2", server, "S")).Reason[flow.Ingress]; got != noRule {
		t.Errorf("from an address that left: %s", got)
	}
}

// TestForeignSource is PKT-B16 and B18: an appliance sends what a member of the
// group has sent, and is itself a member; neither speaks for the group.
func TestForeignSource(t *testing.T) {
	l, n := pair(t)
	n.SourceDestCheck = false
	n = l.Attach(n)
	l.SetPolicy(l.a, fromGroup("sg-b"))
	l.SetGroups("eni-b", "10.0.1.20", "sg-b")
	l.SetGroups("", "10.0.2.30", "sg-b")
	for src, want := range map[string]flow.Reason{"10.0.1.20:1": byRule, "10.0.2.30:1": noRule, h1 + ":1": noRule} {
		if got := l.Out(n, tcp(src, server, "S")).Reason[flow.Ingress]; got != want {
			t.Errorf("from %s: %s, want %s", src, got, want)
		}
	}
}

// TestVPCsApart is PKT-B31: equal addresses in two VPCs have nothing to do with
// each other.
func TestVPCsApart(t *testing.T) {
	l, _ := pair(t)
	i := bpftest.Interface("eni-x", "10.0.1.20")
	i.VPC = "vpc-3"
	x := l.Attach(i)
	l.SetPolicy(x, world(nil, outAll))
	l.SetPolicy(l.a, world(rules{all("0.0.0.0/0")}, nil))
	got := l.Out(x, tcp("10.0.1.20:1", server, "S"))
	if got.Reason != [2]flow.Reason{flow.ReasonNoRoute, byRule} || got.Redirect != 0 {
		t.Errorf("%s, redirect %d", got.Reason, got.Redirect)
	}
}

// TestTransit is an appliance: SourceDestCheck off (J06 to J09).
func TestTransit(t *testing.T) {
	l := newLab(t)
	l.a.SourceDestCheck = false
	l.a = l.Attach(l.a)
	l.SetPolicy(l.a, world(rules{rule(6, 443, 443, "10.0.0.0/16")}, rules{rule(6, 443, 443, "0.0.0.0/0")}))
	c, far := "10.0.2.30:1000", h1+":443"
	for _, e := range seq(
		in(tcp(c, far, "S"), byRule), out(tcp(c, far, "S"), byRule),
		in(tcp(far, c, "SA"), tracked), out(tcp(far, c, "SA"), tracked), flows(2), // PKT-J07
		out(tcp("192.168.5.5:1", far, "S"), byRule), // PKT-J04
		in(tcp(c, "8.8.8.8:53", "S"), noRule),       // PKT-J08
	) {
		e(t, l)
	}
	l.a.SourceDestCheck = true
	l.a = l.Attach(l.a)
	in(tcp(c, far, "A"), flow.ReasonNotMine)(t, l) // PKT-J09
}

// TestAdoption has a second process find everything as the first left it.
func TestAdoption(t *testing.T) {
	l, b := pair(t)
	l.SetPolicy(l.a, fromGroup("sg-b"))
	l.SetGroups("eni-b", "10.0.1.20", "sg-b")
	l.SetGroups("", "10.0.2.30", "sg-b", "sg-c")
	l.Out(b, tcp("10.0.1.20:1000", server, "S"))
	before, status := l.Adopted(), l.Status(l.a)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	view, err := datapath.OpenReadOnly(l.Config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := view.Interfaces()
	if err != nil || len(seen) != 2 || seen[0].ID != "eni-a" || seen[0].Revision != status.Revision {
		t.Errorf("read-only: %+v, %v", seen, err)
	}
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	l.Open()
	if after := l.Adopted(); !reflect.DeepEqual(before, after) {
		t.Errorf("adopted\n%+v, was\n%+v", after, before)
	}
	// The old policies judge until new ones are set, with groups and flows.
	if got := l.Out(b, tcp("10.0.1.20:1000", server, "A")).Reason[flow.Ingress]; got != tracked {
		t.Errorf("flow of before: %s", got)
	}
	if got := l.Out(b, tcp("10.0.1.20:1001", server, "S")).Reason[flow.Ingress]; got != byRule {
		t.Errorf("new flow under the old policy: %s", got)
	}
	l.a, b = l.Attach(l.a), l.Attach(b)
	l.SetPolicy(l.a, fromGroup("sg-c"))
	if got := l.Out(b, tcp("10.0.1.20:1000", server, "A")).Reason[flow.Ingress]; got != tracked {
		t.Errorf("flow of before, under a new policy: %s", got)
	}
	for src, want := range map[string]flow.Reason{"10.0.1.20:1002": noRule, "10.0.2.30:1002": byRule} {
		got := l.Out(b, tcp(src, server, "S")).Reason[flow.Ingress]
		if src == "10.0.2.30:1002" {
			got = l.In(l.a, tcp(src, server, "S")).Reason[flow.Ingress]
		}
		if got != want {
			t.Errorf("from %s: %s, want %s", src, got, want)
		}
	}
	if err := l.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestDetach is J12, L14 and B15: whoever gets an address next gets none of the
// flows of whoever had it.
func TestDetach(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, serverRules)
	for _, e := range serverOpen {
		e(t, l)
	}
	if err := l.Detach(l.a.ID); err != nil {
		t.Fatal(err)
	}
	if got := l.In(l.a, tcp(sc, server, "A")); got.Passed || got.Judged[flow.Ingress] {
		t.Errorf("a detached device: %+v", got)
	}
	l.a = l.Attach(bpftest.Interface("eni-new", a1))
	l.SetPolicy(l.a, serverRules)
	in(tcp(sc, server, "A"), noState)(t, l)
	if err := l.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := l.Datapath.Flows(func(datapath.Flow) bool { n++; return true }); err != nil || n != 0 {
		t.Errorf("%d flows, %v", n, err)
	}
	if err := l.Detach("eni-none"); !errors.Is(err, datapath.ErrNotFound) {
		t.Errorf("detach of nobody: %v", err)
	}
}

// TestSweep frees what is dead and nothing else.
func TestSweep(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, world(rules{all("0.0.0.0/0")}, nil))
	entries := func() (n int) {
		if err := l.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := l.Datapath.Flows(func(datapath.Flow) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for port := range 300 {
		in(udp(h1+":5", fmt.Sprintf("%s:%d", a1, port)), byRule)(t, l)
	}
	in(tcp(sc, server, "S"), byRule)(t, l)
	in(tcp(sc, server, "A"), tracked)(t, l)
	if n := entries(); n != 301 {
		t.Errorf("%d entries, want 301", n)
	}
	l.Advance(30 * second)
	if n := entries(); n != 301 {
		t.Errorf("%d entries just after their end, want 301", n)
	}
	l.Advance(second)
	if n := entries(); n != 1 {
		t.Errorf("%d entries, want the connection alone", n)
	}
}

// TestFull holds that a full table refuses new flows and leaves live ones alone,
// and that a policy that does not fit leaves nothing behind.
func TestFull(t *testing.T) {
	rig := bpftest.NewWith(t, func(c *datapath.Config) { c.MaxFlows, c.MaxSteps, c.MaxPrefixes = 64, 256, 64 })
	l := &lab{rig, rig.Attach(bpftest.Interface("eni-a", a1))}
	l.SetPolicy(l.a, world(rules{all("0.0.0.0/0")}, nil))
	admitted := 0
	for port := range 2000 {
		got := l.In(l.a, udp(h1+":5", fmt.Sprintf("%s:%d", a1, port))).Reason[flow.Ingress]
		if got == byRule {
			admitted++
		} else if got != flow.ReasonAllowance {
			t.Fatal(got)
		}
	}
	if admitted == 0 || admitted > 200 {
		t.Errorf("%d flows fit", admitted)
	}
	in(udp(h1+":5", a1+":0"), tracked)(t, l)
	for _, big := range []policy.Source{world(last(400), nil), world(manyPrefixes(100), nil)} {
		for range 3 {
			if id, err := l.AddPolicy(policy.Compile(big)); err == nil {
				t.Errorf("policy %d fits", id)
			}
		}
	}
	// If anything had stayed, this would not fit any more.
	l.SetPolicy(l.a, world(manyPrefixes(60), nil))
}

func manyPrefixes(n int) (out rules) {
	for i := range n {
		out = append(out, rule(6, 22, 22, fmt.Sprintf("10.%d.0.0/16", i)))
	}
	return out
}

func TestOneProcess(t *testing.T) {
	rig := bpftest.New(t)
	if _, err := datapath.Open(rig.Config); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second Open: %v", err)
	}
	if _, err := datapath.Remove(rig.Config.Dir); err == nil {
		t.Error("removed a datapath in use")
	}
}

func TestRemove(t *testing.T) {
	l := newLab(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	removed, err := datapath.Remove(l.Config.Dir)
	if err != nil || len(removed) < 14 {
		t.Errorf("removed %q, %v", removed, err)
	}
	if _, err := os.Stat(l.Config.Dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v", l.Config.Dir, err)
	}
	if again, err := datapath.Remove(l.Config.Dir); err != nil || len(again) != 0 {
		t.Errorf("again: %q, %v", again, err)
	}
	l.Open() // for the rig's own end
}

// TestPolicyInUse holds the life of a policy: it goes only when nobody uses it.
func TestPolicyInUse(t *testing.T) {
	l := newLab(t)
	id, err := l.AddPolicy(policy.Compile(serverRules))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Datapath.SetPolicy(l.a.ID, id, 1); err != nil {
		t.Fatal(err)
	}
	if err := l.DeletePolicy(id); err == nil {
		t.Error("deleted a policy in force")
	}
	if err := l.Datapath.SetPolicy(l.a.ID, id+1, 1); !errors.Is(err, datapath.ErrNotFound) {
		t.Errorf("set a policy that is not there: %v", err)
	}
	if err := l.Datapath.SetPolicy("eni-none", id, 1); !errors.Is(err, datapath.ErrNotFound) {
		t.Errorf("set the policy of nobody: %v", err)
	}
}
