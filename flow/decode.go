// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"encoding/binary"
	"net/netip"
)

const etherHeader = 14

// Decode reads an Ethernet frame from its first octet (docs/spec/packet-semantics.md
// sections 4.2 to 4.6). It never panics, allocates nothing and keeps no reference
// to the frame. The packet's Reason is set exactly when the frame cannot be
// judged.
//
// Fragments are decoded, not refused: whether a gate can judge them is its own
// matter. Checksums are not verified.
func Decode(frame []byte) Packet { return DecodeOffloaded(frame, Offload{}) }

// DecodeOffloaded is Decode for a frame of which a device said more.
func DecodeOffloaded(frame []byte, o Offload) Packet {
	p := Packet{Offload: o}
	p.Reason = p.decode(frame)
	return p
}

func (p *Packet) decode(frame []byte) Reason {
	if len(frame) < etherHeader {
		return ReasonMalformed
	}
	p.DstMAC = MAC(frame[0:6])
	p.SrcMAC = MAC(frame[6:12])
	p.EtherType = binary.BigEndian.Uint16(frame[12:])
	rest := frame[etherHeader:]
	if p.Offload.VLAN {
		return ReasonEthertype
	}
	switch p.EtherType {
	case EtherARP:
		return p.decodeARP(rest)
	case EtherIPv4:
		return p.decodeIPv4(rest)
	case EtherIPv6:
		return p.decodeIPv6(rest)
	}
	return ReasonEthertype
}

func (p *Packet) decodeARP(b []byte) Reason {
	const length = 28
	if len(b) < length ||
		binary.BigEndian.Uint16(b[0:]) != 1 || // Ethernet
		binary.BigEndian.Uint16(b[2:]) != EtherIPv4 ||
		b[4] != 6 || b[5] != 4 {
		return ReasonMalformed
	}
	p.ARP = ARP{
		Op:        binary.BigEndian.Uint16(b[6:]),
		SenderMAC: MAC(b[8:14]),
		Sender:    netip.AddrFrom4([4]byte(b[14:18])),
		Target:    netip.AddrFrom4([4]byte(b[24:28])),
	}
	return ReasonUnset
}

func (p *Packet) decodeIPv4(b []byte) Reason {
	const fixed = 20
	if len(b) < fixed || b[0]>>4 != 4 {
		return ReasonMalformed
	}
	header := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 && (p.Segments() > 1 || len(b) > 0xffff) {
		total = len(b) // "big TCP": the field cannot hold the length (section 4.6)
	}
	if header < fixed || total < header || total > len(b) {
		return ReasonMalformed
	}
	p.Family = IPv4
	p.Src = netip.AddrFrom4([4]byte(b[12:16]))
	p.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	p.Protocol = b[9]
	p.Length = total
	if r := ipv4Options(b[fixed:header]); r != ReasonUnset {
		return r
	}
	if p.Protocol == ProtoICMPv6 {
		return ReasonFamilyMismatch
	}
	frag, rest := binary.BigEndian.Uint16(b[6:]), b[header:total]
	p.setFragment(frag&0x1fff<<3, frag&0x2000 != 0, uint32(binary.BigEndian.Uint16(b[4:])), len(rest))
	return p.decodeTransport(rest)
}

// ipv4Options finds what may not be forwarded among the options (section 4.4).
func ipv4Options(b []byte) Reason {
	const (
		end, noop                     = 0, 1
		looseSourceRoute, strictRoute = 131, 137
	)
	for len(b) > 0 && b[0] != end {
		switch b[0] {
		case noop:
			b = b[1:]
			continue
		case looseSourceRoute, strictRoute:
			return ReasonSourceRoute
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return ReasonMalformed
		}
		b = b[b[1]:]
	}
	return ReasonUnset
}

func (p *Packet) setFragment(offset uint16, more bool, id uint32, length int) {
	if offset == 0 && !more {
		return
	}
	p.Fragment = Fragment{Is: true, More: more, Offset: offset, Length: length, ID: id}
}

// impossible reports a fragment that no datagram can be made of: nothing, one
// that ends where no other can begin, or that would make the datagram longer
// than it can be (section 4.5).
func (f Fragment) impossible() bool {
	return f.Is && (f.Length == 0 || f.More && f.Length%8 != 0 || int(f.Offset)+f.Length > 0xffff)
}

var limitedBroadcast = netip.AddrFrom4([4]byte{0xff, 0xff, 0xff, 0xff})

// martian reports an address that may never be on the wire (sections 1.5, 1.8,
// 4.6 and 5). Transport fields must be decoded: they tell DHCP and duplicate
// address detection, which alone may have no source address.
func (p *Packet) martian() bool {
	switch {
	case p.Src == p.Dst:
		return true
	case p.Src.IsLoopback(), p.Src.IsMulticast(), p.Src == limitedBroadcast, p.Src.Is4In6(), p.Dst.Is4In6():
		return true
	case p.Src.IsUnspecified():
		return !p.dhcpClient() && !p.nameless() && !p.igmpQuery()
	}
	return false
}

// dhcpClient reports a DHCP client that has no address yet.
func (p *Packet) dhcpClient() bool {
	return p.Family == IPv4 && p.Protocol == ProtoUDP && p.SrcPort == 68 && p.DstPort == 67 && !p.Fragment.Is
}

// igmpQuery reports a message to multicast receivers, whose querier may have no
// address (section 4.3).
func (p *Packet) igmpQuery() bool { return p.Protocol == ProtoIGMP && p.Dst.IsMulticast() }

// nameless reports the ICMPv6 messages that a host without an address sends:
// duplicate address detection, router solicitations, listener reports.
func (p *Packet) nameless() bool {
	if p.Family != IPv6 || p.Protocol != ProtoICMPv6 || p.Fragment.Is {
		return false
	}
	switch p.Type {
	case NeighbourSolicitation, RouterSolicitation, MLDReport, MLDDone, MLDv2Report:
		return true
	}
	return false
}
