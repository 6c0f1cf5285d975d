// SPDX-License-Identifier: Apache-2.0

package flow

import "net/netip"

// Ethernet types that a gate knows (docs/spec/packet-semantics.md section 4.2).
const (
	EtherIPv4 = 0x0800
	EtherARP  = 0x0806
	EtherIPv6 = 0x86dd
)

// IANA protocol numbers that have a meaning of their own here. Every other
// number is an ordinary protocol without ports (section 3.5).
const (
	ProtoICMP     = 1
	ProtoIGMP     = 2
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoICMPv6   = 58
	ProtoNoNext   = 59
	protoHopByHop = 0
	protoRouting  = 43
	protoFragment = 44
	protoDestOpts = 60
	protoMobility = 135
	protoHIP      = 139
	protoShim6    = 140
)

// MAC is an Ethernet address.
type MAC [6]byte

// TCPFlags are the flag bits of a TCP header as they lie on the wire.
type TCPFlags uint8

const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has reports whether all bits of want are set.
func (f TCPFlags) Has(want TCPFlags) bool { return f&want == want }

// Packet is what a gate knows of one frame. It is comparable and refers to no
// memory of the frame. The zero Packet is of no use: only Decode makes one.
type Packet struct {
	// Reason says why the frame cannot be judged at all (sections 4.2, 4.4,
	// 4.5, 4.6); ReasonUnset when it can. Fields behind the fault are zero.
	Reason Reason

	SrcMAC, DstMAC MAC
	EtherType      uint16

	ARP ARP // valid when EtherType is EtherARP

	// Valid when EtherType is EtherIPv4 or EtherIPv6.
	Family   Family
	Src, Dst netip.Addr
	Protocol uint8 // behind the IPv6 extension headers (section 4.4)
	Length   int   // octets of IP, header included, padding excluded

	Fragment Fragment // zero for a whole datagram, atomic fragments included
	Offload  Offload  // as given to DecodeOffloaded

	// Valid for TCP and UDP unless Fragment.Offset is set.
	SrcPort, DstPort uint16
	Flags            TCPFlags // TCP only

	// Valid for ICMP and ICMPv6 unless Fragment.Offset is set.
	Type, Code uint8
	ID         uint16     // identifier of queries and replies; see ICMPQuery
	Target     netip.Addr // target of neighbour solicitations and advertisements
	Embedded   Embedded   // what an ICMP or ICMPv6 error is about
}

// Offload is what a device says of a frame beside its octets. The zero Offload
// is an ordinary frame.
type Offload struct {
	Segments int  // above 1: a super-packet of so many segments (section 4.6)
	VLAN     bool // the frame had a VLAN tag (section 4.2)
}

// Segments returns how many packets of the wire the packet stands for.
func (p *Packet) Segments() int { return max(p.Offload.Segments, 1) }

// Embedded is the start of the packet that an error message quotes, as far as it
// names a flow (section 3.4). The zero Embedded names none: the message is no
// error, or quotes too little, a later fragment, or another error. Its family is
// the message's.
type Embedded struct {
	Is       bool
	Src, Dst netip.Addr
	Protocol uint8

	SrcPort, DstPort uint16 // TCP and UDP
	Type             uint8  // ICMP and ICMPv6 queries and replies, as ID
	ID               uint16
}

// Packet returns the quoted packet as far as it is known.
func (e Embedded) Packet(f Family) Packet {
	return Packet{
		EtherType: [NumFamilies]uint16{EtherIPv4, EtherIPv6}[f], Family: f, Src: e.Src, Dst: e.Dst, Protocol: e.Protocol,
		SrcPort: e.SrcPort, DstPort: e.DstPort, Type: e.Type, ID: e.ID,
	}
}

// ARP is the content of an ARP message for IPv4 over Ethernet.
type ARP struct {
	Op        uint16 // 1 request, 2 reply
	SenderMAC MAC
	Sender    netip.Addr
	Target    netip.Addr
}

// Fragment places a packet within its datagram (section 4.5).
type Fragment struct {
	Is     bool   // the packet is not the whole datagram
	More   bool   // fragments follow
	Offset uint16 // octets before this one; 0 for the first
	Length int    // octets of the datagram in this one
	ID     uint32
}

// IsIP reports whether the frame carries IPv4 or IPv6.
func (p *Packet) IsIP() bool { return p.EtherType == EtherIPv4 || p.EtherType == EtherIPv6 }

// Reverse returns the packet with addresses and ports swapped: rev(p) of
// section 2.1.
func (p Packet) Reverse() Packet {
	p.Src, p.Dst = p.Dst, p.Src
	p.SrcPort, p.DstPort = p.DstPort, p.SrcPort
	return p
}

// Local returns the packet's address on the interface's own side of the gate
// (section 1.3), Remote the other one.
func (p *Packet) Local(d Direction) netip.Addr {
	if d == Ingress {
		return p.Dst
	}
	return p.Src
}

// Remote returns the packet's address on the far side of the gate.
func (p *Packet) Remote(d Direction) netip.Addr { return p.Local(d.Opposite()) }
