// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// rare returns a packet of what ordinary conversations do not have, nil if none
// comes to mind.
func (g *generator) rare() *Packet {
	switch n := g.r.IntN(100); {
	case n < 40:
		return g.fragment()
	case n < 75:
		return g.quoting()
	case n < 95:
		return g.serviceTalk()
	default:
		p := g.spoken()
		class := oracle.PathClass(g.r.IntN(int(oracle.NumPathClasses)))
		if class.Cost() == 1 { // no program knows a flow that costs more, see conformance.OracleOnly
			p.Via = class
		}
		return &p
	}
}

// fragment returns the next fragment of some datagram. Those of several datagrams
// are mixed, and come in any order.
func (g *generator) fragment() *Packet {
	if len(g.fragments) == 0 || g.chance(25) {
		g.fragments = append(g.fragments, g.datagram()...)
	}
	i := g.r.IntN(min(len(g.fragments), 4)) // mostly in order
	if g.chance(50) {
		i = 0
	}
	p := g.fragments[i]
	g.fragments = append(g.fragments[:i:i], g.fragments[i+1:]...)
	return &p
}

// datagram cuts a packet of a conversation into two to four fragments, with a gap
// or an overlap now and then.
func (g *generator) datagram() (out []Packet) {
	p := g.spoken()
	p.Datagram = uint16(1 + g.r.IntN(3))
	header := 8
	if p.Protocol == flow.ProtoTCP {
		header = 20
	}
	first := pick(g.r, 24, 64, 80)
	head := p
	head.MoreFrags, head.Payload = true, first-header
	out = append(out, head)
	at := first
	for n := 1 + g.r.IntN(3); n > 0; n-- {
		rest := p
		rest.Flags, rest.ID, rest.Type, rest.Code = 0, 0, 0, 0
		rest.SrcPort, rest.DstPort = 0, 0
		rest.MoreFrags, rest.Payload = n > 1, pick(g.r, 8, 16, 80)
		if n == 1 {
			rest.Payload = pick(g.r, 1, 2, 13, 80)
		}
		switch {
		case g.chance(6):
			at -= 8
		case g.chance(4):
			at += 8
		}
		rest.FragOffset = uint16(at)
		if p.Protocol == flow.ProtoTCP && at == 8 {
			continue
		}
		out = append(out, rest)
		at += rest.Payload
	}
	return out
}

// quoting returns an ICMP error about a packet of before.
func (g *generator) quoting() *Packet {
	if len(g.recent) == 0 {
		return nil
	}
	about := pick(g.r, g.recent...)
	q := &Quote{Src: about.Src, Dst: about.Dst, Protocol: about.Protocol, SrcPort: about.SrcPort, DstPort: about.DstPort, Type: about.Type, ID: about.ID, Octets: 8}
	p := &Packet{Gate: about.Gate, Outside: !about.Outside, Src: about.Dst, Dst: about.Src, Protocol: flow.ProtoICMP, About: q}
	switch owner := g.w.Owner(g.w.Interfaces[about.Gate].VPC, about.Dst); {
	case about.Outside:
	case owner != nil: // the receiver complains
		p.Gate, p.Outside = owner.Name, false
	case g.chance(60): // a router on the way does
		p.Src = g.sameFamily(p.Src, outside)
	}
	kind := pick(g.r, [2]uint8{3, 4}, [2]uint8{3, 4}, [2]uint8{3, 1}, [2]uint8{11, 0}, [2]uint8{5, 1}, [2]uint8{12, 0})
	if p.Src.Is6() {
		p.Protocol = flow.ProtoICMPv6
		kind = pick(g.r, [2]uint8{2, 0}, [2]uint8{2, 0}, [2]uint8{1, 4}, [2]uint8{3, 0}, [2]uint8{4, 1})
	}
	p.Type, p.Code = kind[0], kind[1]
	switch g.r.IntN(20) {
	case 0:
		q.Octets = g.r.IntN(8)
	case 1:
		q.Later = true
	case 2, 3:
		q.Options = true
	case 4:
		q.SrcPort++
	case 5:
		q.Src, q.Dst = q.Dst, q.Src
	case 6:
		p.Dst = g.addressOfFamily(g.w.Interfaces[p.Gate], p.Dst)
	case 7:
		q.icmp(3, 1)
	case 8:
		if !p.Outside { // from another address than that which the packet was for
			p.Src = g.addressOfFamily(g.w.Interfaces[p.Gate], p.Src)
		}
	}
	if p.Src == p.Dst {
		return nil
	}
	return p
}

// addressOfFamily returns an address of the interface in the family of a, a itself
// if it has none.
func (g *generator) addressOfFamily(e *oracle.Interface, a netip.Addr) netip.Addr {
	for range 8 {
		if b := g.addressOf(e); b.Is4() == a.Is4() {
			return b
		}
	}
	return a
}

// The services of section 4.1, and ports that are none.
var serviceEnds = []struct {
	addr     netip.Addr
	protocol uint8
	port     uint16
}{
	{netip.MustParseAddr("10.0.0.2"), flow.ProtoUDP, 53}, {netip.MustParseAddr("10.0.0.2"), flow.ProtoTCP, 53},
	{netip.MustParseAddr("10.0.0.2"), flow.ProtoUDP, 54}, {netip.MustParseAddr("169.254.169.253"), flow.ProtoUDP, 53},
	{netip.MustParseAddr("169.254.169.254"), flow.ProtoTCP, 80}, {netip.MustParseAddr("169.254.169.254"), flow.ProtoTCP, 81},
	{netip.MustParseAddr("169.254.170.2"), flow.ProtoTCP, 80}, {netip.MustParseAddr("169.254.169.250"), flow.ProtoTCP, 1688},
	{netip.MustParseAddr("169.254.169.251"), flow.ProtoTCP, 1688}, {netip.MustParseAddr("169.254.169.123"), flow.ProtoUDP, 123},
	{netip.MustParseAddr("169.254.9.9"), flow.ProtoUDP, 123},
	{netip.MustParseAddr("fd00:ec2::253"), flow.ProtoUDP, 53}, {netip.MustParseAddr("fd00:ec2::254"), flow.ProtoTCP, 80},
	{netip.MustParseAddr("fd00:ec2::123"), flow.ProtoUDP, 123}, {netip.MustParseAddr("fd00:ec2::123"), flow.ProtoTCP, 123},
}

// serviceTalk returns a packet to or from a local service, or of DHCP.
func (g *generator) serviceTalk() *Packet {
	e := g.w.Interfaces[pick(g.r, g.interfaces...)]
	if g.chance(25) {
		return g.dhcp(e)
	}
	s := pick(g.r, serviceEnds...)
	p := &Packet{Gate: e.Name, Src: g.addressOf(e), Dst: s.addr, Protocol: s.protocol, SrcPort: 40000, DstPort: s.port, Flags: flow.SYN}
	if p.Src = g.addressOfFamily(e, p.Dst); p.Src.Is4() != p.Dst.Is4() {
		return nil
	}
	if p.Protocol == flow.ProtoUDP {
		p.Flags = 0
	}
	if p.Src == p.Dst {
		return nil
	}
	if g.chance(35) {
		p.Outside, p.Src, p.Dst, p.SrcPort, p.DstPort = true, p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	if g.chance(10) {
		p.MoreFrags, p.Payload, p.Datagram = true, 36, uint16(1+g.r.IntN(3))
	} else if g.chance(5) {
		p.SrcPort, p.DstPort, p.Flags, p.FragOffset, p.Datagram = 0, 0, 0, 56, uint16(1+g.r.IntN(3))
	}
	return p
}

func (g *generator) dhcp(e *oracle.Interface) *Packet {
	p := &Packet{
		Gate: e.Name, Protocol: flow.ProtoUDP, SrcPort: 68, DstPort: 67,
		Src: pick(g.r, netip.IPv4Unspecified(), e.Addresses[0].Addr()),
		Dst: pick(g.r, netip.MustParseAddr("255.255.255.255"), addr4(1, 1), addr4(2, 1), netip.MustParseAddr("8.8.8.8")),
	}
	if g.chance(30) {
		p.SrcPort, p.DstPort = 546, 547
		p.Src = pick(g.r, own6(e)...)
		p.Dst = pick(g.r, netip.MustParseAddr("ff02::1:2"), netip.MustParseAddr("fe80:ec2::1"), netip.MustParseAddr("ff02::9"))
	}
	if g.chance(35) {
		p.Outside, p.Src, p.Dst, p.SrcPort, p.DstPort = true, p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	return p
}

// throwSwitches sets a switch or two.
func (g *generator) throwSwitches() {
	s := &g.s.World.Switches
	s.NoRelated = g.chance(15)
	s.NoPathMTU = g.chance(15)
	s.FragmentContext = g.chance(30)
	if g.chance(10) {
		s.FragmentLimit = 2
	}
	if g.chance(10) {
		s.ForceTracking = map[oracle.PathClass]bool{oracle.TransitGateway: true, oracle.NATGateway: false}
	}
}
