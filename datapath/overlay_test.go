// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// Hosts, the number of A's VPC, and addresses of it that are on the other host.
const (
	here, there, third = "192.0.2.1", "192.0.2.2", "192.0.2.3"
	vni                = 4242
	t1, t6             = "10.0.1.77", "2001:db8:1:1::77"
)

// apart is A on this host, with the address t1 of a member of sg-t on another one.
// overlay is the VXLAN device.
func apart(t *testing.T) (l *lab, overlay int) {
	t.Helper()
	l = newLab(t)
	_, overlay = l.Device()
	if err := l.SetOverlay(overlay, netip.AddrPortFrom(netip.MustParseAddr(here), 4789)); err != nil {
		t.Fatal(err)
	}
	if err := l.SetVNIs(map[uint32]string{vni: bpftest.VPC}); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{t1, t6} {
		on(t, l, datapath.Address{Addr: netip.MustParseAddr(a), Groups: []string{"sg-t"}, Host: netip.MustParseAddr(there), VNI: vni})
	}
	l.SetPolicy(l.a, world(rules{
		{Protocol: 6, From: 22, To: 22, Peer: policy.Peer{Group: "sg-t"}}, rule(6, 80, 80, "10.0.0.0/8"), rule(6, 80, 80, "2001:db8:1::/56"),
	}, outAll))
	return l, overlay
}

// on puts an address of the VPC.
func on(t *testing.T, l *lab, a datapath.Address) {
	t.Helper()
	a.VPC = bpftest.VPC
	if err := l.PutAddress(a); err != nil {
		t.Fatal(err)
	}
}

// fromHost has another host send a frame.
func fromHost(t *testing.T, l *lab, host string, number uint32, f bpftest.Frame) datapath.ProgramRun {
	t.Helper()
	got, err := l.RunFromOverlay(f.Bytes, netip.MustParseAddr(host), number)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestToAnotherHostAndBack: what egress admits goes to the host that has the
// address, under the number of its VPC, and what comes from there is an answer.
func TestToAnotherHostAndBack(t *testing.T) {
	l, overlay := apart(t)
	for what, c := range map[string]struct{ out, back bpftest.Frame }{
		"TCP":  {tcp(a1+":40000", t1+":443", "S"), tcp(t1+":443", a1+":40000", "SA")},
		"UDP":  {bpftest.UDP(a1+":40000", t1+":53"), bpftest.UDP(t1+":53", a1+":40000")},
		"ping": {bpftest.ICMP(a1, t1, 8, 0, 7), bpftest.ICMP(t1, a1, 0, 0, 7)},
		"IPv6": {tcp("["+a6+"]:40000", "["+t6+"]:443", "S"), tcp("["+t6+"]:443", "["+a6+"]:40000", "SA")},
	} {
		got := l.Out(l.a, c.out)
		if got.Redirect != overlay || got.VNI != vni || netip.AddrFrom4(got.Host).String() != there || got.Judged[flow.Ingress] {
			t.Errorf("%s: sent to device %d, host %v, number %d", what, got.Redirect, got.Host, got.VNI)
		}
		back := fromHost(t, l, there, vni, c.back)
		if back.Reason[flow.Ingress] != tracked || back.Redirect != l.a.Ifindex || [6]byte(back.Frame) != [6]byte(l.a.MAC) {
			t.Errorf("%s: the answer: %+v", what, back)
		}
	}
	// Egress rules come first.
	l.SetPolicy(l.a, world(nil, nil))
	if got := l.Out(l.a, tcp(a1+":40001", t1+":443", "S")); got.Reason[flow.Egress] != noRule || got.Redirect != 0 {
		t.Errorf("against the egress rules: %+v", got)
	}
}

// TestTheSenderIsWhoTheHostSays: a group reference matches a member on another host
// if the packet comes from that host, and nothing else does (section 1.5).
func TestTheSenderIsWhoTheHostSays(t *testing.T) {
	l, _ := apart(t)
	toSSH, toHTTP := tcp(t1+":40000", a1+":22", "S"), tcp(t1+":40000", a1+":80", "S")
	for what, c := range map[string]struct {
		host   string
		number uint32
		f      bpftest.Frame
		want   flow.Reason
	}{
		"the member":                           {there, vni, toSSH, byRule},
		"by a CIDR":                            {there, vni, toHTTP, byRule},
		"another host, with the member's name": {third, vni, toSSH, flow.ReasonSpoofIP},
		"another host, by a CIDR":              {third, vni, toHTTP, flow.ReasonSpoofIP},
		"this host's own address":              {here, vni, toSSH, flow.ReasonSpoofIP},
		"with an address that nobody has":      {there, vni, tcp("10.0.1.78:40000", a1+":80", "S"), flow.ReasonSpoofIP},
		"with an address of this host":         {there, vni, tcp(a11+":40000", a1+":80", "S"), flow.ReasonSpoofIP},
		"from the internet":                    {there, vni, tcp(h1+":40000", a1+":80", "S"), flow.ReasonSpoofIP},
		"a router advertisement":               {there, vni, bpftest.ICMPv6(t6, a6, 134, 0, make([]byte, 12)), flow.ReasonRogueRA},
		"to a port without a rule":             {there, vni, tcp(t1+":40000", a1+":23", "S"), noRule},
	} {
		got := fromHost(t, l, c.host, c.number, c.f)
		if got.Reason[flow.Ingress] != c.want || (got.Redirect != 0) != c.want.Verdict().Passes() {
			t.Errorf("%s: %s, device %d, want %s", what, got.Reason[flow.Ingress], got.Redirect, c.want)
		}
	}
	// By the host's own stack the same packet speaks for nobody.
	if got := l.In(l.a, toSSH); got.Reason[flow.Ingress] != noRule && got.Reason[flow.Ingress] != tracked {
		t.Errorf("by way of the stack: %s", got.Reason[flow.Ingress])
	}
	if got := l.In(l.a, tcp(t1+":40001", a1+":22", "S")); got.Reason[flow.Ingress] != noRule {
		t.Errorf("by way of the stack: %s", got.Reason[flow.Ingress])
	}
	// The member leaves its group, and its host.
	on(t, l, datapath.Address{Addr: netip.MustParseAddr(t1), Host: netip.MustParseAddr(there), VNI: vni})
	if got := fromHost(t, l, there, vni, tcp(t1+":40002", a1+":22", "S")); got.Reason[flow.Ingress] != noRule {
		t.Errorf("no member any more: %s", got.Reason[flow.Ingress])
	}
	on(t, l, datapath.Address{Addr: netip.MustParseAddr(t1), Host: netip.MustParseAddr(third), VNI: vni})
	for host, want := range map[string]flow.Reason{there: flow.ReasonSpoofIP, third: byRule} {
		if got := fromHost(t, l, host, vni, tcp(t1+":40003", a1+":80", "S")); got.Reason[flow.Ingress] != want {
			t.Errorf("after it moved, from %s: %s, want %s", host, got.Reason[flow.Ingress], want)
		}
	}
}

// TestStraysAreCounted: what is for no interface of this host is dropped.
func TestStraysAreCounted(t *testing.T) {
	l, _ := apart(t)
	for what, c := range map[string]struct {
		number uint32
		f      bpftest.Frame
	}{
		"a number of no VPC here": {vni + 1, tcp(t1+":1", a1+":80", "S")},
		"nobody's address":        {vni, tcp(t1+":1", "10.0.1.99:80", "S")},
		"back to where it was":    {vni, tcp(a1+":1", t1+":80", "S")},
		"no packet":               {vni, bpftest.Ether(0x88cc, make([]byte, 50))},
		"a truncated packet":      {vni, bpftest.Frame{Bytes: tcp(t1+":1", a1+":80", "S").Bytes[:40]}},
		"ARP":                     {vni, bpftest.ARP(1, l.a.MAC, t1, a1)},
	} {
		if got := fromHost(t, l, there, c.number, c.f); got.Redirect != 0 || got.Judged[flow.Ingress] || got.Passed {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if got, err := l.Strays(); err != nil || got != (datapath.Strays{Malformed: 3, VNI: 1, Destination: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := l.SetVNIs(nil); err != nil {
		t.Fatal(err)
	}
	if got := fromHost(t, l, there, vni, tcp(t1+":1", a1+":80", "S")); got.Judged[flow.Ingress] {
		t.Errorf("after the number was taken back: %+v", got)
	}
}

// TestUnroutedMaySend: a peer that the network has no route to is heard, in no
// group, and not answered (section 1.6).
func TestUnroutedMaySend(t *testing.T) {
	l, _ := apart(t)
	const peer = "10.9.0.5"
	on(t, l, datapath.Address{Addr: netip.MustParseAddr(peer), Host: netip.MustParseAddr(there), VNI: 7, Unrouted: true})
	if got := fromHost(t, l, there, vni, tcp(peer+":1", a1+":80", "S")); got.Reason[flow.Ingress] != byRule {
		t.Errorf("from the peer: %s", got.Reason[flow.Ingress])
	}
	if got := l.Out(l.a, tcp(a1+":80", peer+":1", "SA")); got.Reason[flow.Ingress] != flow.ReasonNoRoute || got.Redirect != 0 {
		t.Errorf("to the peer: %+v", got)
	}
	on(t, l, datapath.Address{Addr: netip.MustParseAddr(peer), Host: netip.MustParseAddr(there), VNI: 7})
	if got := l.Out(l.a, tcp(a1+":80", peer+":1", "SA")); got.VNI != 7 || got.Redirect == 0 {
		t.Errorf("to the peer, routed: %+v", got)
	}
	if err := l.DeleteAddress(bpftest.VPC, netip.MustParseAddr(peer)); err != nil {
		t.Fatal(err)
	}
	if got := fromHost(t, l, there, vni, tcp(peer+":2", a1+":80", "S")); got.Reason[flow.Ingress] != flow.ReasonSpoofIP {
		t.Errorf("from who is gone: %s", got.Reason[flow.Ingress])
	}
}

// TestTooLongIsTold: a packet that the network between hosts does not take is
// dropped, and its sender told how long they may be (RFC 1191, RFC 8201).
func TestTooLongIsTold(t *testing.T) {
	l, overlay := apart(t)
	long := make([]byte, 1600)
	dont := func(f bpftest.Frame) bpftest.Frame { // DF, and the checksum with it
		f = f.With(14+6, 0x40)
		sum := uint16(f.Bytes[24])<<8 | uint16(f.Bytes[25])
		sum -= 0x4000
		if sum > 0xbfff {
			sum--
		}
		return f.With(24, byte(sum>>8), byte(sum))
	}
	four := dont(bpftest.IP(a1, t1, 99, long))
	got := l.Out(l.a, four)
	if got.Redirect != l.a.Ifindex || got.Reason[flow.Ingress] != flow.ReasonTooBig {
		t.Fatalf("IPv4: %s, device %d", got.Reason[flow.Ingress], got.Redirect)
	}
	sound(t, "IPv4", got.Frame, "10.0.1.1", a1)
	p := gopacket.NewPacket(got.Frame, layers.LayerTypeEthernet, gopacket.Default)
	icmp, _ := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	if icmp == nil || icmp.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || icmp.Seq != 1500 || string(icmp.Payload[:40]) != string(four.Bytes[14:54]) {
		t.Errorf("IPv4: %v", p)
	}

	got = l.Out(l.a, bpftest.IP(a6, t6, 99, long))
	if got.Redirect != l.a.Ifindex || got.Reason[flow.Ingress] != flow.ReasonTooBig {
		t.Fatalf("IPv6: %s, device %d", got.Reason[flow.Ingress], got.Redirect)
	}
	sound(t, "IPv6", got.Frame, "2001:db8:1:1::1", a6)
	p = gopacket.NewPacket(got.Frame, layers.LayerTypeEthernet, gopacket.Default)
	if icmp, _ := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); icmp == nil || icmp.TypeCode != layers.CreateICMPv6TypeCode(2, 0) || icmp.Payload[2] != 1500>>8 || icmp.Payload[3] != 1500&0xff {
		t.Errorf("IPv6: %v", p)
	}

	if got := l.Out(l.a, bpftest.IP(a1, t1, 99, long)); got.Redirect != overlay {
		t.Errorf("what may be fragmented: %s, device %d", got.Reason[flow.Ingress], got.Redirect)
	}
	if got := l.Out(l.a, dont(bpftest.IP(a1, t1, 99, long[:1400]))); got.Redirect != overlay {
		t.Errorf("what is short enough: %s, device %d", got.Reason[flow.Ingress], got.Redirect)
	}
	if n := l.Status(l.a).Packets[flow.Egress][flow.ReasonTooBig]; n != 2 {
		t.Errorf("%d packets were counted as too big, want 2", n)
	}
}

// TestForwardedStaysHere: an address that is not the sender's says nothing on
// another host.
func TestForwardedStaysHere(t *testing.T) {
	l, _ := apart(t)
	l.a.SourceDestCheck = false
	l.a = l.Attach(l.a)
	if got := l.Out(l.a, tcp("10.0.1.200:1", t1+":80", "S")); got.Reason[flow.Ingress] != flow.ReasonNoRoute || got.Redirect != 0 {
		t.Errorf("%+v", got)
	}
}

// TestNoInstancePosesAsAHost: whoever translates the addresses of instances on their
// way to the internet may give them the host's, which other hosts believe.
func TestNoInstancePosesAsAHost(t *testing.T) {
	l, uplink := joined(t)
	lead(t, l, "0.0.0.0/0")
	forged := bpftest.UDP(a1+":40000", there+":4789")
	if got := l.Out(l.a, forged); got.Redirect != uplink {
		t.Errorf("on the only host: %+v", got)
	}
	_, overlay := l.Device()
	if err := l.SetOverlay(overlay, netip.AddrPortFrom(netip.MustParseAddr(here), 4789)); err != nil {
		t.Fatal(err)
	}
	if got := l.Out(l.a, forged); got.Redirect != 0 || got.Reason[flow.Ingress] != flow.ReasonNoRoute {
		t.Errorf("among hosts: %+v", got)
	}
	for what, f := range map[string]bpftest.Frame{"another port": bpftest.UDP(a1+":40000", there+":4788"), "TCP": tcp(a1+":40000", there+":4789", "S")} {
		if got := l.Out(l.a, f); got.Redirect != uplink {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// TestOtherHostsAreAdopted: a process that starts goes on sending and judging by
// what it finds, and knows all of it.
func TestOtherHostsAreAdopted(t *testing.T) {
	l, overlay := apart(t)
	on(t, l, datapath.Address{Addr: netip.MustParseAddr("10.9.0.5"), Host: netip.MustParseAddr(there), VNI: 7, Unrouted: true})
	before := l.Adopted()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Open()
	after := l.Adopted()
	if len(after.Addresses) != len(before.Addresses) {
		t.Fatalf("%d addresses are adopted, %d were there", len(after.Addresses), len(before.Addresses))
	}
	for n, a := range after.Addresses {
		if b := before.Addresses[n]; a.Addr != b.Addr || a.Host != b.Host || a.VNI != b.VNI || a.Unrouted != b.Unrouted {
			t.Errorf("adopted %+v, was %+v", a, b)
		}
	}
	if got := l.Out(l.a, tcp(a1+":40000", t1+":443", "S")); got.Redirect != overlay {
		t.Errorf("%+v", got)
	}
	if got := fromHost(t, l, there, vni, tcp(t1+":40000", a1+":22", "S")); got.Reason[flow.Ingress] != byRule {
		t.Errorf("%+v", got)
	}
	if err := l.SetOverlay(0, netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	if got := l.Out(l.a, tcp(a1+":40001", t1+":443", "S")); got.Redirect != 0 || got.Reason[flow.Ingress] != flow.ReasonNoRoute {
		t.Errorf("with the way closed: %+v", got)
	}
	if got := fromHost(t, l, there, vni, tcp(t1+":40001", a1+":22", "S")); got.Redirect != 0 {
		t.Errorf("with the way closed: %+v", got)
	}
}
