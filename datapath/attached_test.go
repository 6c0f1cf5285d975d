// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// newAttached is a lab whose A is at a device that somebody else made.
func newAttached(t *testing.T) *lab {
	rig := bpftest.New(t)
	a := bpftest.Interface("eni-a", a1, a6, a11)
	a.Attached = true
	return &lab{rig, rig.Attach(a)}
}

// goes has A send a frame and expects it to go on unchanged, or to end, with the
// reason; comes has one arrive.
func (l *lab) goes(t *testing.T, f bpftest.Frame, want flow.Reason) {
	t.Helper()
	f = f.SourceMAC(l.a.MAC)
	got := l.Out(l.a, f)
	if got.Reason[flow.Egress] != want || got.Passed != want.Verdict().Passes() || got.Redirect != 0 || got.Judged[flow.Ingress] {
		t.Errorf("egress %s, passed %v, redirected to %d, want %s", got.Reason[flow.Egress], got.Passed, got.Redirect, want)
	}
	if got.Passed && !bytes.Equal(got.Frame[6:], f.Bytes[6:]) {
		t.Errorf("%s changed the frame", want)
	}
}

func (l *lab) comes(t *testing.T, f bpftest.Frame, want flow.Reason) {
	t.Helper()
	got := l.In(l.a, f)
	if got.Reason[flow.Ingress] != want || got.Passed != want.Verdict().Passes() || got.Redirect != 0 {
		t.Errorf("ingress %s, passed %v, want %s", got.Reason[flow.Ingress], got.Passed, want)
	}
}

// TestAttachedInterfacesAreJudgedAndNothingElse is docs/spec/packet-semantics.md
// section 4.8: what no rule is asked about goes on unanswered, the rest is judged as
// everywhere.
func TestAttachedInterfacesAreJudgedAndNothingElse(t *testing.T) {
	l := newAttached(t)
	syn := tcp(h1+":4000", a1+":22", "S")
	discover := udp("0.0.0.0:68", "255.255.255.255:67")
	l.comes(t, syn, flow.ReasonNoPolicy) // closed
	l.goes(t, tcp(a1+":4000", h1+":80", "S"), flow.ReasonNoPolicy)
	l.goes(t, discover, flow.ReasonAnswered)
	l.goes(t, bpftest.ARP(1, l.a.MAC, a1, "10.0.1.1"), flow.ReasonAnswered)

	l.SetPolicy(l.a, world(rules{rule(6, 22, 22, "0.0.0.0/0"), rule(6, 80, 80, h2+"/32")}, rules{rule(6, 443, 443, "0.0.0.0/0")}))
	l.comes(t, syn, byRule)
	l.goes(t, tcp(a1+":22", h1+":4000", "SA"), tracked)
	l.comes(t, tcp(h1+":4000", a1+":22", "A"), tracked)
	l.comes(t, tcp(h1+":4000", a11+":22", "S"), byRule) // a secondary address
	l.comes(t, tcp(h1+":4000", a1+":80", "S"), noRule)
	l.goes(t, tcp(a1+":4000", h1+":443", "S"), byRule)
	l.comes(t, tcp(h1+":443", a1+":4000", "SA"), tracked)
	l.goes(t, tcp(a1+":4000", h1+":443", "A"), tracked)
	l.goes(t, tcp(a1+":4000", h1+":25", "S"), noRule)
	if n := len(l.Flows(l.a)); n != 3 {
		t.Errorf("%d flows, want 3", n)
	}

	// Anti-spoofing, section 5.
	l.goes(t, tcp(h2+":4000", h1+":443", "S"), flow.ReasonSpoofIP)
	if got := l.Out(l.a, tcp(a1+":4000", h1+":443", "A").SourceMAC(net.HardwareAddr{2, 9, 9, 9, 9, 9})); got.Passed || got.Reason[flow.Egress] != flow.ReasonSpoofMAC {
		t.Errorf("another's MAC address: %s", got.Reason[flow.Egress])
	}
	l.goes(t, bpftest.ARP(2, l.a.MAC, "10.0.1.99", "10.0.1.1"), flow.ReasonSpoofARP)
	l.comes(t, tcp(h1+":4000", "10.0.1.77:22", "S"), flow.ReasonNotMine)
	l.goes(t, bpftest.Ether(0x88cc, make([]byte, 46)), flow.ReasonEthertype)
	l.goes(t, udp(a1+":1", "169.254.169.254:80"), flow.ReasonLinkLocal)

	// There is no router: its addresses are anybody's.
	l.goes(t, bpftest.ICMP(a1, "10.0.1.1", 8, 0, 1), noRule)
	l.comes(t, tcp("10.0.1.1:4000", a1+":22", "S"), byRule)

	// The link's own matter comes in unasked, but only as such.
	l.comes(t, bpftest.ARP(1, l.a.MAC, "10.0.1.1", a1), flow.ReasonExempt)
	l.comes(t, udp("10.0.1.1:67", a1+":68"), flow.ReasonExempt)
	l.comes(t, bpftest.ICMPv6("fe80::1", "ff02::1:ff00:a", 135, 0, make([]byte, 20)), flow.ReasonExempt)
	l.comes(t, bpftest.ICMPv6("fe80::1", "ff02::1", 134, 0, make([]byte, 12)), flow.ReasonExempt)
	far := bpftest.ICMPv6("fe80::1", "ff02::1", 134, 0, make([]byte, 12)).With(14+7, 64) // through a router
	l.comes(t, far, flow.ReasonRogueRA)
	l.goes(t, bpftest.ICMPv6("fe80::a", "ff02::1", 134, 0, make([]byte, 12)), flow.ReasonRogueRA)
}

// TestAnAddressSpeaksForItsOwnerWhereNobodyRedirects has A hear of B by its address
// alone, section 1.5: if B is attached like A, or is elsewhere, but not if B is an
// instance of ours, which has no way to A.
func TestAnAddressSpeaksForItsOwnerWhereNobodyRedirects(t *testing.T) {
	l := newAttached(t)
	l.SetPolicy(l.a, policy.Source{flow.Ingress: {{ID: "r", Protocol: 6, From: 22, To: 22, Peer: policy.Peer{Group: "sg-b"}}}, flow.Egress: outAll})
	attached, managed := bpftest.Interface("eni-b", "10.0.1.20"), bpftest.Interface("eni-c", "10.0.1.30")
	attached.Attached = true
	attached, managed = l.Attach(attached), l.Attach(managed)
	l.SetPolicy(attached, world(nil, outAll))
	l.SetPolicy(managed, world(nil, outAll))
	l.SetGroups("eni-b", "10.0.1.20", "sg-b")
	l.SetGroups("eni-c", "10.0.1.30", "sg-b")
	l.SetGroups("", "10.0.1.40", "sg-b")
	for from, want := range map[string]flow.Reason{"10.0.1.20": byRule, "10.0.1.30": noRule, "10.0.1.40": byRule, "10.0.1.50": noRule} {
		l.comes(t, tcp(from+":4000", a1+":22", "S"), want)
	}
	b := &lab{l.Rig, attached}
	b.goes(t, tcp("10.0.1.20:4001", a1+":22", "S"), byRule)
	l.comes(t, tcp("10.0.1.20:4001", a1+":22", "S"), byRule)
	l.goes(t, tcp(a1+":22", "10.0.1.20:4001", "SA"), tracked)
	if got := l.Out(managed, tcp("10.0.1.30:4001", a1+":22", "S")); got.Passed || got.Redirect != 0 || got.Reason[flow.Ingress] != flow.ReasonNoRoute {
		t.Errorf("from an instance of ours: %s, redirected to %d", got.Reason[flow.Ingress], got.Redirect)
	}
	l.goes(t, tcp(a1+":22", "10.0.1.30:4001", "SA"), byRule) // the forwarder's matter

	// One of another host's instances comes by the network between hosts, and by no link.
	_, overlay := l.Device()
	if err := l.SetOverlay(overlay, netip.AddrPortFrom(netip.MustParseAddr(here), 4789)); err != nil {
		t.Fatal(err)
	}
	on(t, l, datapath.Address{Addr: netip.MustParseAddr(t1), Groups: []string{"sg-b"}, Host: netip.MustParseAddr(there), VNI: vni})
	l.comes(t, tcp(t1+":4000", a1+":22", "S"), noRule)
	l.comes(t, tcp("10.0.1.40:4002", a1+":22", "S"), byRule)
}

// TestAnAttachedInterfaceStaysWhatItIs refuses to make an instance's device
// somebody else's, which would leave a moment without programs.
func TestAnAttachedInterfaceStaysWhatItIs(t *testing.T) {
	l := newAttached(t)
	other := l.a
	other.Attached = false
	if err := l.Datapath.Attach(other); err == nil {
		t.Error("attached in another way")
	}
	other.Attached, other.Own = true, true
	if err := l.Datapath.Attach(other); err == nil {
		t.Error("turned round")
	}
	if s := l.Status(l.a); !s.Attached {
		t.Errorf("status %+v", s)
	}
	if err := l.Datapath.Attach(datapath.Interface{ID: "eni-x", MAC: l.a.MAC, Ifindex: 1, Own: true}); err == nil {
		t.Error("an instance's interface at a NIC of the host")
	}
}

// TestTheDeviceAPacketCameByDecidesNothing holds that the short way of packets between
// two attached interfaces of a host ends as the long one does, whatever device a packet
// says that it has come by.
func TestTheDeviceAPacketCameByDecidesNothing(t *testing.T) {
	l := newAttached(t)
	b := bpftest.Interface("eni-b", "10.0.1.20", "10.0.1.21")
	b.Attached = true
	b = l.Attach(b)
	l.SetPolicy(b, world(nil, rules{all("10.0.1.0/24")}))
	l.SetPolicy(l.a, world(rules{rule(17, 9, 9, "10.0.1.20/31")}, nil))
	_, to := l.Judges(true)
	for _, from := range []int{0, 1, b.Ifindex, l.a.Ifindex} {
		for port, src := range map[int]string{100: "10.0.1.20", 200: "10.0.1.21"} {
			f := udp(fmt.Sprintf("%s:%d", src, port+from%50), a1+":9")
			if got := l.Out(b, f.SourceMAC(b.MAC)).Reason[flow.Egress]; got != byRule {
				t.Fatalf("egress of %s: %s", src, got)
			}
			other := udp(fmt.Sprintf("%s:%d", src, port+from%50), a1+":10")
			for _, step := range []struct {
				frame bpftest.Frame
				want  flow.Reason
			}{{f, byRule}, {f, tracked}, {other, noRule}, {f, tracked}} {
				got, err := datapath.RunFrom(to, from, l.a.Ifindex, step.frame.Bytes)
				if err != nil || got.Reason[flow.Ingress] != step.want {
					t.Errorf("from %s, come by %d: %s, want %s: %v", src, from, got.Reason[flow.Ingress], step.want, err)
				}
			}
		}
	}
	if s := l.Status(l.a); s.Used != 8 || s.Flows != 8 {
		t.Errorf("%d units and %d flows of 8", s.Used, s.Flows)
	}
}
