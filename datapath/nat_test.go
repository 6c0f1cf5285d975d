// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// behind is A in a VPC whose table leads through the interface G, a NAT gateway's.
// By section 2.1 nothing of A's would be tracked.
func behind(t *testing.T) (l *lab, g datapath.Interface) {
	t.Helper()
	l = newLab(t)
	l.SetPolicy(l.a, world(outAll, outAll))
	gateway := bpftest.Interface("eni-g", "10.0.9.4")
	gateway.SourceDestCheck = false
	g = l.Attach(gateway)
	l.SetPolicy(g, world(outAll, outAll))
	through(t, l, "10.0.9.4")
	return l, g
}

// through makes an address the way to the internet.
func through(t *testing.T, l *lab, via string) {
	t.Helper()
	if err := l.SetRoutes(bpftest.VPC, []datapath.Route{
		{Prefix: netip.MustParsePrefix("10.0.0.0/16")},
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr(via)},
		{Prefix: netip.MustParsePrefix(h2 + "/32")},
	}); err != nil {
		t.Fatal(err)
	}
}

func TestPathsThroughNATGatewaysAreTracked(t *testing.T) { // PKT-C23, section 2.4
	l, g := behind(t)
	sent := l.Out(l.a, tcp(client, cs, "S"))
	if sent.Redirect != g.Ifindex || sent.Reason[flow.Egress] != byRule {
		t.Fatalf("sent to device %d, want %d: %v", sent.Redirect, g.Ifindex, sent.Reason)
	}
	sound(t, "to the gateway", sent.Frame, a1, h1) // it is the gateway that translates
	back := l.Out(g, tcp(cs, client, "SA"))
	if back.Redirect != l.a.Ifindex || back.Reason[flow.Ingress] != tracked {
		t.Fatalf("the answer goes to device %d, want %d: %v", back.Redirect, l.a.Ifindex, back.Reason)
	}
	if got := l.Out(l.a, tcp(client, cs, "A")); got.Redirect != g.Ifindex || got.Reason[flow.Egress] != tracked {
		t.Errorf("the third packet: %+v", got.Reason)
	}
	flows(1)(t, l)
	if got := l.Flows(g); len(got) != 0 {
		t.Errorf("the gateway's interface tracks %+v", got)
	}
	// The rules go, the connection stays; a new one is refused.
	l.SetPolicy(l.a, world(nil, nil))
	if got := l.Out(l.a, tcp(client, cs, "PA")); got.Redirect != g.Ifindex || got.Reason[flow.Egress] != tracked {
		t.Errorf("after the rules went: %v", got.Reason)
	}
	if got := l.Out(l.a, tcp(a1+":40001", cs, "S")); got.Redirect != 0 || got.Reason[flow.Egress] != noRule {
		t.Errorf("a new connection without rules: %v", got.Reason)
	}
}

func TestWhatNATGatewaysDoNotGet(t *testing.T) { // sections 1.11 and 2.4
	l, g := behind(t)
	closed := func(what string, from datapath.Interface, f bpftest.Frame) {
		t.Helper()
		if got := l.Out(from, f); got.Redirect != 0 || got.Reason[flow.Ingress] != flow.ReasonNoRoute {
			t.Errorf("%s: device %d, %v", what, got.Redirect, got.Reason)
		}
	}
	closed("a narrower route that ends", l.a, tcp(client, h2+":443", "S"))
	closed("nobody's address of the VPC", l.a, tcp(client, "10.0.7.7:443", "S"))
	closed("the gateway through itself", g, tcp("10.0.9.4:1024", cs, "S"))
	through(t, l, "10.0.7.7")
	closed("through nobody", l.a, tcp("10.0.1.10:40002", cs, "S"))
	through(t, l, "10.0.9.4")
	if got := l.Out(l.a, udp("10.0.1.10:40002", h1+":53")); got.Redirect != g.Ifindex {
		t.Errorf("through the gateway again: %+v", got)
	}
	if err := l.Detach(g.ID); err != nil {
		t.Fatal(err)
	}
	closed("without the gateway", l.a, tcp("10.0.1.10:40003", cs, "S"))
}
