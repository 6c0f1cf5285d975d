// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// Destinations that are nobody's, with the reasons of sections 4 and 5.
var oddDestinations = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("255.255.255.255"),
	netip.MustParseAddr("10.0.1.255"), netip.MustParseAddr("10.0.2.255"), netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("10.0.2.1"), netip.MustParseAddr("10.0.1.200"),
	netip.MustParseAddr("8.8.8.8"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("ff05::9"), netip.MustParseAddr("2001:db8:1:1::1"), netip.MustParseAddr("2001:db8:1:2::1"),
	netip.MustParseAddr("2001:db8:1:1::99"), netip.MustParseAddr("::ffff:10.0.1.10"),
}

var oddSources = []netip.Addr{
	netip.MustParseAddr("10.0.1.99"), netip.MustParseAddr("192.168.5.5"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254"),
	netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("0.0.0.0"),
	netip.MustParseAddr("2001:db8:1:1::99"), netip.MustParseAddr("::1"), netip.MustParseAddr("fe80::99"), netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("ff02::1"), netip.MustParseAddr("::ffff:203.0.113.1"),
}

// fault returns a packet with one thing wrong or rare about it.
func (g *generator) fault() Packet {
	for {
		if p := g.wrong(); !g.o.OwnSubnets || p.Raw != nil || !g.strange(p.Src, p) && !g.strange(p.Dst, p) {
			return p
		}
	}
}

// strange reports the router or broadcast address of a subnet that the packet's
// interface is not in.
func (g *generator) strange(a netip.Addr, p Packet) bool {
	e := g.w.Interfaces[p.Gate]
	for _, s := range g.w.VPCs[e.VPC].Subnets {
		special := a == s.Addr().Next() || a.Is4() && s.Contains(a) && !s.Contains(a.Next())
		if special && !slices.ContainsFunc(e.Addresses, func(own netip.Prefix) bool { return s.Contains(own.Addr()) }) {
			return true
		}
	}
	return false
}

func (g *generator) wrong() Packet {
	p := g.spoken()
	e := g.w.Interfaces[p.Gate]
	switch g.r.IntN(12) {
	case 0:
		p.ForeignMAC = !p.Outside
	case 1:
		p.Src = g.sameFamily(p.Src, oddSources)
	case 2:
		p.Dst = g.sameFamily(p.Dst, oddDestinations)
	case 3: // ask the router
		p = Packet{Gate: e.Name, Src: e.Addresses[0].Addr(), Dst: pick(g.r, addr4(1, 1), addr4(2, 1)),
			Protocol: flow.ProtoICMP, Type: pick[uint8](g.r, 8, 13, 0, 3), ID: 1}
		if g.chance(30) {
			p.Outside, p.Src, p.Dst = true, p.Dst, p.Src
		}
	case 4:
		p.FragOffset, p.MoreFrags = 1480, g.chance(50)
	case 5:
		p.MoreFrags = true
	case 6:
		return Packet{Gate: e.Name, Raw: g.arp(e)}
	case 7:
		return Packet{Gate: e.Name, Raw: g.discovery(e)}
	case 8: // a destination or source that only an interface without check may see
		g.forward(&p)
	case 9: // a fragment that could overwrite a transport header
		p.FragOffset, p.MoreFrags = 8, g.chance(50)
	case 10:
		return Packet{Gate: p.Gate, Outside: p.Outside, Raw: g.rareHeaders(p.Frame(g.w))}
	default:
		return Packet{Gate: p.Gate, Outside: p.Outside, Raw: g.damaged(p.Frame(g.w))}
	}
	if p.Src == p.Dst && g.chance(80) {
		p.Dst = p.Dst.Next()
	}
	return p
}

func (g *generator) sameFamily(as netip.Addr, from []netip.Addr) netip.Addr {
	for {
		if a := pick(g.r, from...); a.Is4() == as.Is4() {
			return a
		}
	}
}

func (g *generator) arp(e *oracle.Interface) []byte {
	mac, sender := e.MAC, e.Addresses[0].Addr()
	switch g.r.IntN(5) {
	case 0:
		mac = foreignMAC
	case 1:
		sender = addr4(1, 99)
	case 2:
		sender = netip.IPv4Unspecified()
	}
	b := ARP(e, pick[uint16](g.r, 1, 2), mac, sender, pick(g.r, addr4(1, 1), addr4(2, 1), addr4(1, 10), addr4(1, 77)))
	if g.chance(10) {
		b = b[:len(b)-1-g.r.IntN(20)]
	}
	return b
}

// discovery returns an ICMPv6 control message that the instance sends.
func (g *generator) discovery(e *oracle.Interface) []byte {
	src := pick(g.r, own6(e)...)
	target := pick(g.r, append(own6(e), addr6(1, 0x99))...)
	multicast := netip.MustParseAddr("ff02::1")
	switch g.r.IntN(6) {
	case 0:
		return ND(e, flow.NeighbourSolicitation, src, netip.MustParseAddr("ff02::1:ff00:1"), pick(g.r, addr6(1, 1), addr6(2, 1), target))
	case 1:
		return ND(e, flow.NeighbourSolicitation, netip.IPv6Unspecified(), netip.MustParseAddr("ff02::1:ff00:a"), target)
	case 2:
		return ND(e, flow.NeighbourAdvertisement, src, multicast, target)
	case 3:
		return ND(e, flow.RouterSolicitation, src, netip.MustParseAddr("ff02::2"), netip.Addr{})
	case 4:
		return ND(e, flow.MLDv2Report, src, netip.MustParseAddr("ff02::16"), netip.Addr{})
	}
	return ND(e, pick[uint8](g.r, flow.RouterAdvertisement, flow.RedirectV6), src, multicast, target)
}

// rareHeaders puts IPv4 options or IPv6 extension headers into the frame, or
// gives it the ICMP of the other family.
func (g *generator) rareHeaders(frame []byte) []byte {
	b := append([]byte(nil), frame...)
	if b[14]>>4 == 4 {
		if g.chance(15) {
			b[23] = flow.ProtoICMPv6
			return b
		}
		option := pick(g.r,
			[]byte{0x94, 4, 0, 0}, []byte{1, 1, 1, 0}, []byte{0, 0x83, 3, 4}, []byte{1, 0x83, 3, 4}, []byte{0x89, 3, 4, 0},
			[]byte{0x94, 5, 0, 0}, []byte{0x94, 1, 0, 0}, []byte{1, 1, 1, 0x94})
		b = slices.Insert(b, 34, option...)
		b[14]++
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
		return b
	}
	if g.chance(15) {
		b[20] = flow.ProtoICMP
		return b
	}
	for n := pick(g.r, 1, 1, 1, 2, 3, 7, 8, 9); n > 0; n-- {
		kind := pick[byte](g.r, 60, 60, 60, 43, 135, 139, 140, 44)
		if n == 1 && g.chance(50) {
			kind = 0
		}
		header := []byte{b[20], 0, 1, 4, 0, 0, 0, 0}
		switch {
		case kind == 44:
			header = []byte{b[20], 0, 0, pick[byte](g.r, 0, 0, 1), 0, 0, 0, 1}
		case g.chance(15):
			header = make([]byte, 8*pick(g.r, 2, 40, 64))
			header[0], header[1], header[2] = b[20], byte(len(header)/8-1), 1
		case kind == 43 && g.chance(40):
			header[2] = 0
		}
		b = slices.Insert(b, 54, header...)
		b[20] = kind
	}
	binary.BigEndian.PutUint16(b[18:], uint16(len(b)-54))
	return b
}

// own6 returns the IPv6 addresses of the interface, its link-local one (modified
// EUI-64) first.
func own6(e *oracle.Interface) []netip.Addr {
	m := e.MAC
	out := []netip.Addr{netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})}
	for _, p := range e.Addresses {
		if p.Addr().Is6() {
			out = append(out, p.Addr())
		}
	}
	return out
}

// damaged returns the frame with its end cut off or a few octets changed. Most
// damage goes where headers are.
func (g *generator) damaged(frame []byte) []byte {
	b := append([]byte(nil), frame...)
	if g.chance(30) {
		return b[:14+g.r.IntN(len(b)-13)]
	}
	for range 1 + g.r.IntN(2) {
		i := 12 + g.r.IntN(min(len(b), 64)-12)
		b[i] = byte(g.r.Uint32())
	}
	return b
}
