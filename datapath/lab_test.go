// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// The topology of docs/spec/packet-semantics.md section 7: A is in the rig, H1,
// H2 and H6 are outside.
const (
	a1, a11, a70 = "10.0.1.10", "10.0.1.11", "10.0.1.70"
	a6           = "2001:db8:1:1::a"
	h1, h2       = "203.0.113.1", "203.0.113.2"
	h6           = "2001:db8:ffff::1"
)

func cidr(s string) policy.Peer { return policy.Peer{Prefix: netip.MustParsePrefix(s)} }

// rule returns a rule for ports; both policy.All for a protocol without.
func rule(proto, from, to int, peer string) policy.Rule {
	return policy.Rule{Protocol: proto, From: from, To: to, Peer: cidr(peer)}
}

func all(peer string) policy.Rule { return rule(policy.All, policy.All, policy.All, peer) }

type rules = []policy.Rule

func world(ingress, egress rules) policy.Source {
	return policy.Source{flow.Ingress: ingress, flow.Egress: egress}
}

var outAll = rules{all("0.0.0.0/0"), all("::/0")} // OUT*

// lab is A in a rig.
type lab struct {
	*bpftest.Rig
	a datapath.Interface
}

func newLab(t testing.TB) *lab {
	rig := bpftest.New(t)
	return &lab{rig, rig.Attach(bpftest.Interface("eni-a", a1, a6, a11, a70))}
}

// event is one step of a case.
type event func(*testing.T, *lab)

// in has a frame arrive at A and expects the ingress gate's answer; out has A
// send one and expects the egress gate's.
func in(f bpftest.Frame, want flow.Reason) event {
	return func(t *testing.T, l *lab) {
		t.Helper()
		got := l.In(l.a, f)
		if got.Reason[flow.Ingress] != want || got.Passed != want.Verdict().Passes() {
			t.Errorf("ingress %s (passed %v), want %s", got.Reason[flow.Ingress], got.Passed, want)
		}
	}
}

func out(f bpftest.Frame, want flow.Reason) event {
	return func(t *testing.T, l *lab) {
		t.Helper()
		got := l.Out(l.a, f)
		if got.Reason[flow.Egress] != want {
			t.Errorf("egress %s, want %s", got.Reason[flow.Egress], want)
		}
	}
}

func flows(want int) event {
	return func(t *testing.T, l *lab) {
		t.Helper()
		if got := l.Flows(l.a); len(got) != want {
			t.Errorf("%d live flows, want %d: %+v", len(got), want, got)
		}
	}
}

// Frames between A and a remote end, in either direction.
func tcp(src, dst, flags string) bpftest.Frame { return bpftest.TCP(src, dst, flags) }
func udp(src, dst string) bpftest.Frame        { return bpftest.UDP(src, dst) }
func icmp(src, dst string, typ, code uint8, id uint16) bpftest.Frame {
	return bpftest.ICMP(src, dst, typ, code, id)
}

const (
	byRule     = flow.ReasonRule
	tracked    = flow.ReasonTracked
	untracked  = flow.ReasonUntracked
	noRule     = flow.ReasonNoRule
	noState    = flow.ReasonNoState
	badFlags   = flow.ReasonBadFlags
	second     = time.Second
	server, sc = a1 + ":22", h1 + ":50000"
	client, cs = a1 + ":40000", h1 + ":443"
)

// The handshake of the tracked server (H1 connects to A:22) of section 7.D.
var (
	serverRules = world(rules{rule(6, 22, 22, h1+"/32")}, nil)
	serverOpen  = []event{in(tcp(sc, server, "S"), byRule), out(tcp(server, sc, "SA"), tracked), in(tcp(sc, server, "A"), tracked)}
)

// webRules is group W of section 7.C.
func webRules(egress rules) policy.Source {
	return world(rules{
		rule(6, 22, 22, h1+"/32"), rule(6, 80, 80, "0.0.0.0/0"), rule(6, 80, 80, "::/0"), rule(1, -1, -1, "0.0.0.0/0"),
	}, egress)
}

// last returns n rules of which only the last is about H1.
func last(n int) (out rules) {
	for i := range n - 1 {
		out = append(out, rule(6, i+1, i+1, "10.0.0.0/8"))
	}
	return append(out, rule(6, n, n, h1+"/32"))
}

// seq joins events and lists of events.
func seq(parts ...any) (all []event) {
	for _, p := range parts {
		switch p := p.(type) {
		case event:
			all = append(all, p)
		case []event:
			all = append(all, p...)
		}
	}
	return all
}
