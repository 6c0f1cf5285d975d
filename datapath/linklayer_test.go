// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

func TestLinkLayer(t *testing.T) {
	l := newLab(t)
	mac := l.a.MAC
	foreign := net.HardwareAddr{2, 0, 0, 0, 0, 0x99}
	local := "fe80::ff:fe00:a"
	target := func(a string) []byte { return append(make([]byte, 4), netip.MustParseAddr(a).AsSlice()...) }
	nd := func(src, dst string, typ uint8, about string) bpftest.Frame {
		return bpftest.ICMPv6(src, dst, typ, 0, target(about))
	}
	open := world(rules{all("0.0.0.0/0"), all("::/0")}, outAll)
	tests := []struct {
		name     string
		frame    bpftest.Frame
		want     flow.Reason
		answered bool // the frame comes back, turned around
	}{
		{"PKT-H11 who-has router", bpftest.ARP(1, mac, a1, "10.0.1.1"), flow.ReasonAnswered, true},
		{"who-has a neighbour", bpftest.ARP(1, mac, a1, "10.0.7.7"), flow.ReasonAnswered, true},
		{"who-has somebody outside the VPC", bpftest.ARP(1, mac, a1, "192.0.2.1"), flow.ReasonAnswered, false},
		{"PKT-H12 another's address", bpftest.ARP(2, mac, "10.0.1.99", "10.0.1.1"), flow.ReasonSpoofARP, false},
		{"PKT-H12 gratuitous", bpftest.ARP(1, mac, a1, a1), flow.ReasonAnswered, false},
		{"another's MAC in ARP", bpftest.ARP(1, foreign, a1, "10.0.1.1"), flow.ReasonSpoofARP, false},
		{"PKT-J11 probe", bpftest.ARP(1, mac, "0.0.0.0", a1), flow.ReasonAnswered, false},
		{"PKT-H13 own address", nd(a6, "ff02::1", 136, a6), flow.ReasonAnswered, false},
		{"PKT-H13 another's address", nd(a6, "ff02::1", 136, "2001:db8:1:1::b"), flow.ReasonSpoofND, false},
		{"PKT-H14 router solicitation", nd(local, "ff02::2", 133, "::"), flow.ReasonAnswered, false},
		{"PKT-H14 listener report", nd(local, "ff02::16", 143, "::"), flow.ReasonAnswered, false},
		{"PKT-H14 duplicate address detection", nd("::", "ff02::1:ff00:a", 135, a6), flow.ReasonAnswered, false},
		{"PKT-H15 advertisement", nd(local, "ff02::1", 134, "::"), flow.ReasonRogueRA, false},
		{"redirect", nd(local, a6, 137, a6), flow.ReasonRogueRA, false},
		{"who has the router, IPv6", nd(a6, "ff02::1:ff00:1", 135, "2001:db8:1:1::1"), flow.ReasonAnswered, true},
		{"who has the router, link-local", nd(local, "ff02::1:ff00:1", 135, "fe80::48:47ff:fe00:1"), flow.ReasonAnswered, true},
		{"solicitation from another's address", nd("2001:db8:1:1::b", "ff02::1:ff00:1", 135, a6), flow.ReasonSpoofIP, false},
		{"PKT-H11 router echo", icmp(a1, "10.0.1.1", 8, 0, 1), flow.ReasonAnswered, true},
		{"router echo, IPv6", icmp(a6, "2001:db8:1:1::1", 128, 0, 1), flow.ReasonAnswered, true},
		{"PKT-H05", tcp(client, "169.254.169.254:8080", "S"), flow.ReasonLinkLocal, false},
		{"PKT-H07 discover", udp("0.0.0.0:68", "255.255.255.255:67"), flow.ReasonAnswered, false},
		{"PKT-H08", udp(a1+":67", "255.255.255.255:68"), flow.ReasonBroadcast, false},
		{"PKT-H16 subnet", udp(client, "10.0.1.255:9"), flow.ReasonBroadcast, false},
		{"PKT-H16 limited", udp(client, "255.255.255.255:9"), flow.ReasonBroadcast, false},
		{"PKT-H17", udp(client, "239.1.1.1:9"), flow.ReasonMulticast, false},
		{"PKT-H22 LLDP", bpftest.Ether(0x88cc, make([]byte, 50)), flow.ReasonEthertype, false},
		{"PKT-H22 VLAN", bpftest.Ether(0x8100, make([]byte, 50)), flow.ReasonEthertype, false},
		{"PKT-H22 RARP", bpftest.Ether(0x8035, make([]byte, 50)), flow.ReasonEthertype, false},
		{"PKT-H22 MPLS", bpftest.Ether(0x8847, make([]byte, 50)), flow.ReasonEthertype, false},
		{"PKT-H24", udp("169.254.169.254:80", client), flow.ReasonSpoofIP, false},
		{"PKT-J01", tcp("10.0.1.99:1", cs, "S"), flow.ReasonSpoofIP, false},
		{"PKT-J02 secondary", tcp(a11+":1", cs, "S"), untracked, false},
		{"PKT-J02 delegated", tcp(a70+":1", cs, "S"), untracked, false},
		{"PKT-J03", tcp(client, cs, "S").SourceMAC(foreign), flow.ReasonSpoofMAC, false},
		{"PKT-J10 not assigned", tcp("[2001:db8:1:1::99]:1", "["+h6+"]:2", "S"), flow.ReasonSpoofIP, false},
		{"PKT-J10 link-local", tcp("["+local+"]:1", "["+h6+"]:2", "S"), flow.ReasonSpoofIP, false},
		{"router's address as source", tcp("10.0.1.1:1", cs, "S"), flow.ReasonSpoofIP, false},
		{"PKT-I25", tcp(a1+":1", a1+":2", "S"), flow.ReasonMartian, false},
		{"loopback source", tcp("127.0.0.1:1", cs, "S"), flow.ReasonMartian, false},
	}
	l.SetPolicy(l.a, open)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := l.Out(l.a, tt.frame)
			if got.Reason[flow.Egress] != tt.want {
				t.Errorf("%s, want %s", got.Reason[flow.Egress], tt.want)
			}
			if (got.Redirect == l.a.Ifindex) != tt.answered {
				t.Fatalf("redirected to %d, answered should be %v", got.Redirect, tt.answered)
			}
			if tt.answered && (!bytes.Equal(got.Frame[:6], mac) || !bytes.Equal(got.Frame[6:12], datapath.RouterMAC)) {
				t.Errorf("answer from %x to %x", got.Frame[6:12], got.Frame[:6])
			}
		})
	}
	if n := len(l.Flows(l.a)); n != 0 {
		t.Errorf("PKT-H25: %d flows", n)
	}
}

// TestAnswers looks into the answers: checksums and content as a stack checks
// them.
func TestAnswers(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, world(nil, nil))
	arp := l.Out(l.a, bpftest.ARP(1, l.a.MAC, a1, "10.0.1.1")).Frame
	want := bpftest.ARP(2, datapath.RouterMAC, "10.0.1.1", a1).Bytes
	copy(want[0:], l.a.MAC)
	copy(want[6:], datapath.RouterMAC)
	copy(want[32:], l.a.MAC)
	if !bytes.Equal(arp, want) {
		t.Errorf("ARP\n%x, want\n%x", arp, want)
	}
	for _, f := range []bpftest.Frame{
		icmp(a6, "2001:db8:1:1::1", 128, 0, 1),
		bpftest.ICMPv6(a6, "ff02::1:ff00:1", 135, 0, append(make([]byte, 4), netip.MustParseAddr("2001:db8:1:1::1").AsSlice()...)),
	} {
		got := l.Out(l.a, f).Frame
		if sum := checksum(got[22:54], []byte{0, 0, 0, byte(len(got) - 54), 0, 0, 0, 58}, got[54:]); sum != 0xffff {
			t.Errorf("ICMPv6 checksum adds up to %#x: %x", sum, got)
		}
		if a := netip.AddrFrom16([16]byte(got[38:54])); a != netip.MustParseAddr(a6) {
			t.Errorf("answer to %s", a)
		}
	}
	got := l.Out(l.a, icmp(a1, "10.0.1.1", 8, 0, 1)).Frame
	if sum := checksum(got[34:]); sum != 0xffff || got[34] != 0 {
		t.Errorf("ICMP type %d, checksum adds up to %#x", got[34], sum)
	}
	if sum := checksum(got[14:34]); sum != 0xffff {
		t.Errorf("IPv4 checksum adds up to %#x", sum)
	}
}

func checksum(parts ...[]byte) uint32 {
	var sum uint32
	for i, b := range bytes.Join(parts, nil) {
		sum += uint32(b) << (8 * (1 - i%2))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return sum
}

func TestHeaders(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, world(rules{all("0.0.0.0/0"), all("::/0")}, nil))
	syn4, syn6 := tcp(sc, server, "S"), tcp("["+h6+"]:1", "["+a6+"]:22", "S")
	// with6 puts extension headers before the segment.
	with6 := func(first uint8, ext ...byte) bpftest.Frame {
		f := bpftest.Frame{Bytes: bytes.Join([][]byte{syn6.Bytes[:54], ext, syn6.Bytes[54:]}, nil)}
		return f.With(14+4, byte((len(ext)+20)>>8), byte(len(ext)+20), first)
	}
	options := func(opts ...byte) bpftest.Frame {
		f := bpftest.Frame{Bytes: bytes.Join([][]byte{syn4.Bytes[:34], opts, syn4.Bytes[34:54]}, nil)}
		return f.With(14, byte(0x45+len(opts)/4), 0, 0, byte(40+len(opts)))
	}
	ext := func(next byte) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }
	nine := bytes.Join([][]byte{bytes.Repeat(ext(60), 8), ext(6)}, nil)
	eight := bytes.Join([][]byte{bytes.Repeat(ext(60), 7), ext(6)}, nil)
	tests := []struct {
		name  string
		frame bpftest.Frame
		want  flow.Reason
	}{
		{"PKT-I07 offset 1", syn4.With(14+6, 0, 1), flow.ReasonTinyFragment},
		{"first fragment that does not end where another can begin", syn4.With(14+6, 0x20, 0), flow.ReasonMalformed},
		{"PKT-I10 atomic", with6(44, 6, 0, 0, 0, 1, 2, 3, 4), byRule},
		{"IPv6 fragment that does not end where another can begin", with6(44, 6, 0, 0, 1, 1, 2, 3, 4), flow.ReasonMalformed},
		{"PKT-I14", options(148, 4, 0, 0), byRule},
		{"PKT-I15 loose", options(131, 3, 4, 0), flow.ReasonSourceRoute},
		{"PKT-I15 strict, after NOP", options(1, 137, 3, 4), flow.ReasonSourceRoute},
		{"option that runs over", options(68, 0, 0, 0), flow.ReasonMalformed},
		{"PKT-I16 IHL 4", syn4.With(14, 0x44), flow.ReasonMalformed},
		{"PKT-I16 total length 10", syn4.With(14+2, 0, 10), flow.ReasonMalformed},
		{"total length beyond the frame", syn4.With(14+2, 1, 0), flow.ReasonMalformed},
		{"PKT-I16 no UDP header", bpftest.IP(h1, a1, 17, nil), flow.ReasonMalformed},
		{"PKT-I16 version 6", syn4.With(14, 0x65), flow.ReasonMalformed},
		{"PKT-I16 TCP offset 4", syn4.With(14+20+12, 0x40), flow.ReasonMalformed},
		{"TCP offset beyond the segment", syn4.With(14+20+12, 0xf0), flow.ReasonMalformed},
		{"IPv6 payload beyond the frame", syn6.With(14+4, 9, 9), flow.ReasonMalformed},
		{"PKT-I17", with6(0, append(ext(60), ext(6)...)...), byRule},
		{"hop-by-hop second", with6(60, append(ext(0), ext(6)...)...), flow.ReasonExtChain},
		{"PKT-I20 routing type 0", with6(43, 6, 0, 0, 0, 0, 0, 0, 0), flow.ReasonExtChain},
		{"PKT-I20 nine headers", with6(60, nine...), flow.ReasonExtChain},
		{"eight headers", with6(60, eight...), byRule},
		{"PKT-I20 truncated", with6(60, 6, 200, 1, 4, 0, 0, 0, 0), flow.ReasonExtChain},
		{"PKT-I21", bpftest.IP(h6, a6, 59, nil), byRule},
		{"PKT-I22", bpftest.IP(h6, a6, 1, make([]byte, 8)), flow.ReasonFamilyMismatch},
		{"ICMPv6 in IPv4", bpftest.IP(h1, a1, 58, make([]byte, 8)), flow.ReasonFamilyMismatch},
		{"short ICMP", bpftest.IP(h1, a1, 1, make([]byte, 7)), flow.ReasonMalformed},
		{"PKT-J05", tcp(h1+":1", "8.8.8.8:2", "S"), flow.ReasonNotMine},
		{"unspecified source", tcp("0.0.0.0:1", server, "S"), flow.ReasonMartian},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l.Advance(1000 * second)
			got := l.In(l.a, tt.frame)
			if got.Reason[flow.Ingress] != tt.want || got.Passed != tt.want.Verdict().Passes() {
				t.Errorf("%s, want %s", got.Reason[flow.Ingress], tt.want)
			}
		})
	}
	t.Run("PKT-I18 I19 authentication header is terminal", func(t *testing.T) {
		ah := with6(51, append(ext(6), 0, 0, 0, 0)...)
		l.SetPolicy(l.a, world(rules{rule(6, 22, 22, h6+"/128")}, nil))
		if got := l.In(l.a, ah); got.Reason[flow.Ingress] != noRule {
			t.Errorf("tcp rule: %s", got.Reason[flow.Ingress])
		}
		l.SetPolicy(l.a, world(rules{rule(51, -1, -1, h6+"/128")}, nil))
		if got := l.In(l.a, ah); got.Reason[flow.Ingress] != byRule {
			t.Errorf("rule for 51: %s", got.Reason[flow.Ingress])
		}
	})
	t.Run("PKT-I23 segments are counted", func(t *testing.T) {
		l.SetPolicy(l.a, serverRules)
		l.In(l.a, syn4)
		big := tcp(sc, server, "A")
		big.Bytes = append(big.Bytes[:54:54], make([]byte, 2896)...)
		big = big.With(16, byte(2936>>8), byte(2936&0xff))
		big.Segments = 2
		if got := l.In(l.a, big); got.Reason[flow.Ingress] != tracked {
			t.Fatal(got.Reason[flow.Ingress])
		}
		for _, f := range l.Flows(l.a) {
			if f.Protocol == 6 && (f.Packets[flow.Ingress] != 3 || f.Bytes[flow.Ingress] != 40+2936+40) {
				t.Errorf("%d packets, %d bytes", f.Packets[flow.Ingress], f.Bytes[flow.Ingress])
			}
		}
	})
}
