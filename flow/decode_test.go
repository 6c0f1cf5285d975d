// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/flow"
)

// Pieces of frames in hexadecimal; blanks are for the reader.
const (
	macs = "020000000001 02000000000a "
	v4   = macs + "0800 "
	v6   = macs + "86dd "
	arp  = macs + "0806 "

	h1a  = "cb007101 0a00010a " // 203.0.113.1 > 10.0.1.10
	h6a6 = "20010db8ffff00000000000000000001 20010db800010001000000000000000a "
	syn  = "c350 0016 00000001 00000000 5002 ffff 0000 0000 " // 50000 > 22
)

// frame returns the octets of the pieces.
func frame(t testing.TB, pieces ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(pieces, ""), " ", ""))
	if err != nil {
		t.Fatalf("read the hexadecimal frame %q: %v", pieces, err)
	}
	return b
}

// zeros returns n zero octets in hexadecimal.
func zeros(n int) string { return strings.Repeat("00", n) }

func TestDecodeReason(t *testing.T) {
	tests := []struct {
		name  string
		frame []byte
		want  flow.Reason
	}{
		{"empty", nil, flow.ReasonMalformed},
		{"short Ethernet header", frame(t, "0200000000010200000000020800")[:13], flow.ReasonMalformed},
		{"LLDP", frame(t, macs, "88cc", zeros(46)), flow.ReasonEthertype},
		{"VLAN tag", frame(t, macs, "8100 0001 0800", zeros(42)), flow.ReasonEthertype},
		{"RARP", frame(t, macs, "8035", zeros(46)), flow.ReasonEthertype},
		{"MPLS", frame(t, macs, "8847", zeros(46)), flow.ReasonEthertype},
		{"802.3 length", frame(t, macs, "0026 4242", zeros(44)), flow.ReasonEthertype},

		{"ARP request", frame(t, arp, "0001 0800 06 04 0001 02000000000a 0a00010a 000000000000 0a000101"), flow.ReasonUnset},
		{"ARP cut", frame(t, arp, "0001 0800 06 04 0001 02000000000a 0a00010a 000000000000 0a0001"), flow.ReasonMalformed},
		{"ARP for another link", frame(t, arp, "0006 0800 06 04 0001", zeros(20)), flow.ReasonMalformed},
		{"ARP for another protocol", frame(t, arp, "0001 86dd 06 04 0001", zeros(20)), flow.ReasonMalformed},

		{"IPv4 TCP", frame(t, v4, "45000028 00004000 40060000", h1a, syn), flow.ReasonUnset},
		{"IPv4 padded", frame(t, v4, "45000028 00004000 40060000", h1a, syn, zeros(6)), flow.ReasonUnset},
		{"IPv4 header cut", frame(t, v4, "45000028 00004000 40060000 cb0071"), flow.ReasonMalformed},
		{"IPv6 under the IPv4 type", frame(t, v4, "65000028 00004000 40060000", h1a, syn), flow.ReasonMalformed},
		{"IPv4 header length 4 words", frame(t, v4, "44000028 00004000 40060000", h1a, syn), flow.ReasonMalformed},
		{"IPv4 header longer than frame", frame(t, v4, "4f000028 00004000 40060000", h1a, syn), flow.ReasonMalformed},
		{"IPv4 total length 10", frame(t, v4, "4500000a 00004000 40060000", h1a, syn), flow.ReasonMalformed},
		{"IPv4 total length 0", frame(t, v4, "45000000 00004000 40060000", h1a, syn), flow.ReasonMalformed},
		{"IPv4 longer than frame", frame(t, v4, "45000029 00004000 40060000", h1a, syn), flow.ReasonMalformed},
		{"IPv4 router alert", frame(t, v4, "4600002c 00004000 40060000", h1a, "94040000", syn), flow.ReasonUnset},
		{"IPv4 loose source route", frame(t, v4, "4700003000004000 40060000", h1a, "0183070408080808", syn), flow.ReasonSourceRoute},
		{"IPv4 strict source route", frame(t, v4, "4700003000004000 40060000", h1a, "8907040808080800", syn), flow.ReasonSourceRoute},
		{"IPv4 source route behind the end", frame(t, v4, "4700003000004000 40060000", h1a, "0083070408080808", syn), flow.ReasonUnset},
		{"IPv4 option without length", frame(t, v4, "4600002c 00004000 40060000", h1a, "01010194", syn), flow.ReasonMalformed},
		{"IPv4 option of length 1", frame(t, v4, "4600002c 00004000 40060000", h1a, "94010000", syn), flow.ReasonMalformed},
		{"IPv4 option too long", frame(t, v4, "4600002c 00004000 40060000", h1a, "94050000", syn), flow.ReasonMalformed},

		{"TCP cut", frame(t, v4, "45000027 00004000 40060000", h1a, syn)[:14+39], flow.ReasonMalformed},
		{"TCP hidden behind the IP length", frame(t, v4, "45000027 00004000 40060000", h1a, syn), flow.ReasonMalformed},
		{"TCP offset 4", frame(t, v4, "45000028 00004000 40060000", h1a, "c350 0016 00000001 00000000 4002 ffff 0000 0000"), flow.ReasonMalformed},
		{"TCP offset beyond the segment", frame(t, v4, "45000028 00004000 40060000", h1a, "c350 0016 00000001 00000000 6002 ffff 0000 0000"), flow.ReasonMalformed},
		{"UDP", frame(t, v4, "4500001c 00004000 40110000", h1a, "1388 0035 0008 0000"), flow.ReasonUnset},
		{"UDP missing", frame(t, v4, "45000014 00004000 40110000", h1a), flow.ReasonMalformed},
		{"UDP length 7", frame(t, v4, "4500001c 00004000 40110000", h1a, "1388 0035 0007 0000"), flow.ReasonMalformed},
		{"UDP longer than packet", frame(t, v4, "4500001c 00004000 40110000", h1a, "1388 0035 0009 0000"), flow.ReasonMalformed},
		{"ICMP echo", frame(t, v4, "4500001c 00004000 40010000", h1a, "0800 0000 0007 0001"), flow.ReasonUnset},
		{"ICMP of 7 octets", frame(t, v4, "4500001b 00004000 40010000", h1a, "0800 0000 0007 00"), flow.ReasonMalformed},
		{"ICMPv6 in IPv4", frame(t, v4, "4500001c 00004000 403a0000", h1a, "8000 0000 0007 0001"), flow.ReasonFamilyMismatch},
		{"GRE", frame(t, v4, "45000014 00004000 402f0000", h1a), flow.ReasonUnset},

		{"IPv4 loopback source", frame(t, v4, "4500001c 00004000 40110000 7f000001 0a00010a 1388 0035 0008 0000"), flow.ReasonMartian},
		{"IPv4 multicast source", frame(t, v4, "4500001c 00004000 40110000 e0000001 0a00010a 1388 0035 0008 0000"), flow.ReasonMartian},
		{"IPv4 no source", frame(t, v4, "4500001c 00004000 40110000 00000000 0a00010a 1388 0035 0008 0000"), flow.ReasonMartian},
		{"DHCP discover", frame(t, v4, "4500001c 00004000 40110000 00000000 ffffffff 0044 0043 0008 0000"), flow.ReasonUnset},
		{"IPv4 source is destination", frame(t, v4, "4500001c 00004000 40110000 0a00010a 0a00010a 1388 0035 0008 0000"), flow.ReasonMartian},

		{"IPv4 first fragment", frame(t, v4, "4500001c 00012000 40110000", h1a, "1388 0035 0bc0 0000"), flow.ReasonUnset},
		{"IPv4 later fragment of 1 octet", frame(t, v4, "45000015 000100b9 40110000", h1a, "00"), flow.ReasonUnset},
		{"TCP first fragment of 8 octets", frame(t, v4, "4500001c 00012000 40060000", h1a, "c350 0016 00000001"), flow.ReasonTinyFragment},
		{"TCP fragment at offset 1", frame(t, v4, "4500001c 00010001 40060000", h1a, "c350 0016 00000001"), flow.ReasonTinyFragment},

		{"IPv6 TCP", frame(t, v6, "60000000 0014 06 40", h6a6, syn), flow.ReasonUnset},
		{"IPv6 header cut", frame(t, v6, "60000000 0014 06 40", h6a6)[:14+39], flow.ReasonMalformed},
		{"IPv4 under the IPv6 type", frame(t, v6, "40000000 0014 06 40", h6a6, syn), flow.ReasonMalformed},
		{"IPv6 payload longer than frame", frame(t, v6, "60000000 0015 06 40", h6a6, syn), flow.ReasonMalformed},
		{"IPv6 mapped source", frame(t, v6, "60000000 0014 06 40 00000000000000000000ffffcb007101 20010db800010001000000000000000a", syn), flow.ReasonMartian},
		{"IPv6 mapped destination", frame(t, v6, "60000000 0014 06 40 20010db800010001000000000000000a 00000000000000000000ffffcb007101", syn), flow.ReasonMartian},
		{"IPv6 loopback source", frame(t, v6, "60000000 0014 06 40 00000000000000000000000000000001 20010db800010001000000000000000a", syn), flow.ReasonMartian},
		{"duplicate address detection", frame(t, v6, "60000000 0018 3a ff", zeros(16), "ff0200000000000000000001ff00000a 8700 0000 00000000 20010db800010001000000000000000a"), flow.ReasonUnset},
		{"echo without source", frame(t, v6, "60000000 0008 3a ff", zeros(16), "20010db800010001000000000000000a 8000 0000 0001 0001"), flow.ReasonMartian},
		{"ICMP in IPv6", frame(t, v6, "60000000 0008 01 40", h6a6, "0800 0000 0007 0001"), flow.ReasonFamilyMismatch},
		{"ICMPv6 of 4 octets", frame(t, v6, "60000000 0004 3a 40", h6a6, "c800 0000"), flow.ReasonUnset},
		{"ICMPv6 of 3 octets", frame(t, v6, "60000000 0003 3a 40", h6a6, "c80000"), flow.ReasonMalformed},
		{"ICMPv6 echo without identifier", frame(t, v6, "60000000 0004 3a 40", h6a6, "8000 0000"), flow.ReasonMalformed},
		{"advertisement without target", frame(t, v6, "60000000 0008 3a ff", h6a6, "8800 0000 00000000"), flow.ReasonMalformed},
		{"hop-by-hop, destination options, TCP", frame(t, v6, "60000000 0024 00 40", h6a6, "3c00 010400000000", "0600 010400000000", syn), flow.ReasonUnset},
		{"hop-by-hop not first", frame(t, v6, "60000000 0024 3c 40", h6a6, "0000 010400000000", "0600 010400000000", syn), flow.ReasonExtChain},
		{"routing type 2", frame(t, v6, "60000000 001c 2b 40", h6a6, "0600 0200 00000000", syn), flow.ReasonUnset},
		{"routing type 0", frame(t, v6, "60000000 001c 2b 40", h6a6, "0600 0000 00000000", syn), flow.ReasonExtChain},
		{"eight extension headers", frame(t, v6, "60000000 0054 3c 40", h6a6, strings.Repeat("3c00 010400000000", 7), "0600 010400000000", syn), flow.ReasonUnset},
		{"nine extension headers", frame(t, v6, "60000000 005c 3c 40", h6a6, strings.Repeat("3c00 010400000000", 8), "0600 010400000000", syn), flow.ReasonExtChain},
		{"512 octets of extensions", frame(t, v6, "60000000 0214 3c 40", h6a6, "063f", zeros(510), syn), flow.ReasonUnset},
		{"520 octets of extensions", frame(t, v6, "60000000 021c 3c 40", h6a6, "0640", zeros(518), syn), flow.ReasonExtChain},
		{"destination options cut", frame(t, v6, "60000000 0008 3c 40", h6a6, "0601 010400000000"), flow.ReasonExtChain},
		{"extension missing", frame(t, v6, "60000000 0000 3c 40", h6a6), flow.ReasonExtChain},
		{"authentication header", frame(t, v6, "60000000 0020 33 40", h6a6, "0601 0000 00000001 00000001", syn), flow.ReasonUnset},
		{"no next header", frame(t, v6, "60000000 0000 3b 40", h6a6), flow.ReasonUnset},
		{"IPv6 atomic fragment", frame(t, v6, "60000000 001c 2c 40", h6a6, "0600 0000 00000001", syn), flow.ReasonUnset},
		{"IPv6 first fragment without transport", frame(t, v6, "60000000 0008 2c 40", h6a6, "0600 0001 00000001"), flow.ReasonTinyFragment},
		{"IPv6 first fragment, chain cut", frame(t, v6, "60000000 000c 2c 40", h6a6, "3c00 0001 00000001", "0600 0104"), flow.ReasonTinyFragment},
		{"IPv6 later fragment", frame(t, v6, "60000000 0009 2c 40", h6a6, "0600 0010 00000001 ff"), flow.ReasonUnset},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := flow.Decode(tt.frame).Reason; got != tt.want {
				t.Errorf("Decode gives %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDecodeFields(t *testing.T) {
	const h1, a = "203.0.113.1", "10.0.1.10"
	ip := netip.MustParseAddr
	tests := []struct {
		name  string
		frame []byte
		want  func(p *flow.Packet)
	}{
		{"TCP behind options", frame(t, v4, "4600002c 00004000 40060000", h1a, "94040000", syn, zeros(6)), func(p *flow.Packet) {
			p.EtherType, p.Src, p.Dst = flow.EtherIPv4, ip(h1), ip(a)
			p.Protocol, p.Length = flow.ProtoTCP, 44
			p.SrcPort, p.DstPort, p.Flags = 50000, 22, flow.SYN
		}},
		{"later fragment has no ports", frame(t, v4, "45000024 000720b9 40110000", h1a, zeros(16)), func(p *flow.Packet) {
			p.EtherType, p.Src, p.Dst = flow.EtherIPv4, ip(h1), ip(a)
			p.Protocol, p.Length = flow.ProtoUDP, 36
			p.Fragment = flow.Fragment{Is: true, More: true, Offset: 0xb9 * 8, Length: 16, ID: 7}
		}},
		{"echo reply", frame(t, v4, "4500001c 00004000 40010000", h1a, "0000 0000 0007 0001"), func(p *flow.Packet) {
			p.EtherType, p.Src, p.Dst = flow.EtherIPv4, ip(h1), ip(a)
			p.Protocol, p.Length = flow.ProtoICMP, 28
			p.ID = 7
		}},
		{"unreachable has no identifier", frame(t, v4, "4500001c 00004000 40010000", h1a, "0301 0000 0007 0001"), func(p *flow.Packet) {
			p.EtherType, p.Src, p.Dst = flow.EtherIPv4, ip(h1), ip(a)
			p.Protocol, p.Length = flow.ProtoICMP, 28
			p.Type, p.Code = 3, 1
		}},
		{"advertisement", frame(t, v6, "60000000 0018 3a ff", h6a6, "8800 0000 00000000 20010db800010001000000000000000a"), func(p *flow.Packet) {
			p.EtherType, p.Family = flow.EtherIPv6, flow.IPv6
			p.Src, p.Dst = ip("2001:db8:ffff::1"), ip("2001:db8:1:1::a")
			p.Protocol, p.Length = flow.ProtoICMPv6, 64
			p.Type, p.Target = flow.NeighbourAdvertisement, ip("2001:db8:1:1::a")
		}},
		{"authentication header ends the chain", frame(t, v6, "60000000 0020 33 40", h6a6, "0601 0000 00000001 00000001", syn), func(p *flow.Packet) {
			p.EtherType, p.Family = flow.EtherIPv6, flow.IPv6
			p.Src, p.Dst = ip("2001:db8:ffff::1"), ip("2001:db8:1:1::a")
			p.Protocol, p.Length = 51, 72
		}},
		{"ARP", frame(t, arp, "0001 0800 06 04 0002 02000000000a 0a00010a 020000000001 0a000101"), func(p *flow.Packet) {
			p.EtherType = flow.EtherARP
			p.ARP = flow.ARP{Op: 2, SenderMAC: flow.MAC{2, 0, 0, 0, 0, 10}, Sender: ip(a), Target: ip("10.0.1.1")}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := flow.Packet{DstMAC: flow.MAC{2, 0, 0, 0, 0, 1}, SrcMAC: flow.MAC{2, 0, 0, 0, 0, 10}}
			tt.want(&want)
			if got := flow.Decode(tt.frame); got != want {
				t.Errorf("Decode\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

// Big TCP: the length fields cannot hold the length and are zero (section 4.6).
func TestDecodeBigTCP(t *testing.T) {
	payload := make([]byte, 0x11000)
	for name, head := range map[string]string{
		"IPv4": v4 + "45000000 00004000 40060000" + h1a + syn,
		"IPv6": v6 + "60000000 0000 06 40" + h6a6 + syn,
	} {
		f := append(frame(t, head), payload...)
		p := flow.Decode(f)
		if p.Reason != flow.ReasonUnset || p.DstPort != 22 || p.Length != len(f)-14 {
			t.Errorf("%s: reason %s, port %d, length %d; want none, 22, %d", name, p.Reason, p.DstPort, p.Length, len(f)-14)
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	f := frame(t, v6, "60000000 0024 00 40", h6a6, "3c00 010400000000", "0600 010400000000", syn)
	var p flow.Packet
	if n := testing.AllocsPerRun(100, func() { p = flow.Decode(f) }); n != 0 {
		t.Errorf("Decode allocates %v times", n)
	}
	if p.DstPort != 22 {
		t.Errorf("Decode finds port %d, want 22", p.DstPort)
	}
}

func TestReverseAndSides(t *testing.T) {
	p := flow.Decode(frame(t, v4, "45000028 00004000 40060000", h1a, syn))
	r := p.Reverse()
	if r.Src != p.Dst || r.Dst != p.Src || r.SrcPort != 22 || r.DstPort != 50000 {
		t.Errorf("Reverse gives %v:%d > %v:%d", r.Src, r.SrcPort, r.Dst, r.DstPort)
	}
	if p.Local(flow.Ingress) != p.Dst || p.Remote(flow.Ingress) != p.Src ||
		p.Local(flow.Egress) != p.Src || p.Remote(flow.Egress) != p.Dst {
		t.Error("local and remote are swapped")
	}
}

// FuzzDecode holds Decode to its contract: no panic, no field that contradicts
// the frame, and a reason exactly when the packet is of no use.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		v4 + "45000028 00004000 40060000" + h1a + syn,
		v4 + "4700003000004000 40060000" + h1a + "0183070408080808" + syn,
		v4 + "4500001c 00012000 40110000" + h1a + "1388 0035 0bc0 0000",
		v6 + "60000000 0024 00 40" + h6a6 + "3c00 010400000000 0600 010400000000" + syn,
		v6 + "60000000 000c 2c 40" + h6a6 + "3c00 0001 00000001 0600 0104",
		v6 + "60000000 0018 3a ff" + h6a6 + "8800 0000 00000000 20010db800010001000000000000000a",
		arp + "0001 0800 06 04 0001 02000000000a 0a00010a 000000000000 0a000101",
	} {
		f.Add(frame(f, seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := flow.Decode(b)
		if p.Reason != flow.ReasonUnset {
			if p.Reason.Verdict() != flow.Discard {
				t.Fatalf("reason %s is no discard", p.Reason)
			}
			return
		}
		switch p.EtherType {
		case flow.EtherARP:
			if !p.ARP.Sender.Is4() || !p.ARP.Target.Is4() {
				t.Fatalf("ARP without addresses: %+v", p.ARP)
			}
		case flow.EtherIPv4, flow.EtherIPv6:
			if p.Src.Is4() != (p.Family == flow.IPv4) || p.Dst.Is4() != p.Src.Is4() || p.Src == p.Dst {
				t.Fatalf("addresses %v > %v in %s", p.Src, p.Dst, p.Family)
			}
			if p.Length > len(b)-14 || p.Length < 20 {
				t.Fatalf("length %d in a frame of %d", p.Length, len(b))
			}
			if !p.Fragment.Is && p.Fragment != (flow.Fragment{}) {
				t.Fatalf("whole datagram with fragment fields %+v", p.Fragment)
			}
			if p.Fragment.Offset > 0 && (p.SrcPort|p.DstPort|p.ID != 0 || p.Flags|flow.TCPFlags(p.Type) != 0) {
				t.Fatalf("later fragment with transport fields: %+v", p)
			}
		default:
			t.Fatalf("ethertype %#x accepted", p.EtherType)
		}
	})
}
