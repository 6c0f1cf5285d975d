// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// joined is A with a public address in a VPC whose table leads to the internet.
func joined(t *testing.T) (l *lab, uplink int) {
	t.Helper()
	l = newLab(t)
	l.a.Public = map[netip.Addr]netip.Addr{netip.MustParseAddr(a1): netip.MustParseAddr(pubA)}
	l.a.Internet = true
	l.a = l.Attach(l.a)
	l.SetPolicy(l.a, world(rules{rule(6, 80, 80, h1+"/32"), rule(1, policy.All, policy.All, h1+"/32"), rule(6, 80, 80, h6+"/128")}, outAll))
	_, uplink = l.Device()
	if err := l.SetUplink(uplink); err != nil {
		t.Fatal(err)
	}
	lead(t, l, "0.0.0.0/0", "::/0")
	return l, uplink
}

const pubA, pubB = "198.51.100.10", "198.51.100.20"

// lead makes blocks those that are on the internet; the VPC's own are not.
func lead(t *testing.T, l *lab, blocks ...string) {
	t.Helper()
	routes := []datapath.Route{{Prefix: netip.MustParsePrefix("10.0.0.0/16")}, {Prefix: netip.MustParsePrefix("2001:db8:1::/56")}}
	for _, b := range blocks {
		routes = append(routes, datapath.Route{Prefix: netip.MustParsePrefix(b), Internet: true})
	}
	if err := l.SetRoutes(bpftest.VPC, routes); err != nil {
		t.Fatal(err)
	}
}

// sound fails the test unless the frame's checksums are right and its ends are
// these.
func sound(t *testing.T, what string, frame []byte, src, dst string) {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if err := p.ErrorLayer(); err != nil {
		t.Errorf("%s: %v", what, err.Error())
		return
	}
	ip := p.NetworkLayer()
	if got := ip.NetworkFlow(); got.Src().String() != src || got.Dst().String() != dst {
		t.Errorf("%s: %v, want %s to %s", what, got, src, dst)
	}
	checked(t, what, p)
}

// checked fails the test unless every checksum of a packet is right.
func checked(t *testing.T, what string, p gopacket.Packet) {
	t.Helper()
	for _, l := range p.Layers() {
		if l4, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := l4.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if err, mismatches := p.VerifyChecksums(); err != nil || len(mismatches) != 0 {
		t.Errorf("%s: %v wrong checksums, %v", what, mismatches, err)
	}
}

func TestOutToTheInternetAndBack(t *testing.T) { // section 1.11
	l, uplink := joined(t)
	for what, f := range map[string]bpftest.Frame{
		"TCP": tcp(a1+":40000", h1+":443", "S"), "UDP": bpftest.UDP(a1+":40000", h1+":5300"), "ping": bpftest.ICMP(a1, h1, 8, 0, 7),
	} {
		got := l.Out(l.a, f)
		if got.Redirect != uplink {
			t.Fatalf("%s: sent to device %d, want %d; %v", what, got.Redirect, uplink, got.Reason)
		}
		sound(t, what, got.Frame, pubA, h1)
	}
	answer, err := l.RunFromInternet(tcp(h1+":443", pubA+":40000", "SA").Bytes)
	if err != nil || answer.Redirect != l.a.Ifindex || answer.Reason[flow.Ingress] != tracked {
		t.Errorf("the answer: %+v, %v", answer, err)
	}
	sound(t, "the answer", answer.Frame, h1, a1)

	// What nobody asked for is for the rules.
	for f, want := range map[string]flow.Reason{h1 + ":999": byRule, h2 + ":999": noRule} {
		got, err := l.RunFromInternet(tcp(f, pubA+":80", "S").Bytes)
		if err != nil || got.Reason[flow.Ingress] != want || (got.Redirect != 0) != (want == byRule) {
			t.Errorf("from %s: %+v, %v", f, got, err)
		}
	}
	for what, f := range map[string]bpftest.Frame{
		"nobody's address": tcp(h1+":1", pubB+":80", "S"), "a private address": tcp(h1+":1", a1+":80", "S"),
	} {
		if got, _ := l.RunFromInternet(f.Bytes); got.Redirect != 0 || got.Judged[flow.Ingress] {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if got, _ := l.RunFromInternet(tcp("10.0.1.20:1", pubA+":80", "S").Bytes); got.Reason[flow.Ingress] != flow.ReasonSpoofIP {
		t.Errorf("from the internet with an address of the VPC: %v", got.Reason)
	}
}

func TestIPv6KeepsItsAddresses(t *testing.T) { // section 1.11
	l, uplink := joined(t)
	out := l.Out(l.a, tcp("["+a6+"]:40000", "["+h6+"]:443", "S"))
	if out.Redirect != uplink {
		t.Fatalf("%+v", out)
	}
	sound(t, "out", out.Frame, a6, h6)
	back, err := l.RunFromInternet(tcp("["+h6+"]:443", "["+a6+"]:40000", "SA").Bytes)
	if err != nil || back.Redirect != l.a.Ifindex || back.Reason[flow.Ingress] != tracked {
		t.Errorf("%+v, %v", back, err)
	}
	if got, _ := l.RunFromInternet(tcp("["+h6+"]:1", "["+a6+"]:81", "S").Bytes); got.Reason[flow.Ingress] != noRule {
		t.Errorf("%v", got.Reason)
	}
}

func TestWhatDoesNotLeave(t *testing.T) { // section 1.11
	l, _ := joined(t)
	ingress := func(what string, f bpftest.Frame, want flow.Reason) {
		t.Helper()
		if got := l.Out(l.a, f); got.Reason[flow.Ingress] != want || got.Redirect != 0 {
			t.Errorf("%s: %s, device %d, want %s", what, got.Reason[flow.Ingress], got.Redirect, want)
		}
	}
	ingress("an address of the VPC that nobody has", tcp(a1+":1", "10.0.9.9:80", "S"), flow.ReasonNoRoute)
	ingress("a secondary address without a public one", tcp(a11+":1", h1+":80", "S"), flow.ReasonNoPublicAddress)
	lead(t, l, "203.0.113.128/25")
	ingress("no route covers it", tcp(a1+":1", h1+":80", "S"), flow.ReasonNoRoute)
	lead(t, l, "203.0.113.0/24")
	if got := l.Out(l.a, tcp(a1+":1", h1+":80", "S")); got.Redirect == 0 {
		t.Errorf("a route covers it: %+v", got)
	}
	l.a.Public = nil
	l.a = l.Attach(l.a)
	ingress("the public address was taken away", tcp(a1+":1", h1+":80", "A"), flow.ReasonNoPublicAddress)
	if err := l.SetUplink(0); err != nil {
		t.Fatal(err)
	}
	ingress("no uplink", tcp(a1+":1", h1+":80", "A"), flow.ReasonNoRoute)
	l.a.SourceDestCheck = false
	l.a = l.Attach(l.a)
	_, device := l.Device()
	if err := l.SetUplink(device); err != nil {
		t.Fatal(err)
	}
	ingress("forwarded for somebody else", tcp("10.0.1.99:1", h1+":80", "S"), flow.ReasonNoPublicAddress)
}

// TestBetweenPublicAddresses is PKT-B05 and PKT-B06: who is spoken to by a public
// address sees one, and no group.
func TestBetweenPublicAddresses(t *testing.T) {
	l, uplink := joined(t)
	b := bpftest.Interface("eni-b", "10.0.1.20")
	b.Public = map[netip.Addr]netip.Addr{netip.MustParseAddr("10.0.1.20"): netip.MustParseAddr(pubB)}
	b = l.Attach(b)
	l.SetPolicy(b, world(nil, outAll))
	l.SetPolicy(l.a, fromGroup("sg-b"))
	l.SetGroups("eni-b", "10.0.1.20", "sg-b")
	round := func(f bpftest.Frame) (datapath.ProgramRun, datapath.ProgramRun) {
		t.Helper()
		out := l.Out(b, f)
		if out.Redirect != uplink {
			t.Fatalf("%+v", out)
		}
		in, err := l.RunFromInternet(out.Frame)
		if err != nil {
			t.Fatal(err)
		}
		return out, in
	}
	if out, in := round(tcp("10.0.1.20:1000", pubA+":22", "S")); out.Reason[flow.Egress] != byRule && out.Reason[flow.Egress] != tracked || in.Reason[flow.Ingress] != noRule {
		t.Errorf("B05: egress %s, ingress %s", out.Reason[flow.Egress], in.Reason[flow.Ingress])
	}
	l.SetPolicy(l.a, world(rules{rule(6, 80, 80, pubB+"/32")}, nil))
	_, in := round(tcp("10.0.1.20:1001", pubA+":80", "S"))
	if in.Reason[flow.Ingress] != byRule || in.Redirect != l.a.Ifindex {
		t.Errorf("by B's public address: %+v", in)
	}
	sound(t, "at A", in.Frame, pubB, a1)
	back := l.Out(l.a, tcp(a1+":80", pubB+":1001", "SA"))
	home, err := l.RunFromInternet(back.Frame)
	if err != nil || back.Reason[flow.Egress] != tracked || home.Reason[flow.Ingress] != tracked || home.Redirect != b.Ifindex {
		t.Errorf("the answer: %+v, %+v, %v", back, home, err)
	}
	sound(t, "at B", home.Frame, pubA, "10.0.1.20")
	if got := l.Out(b, tcp("10.0.1.20:1002", a1+":80", "S")); got.Reason[flow.Ingress] != noRule {
		t.Errorf("B06: ingress %s", got.Reason[flow.Ingress])
	}
}

// TestQuotesAreTranslated: an ICMP error names the private address where its
// reader knows the private one, and every checksum in it is right.
func TestQuotesAreTranslated(t *testing.T) { // section 1.11
	l, _ := joined(t)
	for what, quoted := range map[string]bpftest.Frame{
		"UDP": bpftest.UDP(pubA+":40000", h1+":5300"), "TCP": tcp(pubA+":40000", h1+":443", "A"), "ping": bpftest.ICMP(pubA, h1, 8, 0, 7),
	} {
		ip := quoted.Bytes[14:]
		in := bpftest.IP(h1, pubA, 1, icmpError(3, 3, ip))
		got, err := l.RunFromInternet(in.Bytes)
		if err != nil || !got.Judged[flow.Ingress] || got.Redirect != l.a.Ifindex {
			t.Fatalf("%s: %+v, %v", what, got, err)
		}
		sound(t, what, got.Frame, h1, a1)
		inner := gopacket.NewPacket(got.Frame[14+20+8:], layers.LayerTypeIPv4, gopacket.Default)
		if src := inner.NetworkLayer().NetworkFlow().Src().String(); src != a1 {
			t.Errorf("%s: the quote is from %s, want %s", what, src, a1)
		}
		checked(t, what+", the quote", inner)
	}
	// The other way: A complains of a packet to itself.
	quote := bpftest.UDP(h1+":5300", a1+":40000").Bytes[14:]
	got := l.Out(l.a, bpftest.IP(a1, h1, 1, icmpError(3, 3, quote[:28])))
	sound(t, "out", got.Frame, pubA, h1)
	if dst := netip.AddrFrom4([4]byte(got.Frame[14+20+8+16:])); dst.String() != pubA || bytes.Equal(got.Frame[14+20+8+26:][:2], quote[26:28]) {
		t.Errorf("the quote is to %s", dst)
	}
}

// icmpError builds an ICMP error around a packet.
func icmpError(typ, code uint8, packet []byte) []byte {
	b := append([]byte{typ, code, 0, 0, 0, 0, 0, 0}, packet...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum+sum>>16))
	return b
}

// TestInternetIsAdopted: a new process finds public addresses and routes, and
// takes back those that are no longer wanted.
func TestInternetIsAdopted(t *testing.T) {
	l, uplink := joined(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Open()
	if got := l.Out(l.a, tcp(a1+":1", h1+":80", "S")); got.Redirect != uplink {
		t.Errorf("after a restart: %+v", got)
	}
	if got := l.Public("eni-a"); len(got) != 2 { // the IPv6 address, too
		t.Errorf("adopted public addresses %v", got)
	}
	if got := l.Adopted().Networks; len(got) != 1 || got[0] != bpftest.VPC {
		t.Errorf("adopted routes of %v", got)
	}
	l.a.Public, l.a.Internet = nil, false
	l.a = l.Attach(l.a)
	if got := l.Public("eni-a"); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if err := l.SetRoutes(bpftest.VPC, nil); err != nil {
		t.Fatal(err)
	}
	if got := l.Adopted().Networks; len(got) != 0 {
		t.Errorf("left: routes of %v", got)
	}
	if got, _ := l.RunFromInternet(tcp(h1+":1", pubA+":80", "S").Bytes); got.Judged[flow.Ingress] {
		t.Errorf("to an address that was taken back: %+v", got)
	}
}
