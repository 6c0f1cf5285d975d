// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// delegating is a lab in which A has a prefix of each family and no other address
// but its first ones.
func delegating(t *testing.T) *lab {
	t.Helper()
	rig := bpftest.New(t)
	a := bpftest.Interface("eni-a", a1, a6)
	a.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.0.1.64/28"), netip.MustParsePrefix("2001:db8:1:1:5::/80")}
	return &lab{rig, rig.Attach(a)}
}

func TestDelegatedPrefixes(t *testing.T) { // PKT-A20, PKT-J02
	l := delegating(t)
	l.SetPolicy(l.a, world(rules{rule(6, 80, 80, h1+"/32"), rule(6, 80, 80, h6+"/128")}, outAll))
	for addr, want := range map[string]flow.Reason{
		a70: byRule, "10.0.1.64": byRule, "10.0.1.79": byRule, "10.0.1.80": flow.ReasonNotMine, "10.0.1.63": flow.ReasonNotMine,
	} {
		if got := l.In(l.a, tcp(h1+":1000", addr+":80", "S")).Reason[flow.Ingress]; got != want {
			t.Errorf("A20, to %s: %s, want %s", addr, got, want)
		}
	}
	for addr, want := range map[string]flow.Reason{
		"2001:db8:1:1:5::1": byRule, "2001:db8:1:1:5:ffff:ffff:ffff": byRule, "2001:db8:1:1:6::1": flow.ReasonNotMine,
	} {
		if got := l.In(l.a, tcp("["+h6+"]:1000", "["+addr+"]:80", "S")).Reason[flow.Ingress]; got != want {
			t.Errorf("A20, to %s: %s, want %s", addr, got, want)
		}
	}
	for addr, want := range map[string]flow.Reason{a70: byRule, "10.0.1.99": flow.ReasonSpoofIP} {
		if got := l.Out(l.a, tcp(addr+":1000", h2+":443", "S")).Reason[flow.Egress]; got != want {
			t.Errorf("J02, from %s: %s, want %s", addr, got, want)
		}
	}
}

// TestFlowsOfDelegatedAddressesAreApart: one id stands for the whole prefix, and
// still a flow of one address is none of another's.
func TestFlowsOfDelegatedAddressesAreApart(t *testing.T) {
	l := delegating(t)
	l.SetPolicy(l.a, world(nil, rules{rule(6, 443, 443, h1+"/32")}))
	l.Out(l.a, tcp("10.0.1.70:40000", h1+":443", "S"))
	ingress := func(to string) flow.Reason {
		return l.In(l.a, tcp(h1+":443", to+":40000", "SA")).Reason[flow.Ingress]
	}
	if got := ingress("10.0.1.71"); got != noRule {
		t.Errorf("an answer to another address: %s", got)
	}
	if got := ingress("10.0.1.70"); got != tracked {
		t.Errorf("the answer: %s", got)
	}
	if flows := l.Flows(l.a); len(flows) != 1 || flows[0].Local.String() != "10.0.1.70" {
		t.Errorf("flows %+v", flows)
	}
	l.a.Prefixes = l.a.Prefixes[1:]
	l.a = l.Attach(l.a)
	if got := ingress("10.0.1.70"); got != flow.ReasonNotMine { // PKT-J12
		t.Errorf("after the prefix was taken: %s", got)
	}
	if flows := l.Flows(l.a); len(flows) != 0 {
		t.Errorf("flows %+v are left", flows)
	}
	l.a.Prefixes = append(l.a.Prefixes, netip.MustParsePrefix("10.0.1.64/28"))
	l.a = l.Attach(l.a)
	if got := ingress("10.0.1.70"); got != noRule {
		t.Errorf("after it was given again: %s", got)
	}
}

// TestMembersByPrefix is PKT-B11, in both directions and between two prefixes.
func TestMembersByPrefix(t *testing.T) {
	l := delegating(t)
	b := bpftest.Interface("eni-b", "10.0.1.20", "2001:db8:1:1::b")
	b.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.0.1.80/28"), netip.MustParsePrefix("2001:db8:1:1:8::/80")}
	b = l.Attach(b)
	l.SetPolicy(b, world(nil, outAll))
	l.SetPolicy(l.a, fromGroup("sg-b"))
	gates := func(what, from, to string, want flow.Reason) {
		t.Helper()
		got := l.Out(b, tcp(from, to, "S"))
		if got.Reason[flow.Ingress] != want || (got.Redirect == l.a.Ifindex) != (want == byRule || want == tracked) {
			t.Errorf("%s: %s, device %d, want %s", what, got.Reason[flow.Ingress], got.Redirect, want)
		}
	}
	gates("in no group", "10.0.1.85:1000", a1+":22", noRule)
	for _, p := range b.Prefixes {
		a := datapath.Address{VPC: bpftest.VPC, Addr: p.Addr(), Bits: p.Bits(), Interface: "eni-b", Groups: []string{"sg-b"}}
		if err := l.PutAddress(a); err != nil {
			t.Fatal(err)
		}
	}
	gates("B11", "10.0.1.85:1001", server, byRule)
	gates("B11, to a delegated address", "10.0.1.85:1002", "10.0.1.70:22", byRule)
	gates("B11, IPv6", "[2001:db8:1:1:8::9]:1002", "[2001:db8:1:1:5::7]:22", byRule)
	gates("only the prefix is in the group", "10.0.1.20:1000", server, noRule)
	back := l.Out(l.a, tcp("10.0.1.70:22", "10.0.1.85:1002", "SA"))
	if back.Reason != [2]flow.Reason{tracked, tracked} || back.Redirect != b.Ifindex {
		t.Errorf("the answer: %+v", back)
	}
	if got := l.Out(l.a, tcp("10.0.1.70:22", "10.0.1.86:1002", "SA")); got.Reason[flow.Egress] == tracked {
		t.Errorf("an answer to another address of the prefix: %+v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Open()
	l.SetPolicy(b, world(nil, outAll))
	gates("after a restart", "10.0.1.85:1001", server, tracked)
	if err := l.DeletePrefix(bpftest.VPC, netip.MustParsePrefix("10.0.1.80/28")); err != nil {
		t.Fatal(err)
	}
	l.SetPolicy(l.a, fromGroup("sg-b"))
	gates("no member any more", "10.0.1.87:1003", server, noRule)
}
