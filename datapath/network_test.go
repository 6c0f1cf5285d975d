// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// TestPeeredNetworks is PKT-B19, B20 and B30: D lives in another network than A,
// which is told of its address while the two are peered.
func TestPeeredNetworks(t *testing.T) {
	l := newLab(t)
	d := bpftest.Interface("eni-d", "10.9.1.20", "10.9.1.21")
	d.VPC = "vpc-far"
	d = l.Attach(d)
	l.SetPolicy(d, world(nil, outAll))
	l.SetPolicy(l.a, fromGroup("sg-d"))
	a := netip.MustParseAddr("10.0.1.10")
	put := func(network, addr, owner string, groups ...string) {
		t.Helper()
		if err := l.PutAddress(datapath.Address{VPC: network, Addr: netip.MustParseAddr(addr), Interface: owner, Groups: groups}); err != nil {
			t.Fatal(err)
		}
	}
	drop := func(network string, addr netip.Addr) {
		t.Helper()
		if err := l.DeleteAddress(network, addr); err != nil {
			t.Fatal(err)
		}
	}
	gates := func(what string, from datapath.Interface, f bpftest.Frame, egress, ingress flow.Reason) {
		t.Helper()
		got := l.Out(from, f)
		if got.Reason[flow.Egress] != egress || got.Reason[flow.Ingress] != ingress {
			t.Errorf("%s: egress %s, ingress %s, want %s, %s", what, got.Reason[flow.Egress], got.Reason[flow.Ingress], egress, ingress)
		}
	}
	gates("not peered", d, tcp("10.9.1.20:1000", server, "S"), byRule, flow.ReasonNoRoute)

	put("vpc-far", a.String(), "eni-a")
	gates("no way back: A does not know whose address that is", d, tcp("10.9.1.20:1000", server, "S"), byRule, noRule)
	put(bpftest.VPC, "10.9.1.20", "eni-d", "sg-d")
	put(bpftest.VPC, "10.9.1.21", "eni-d")
	gates("B19", d, tcp("10.9.1.20:1000", server, "S"), tracked, byRule)
	gates("and back", l.a, tcp(server, "10.9.1.20:1000", "SA"), tracked, tracked)
	gates("an address that is in no group", d, tcp("10.9.1.21:1000", server, "S"), byRule, noRule)

	drop(bpftest.VPC, netip.MustParseAddr("10.9.1.20"))
	gates("B20", d, tcp("10.9.1.20:1001", server, "S"), byRule, noRule)
	put(bpftest.VPC, "10.9.1.20", "", "sg-d") // as of an interface that is elsewhere
	gates("another's now, for all that A knows", l.a, tcp(server, "10.9.1.20:1000", "A"), noRule, flow.ReasonUnset)
	put(bpftest.VPC, "10.9.1.20", "eni-d", "sg-d")
	gates("the same one's again", l.a, tcp(server, "10.9.1.20:1000", "A"), tracked, tracked)
	drop("vpc-far", a)
	gates("no way there, as in the beginning", d, tcp("10.9.1.20:1000", server, "A"), tracked, flow.ReasonNoRoute)

	// What leads to an interface ends with it, and so do flows with it (2.5).
	if err := l.Detach("eni-d"); err != nil {
		t.Fatal(err)
	}
	gates("detached", l.a, tcp(server, "10.9.1.20:1000", "A"), noRule, flow.ReasonUnset)
}

// TestMoveToAnotherNetwork changes the table that routes for an interface: its
// flows go on, and what both networks have been told stays true.
func TestMoveToAnotherNetwork(t *testing.T) {
	l, b := pair(t)
	l.SetPolicy(l.a, fromGroup("sg-b"))
	l.SetGroups("eni-b", "10.0.1.20", "sg-b")
	syn, ack := tcp("10.0.1.20:1000", server, "S"), tcp("10.0.1.20:1000", server, "A")
	ingress := func(what string, f bpftest.Frame, want flow.Reason) {
		t.Helper()
		if got := l.Out(b, f).Reason[flow.Ingress]; got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	ingress("before", syn, byRule)
	const table = "rtb-1"
	put := func(a datapath.Address) {
		t.Helper()
		if err := l.PutAddress(a); err != nil {
			t.Fatal(err)
		}
	}
	here, there := netip.MustParseAddr("10.0.1.10"), netip.MustParseAddr("10.0.1.20")
	move := func(network string) {
		t.Helper()
		put(datapath.Address{VPC: network, Addr: here, Interface: "eni-a"})
		put(datapath.Address{VPC: network, Addr: there, Interface: "eni-b", Groups: []string{"sg-b"}})
		ingress("told", ack, tracked)
		b.Network = network
		b = l.Attach(b)
	}
	move(table)
	ingress("moved", ack, tracked)
	ingress("a new flow", tcp("10.0.1.20:1001", server, "S"), byRule)
	if got := l.Out(l.a, tcp(server, "10.0.1.20:1000", "SA")); got.Reason[flow.Ingress] != untracked {
		t.Errorf("from the network that it left: %s", got.Reason[flow.Ingress])
	}

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Open()
	ingress("adopted", ack, tracked)
	move(bpftest.VPC)
	ingress("moved back", ack, tracked)
	if err := l.DeleteAddress(table, here); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteAddress(table, there); err != nil {
		t.Fatal(err)
	}
	ingress("and forgotten there", ack, tracked)
	for _, left := range l.Adopted().Addresses {
		if left.VPC == table {
			t.Errorf("%s is left in %s", left.Addr, table)
		}
	}
}
