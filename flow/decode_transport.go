// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"encoding/binary"
	"net/netip"
)

// decodeTransport reads the header that the gates look at. Protocols other than
// TCP, UDP, ICMP and ICMPv6 have none (docs/spec/packet-semantics.md section
// 3.5). b ends where the IP length says: padding is gone.
func (p *Packet) decodeTransport(b []byte) Reason {
	var reason Reason
	if p.Fragment.Offset > 0 {
		// Offset 1 unit would overwrite the flags of a first fragment (4.5).
		if p.Protocol == ProtoTCP && p.Fragment.Offset == 8 {
			reason = ReasonTinyFragment
		}
	} else {
		switch p.Protocol {
		case ProtoTCP:
			reason = p.decodeTCP(b)
		case ProtoUDP:
			reason = p.decodeUDP(b)
		case ProtoICMP, ProtoICMPv6:
			reason = p.decodeICMP(b)
		}
	}
	if reason == ReasonUnset && p.Fragment.impossible() {
		return ReasonMalformed
	}
	if reason == ReasonUnset && p.martian() {
		return ReasonMartian
	}
	return reason
}

func (p *Packet) decodeTCP(b []byte) Reason {
	const fixed = 20
	if len(b) < fixed {
		return p.truncated()
	}
	header := int(b[12]>>4) * 4
	if header < fixed || header > len(b) && !p.Fragment.Is {
		return ReasonMalformed
	}
	p.SrcPort = binary.BigEndian.Uint16(b[0:])
	p.DstPort = binary.BigEndian.Uint16(b[2:])
	p.Flags = TCPFlags(b[13])
	p.repeatHeaders(b, header)
	return ReasonUnset
}

func (p *Packet) decodeUDP(b []byte) Reason {
	const fixed = 8
	if len(b) < fixed {
		return p.truncated()
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 && len(b) > 0xffff {
		length = len(b)
	}
	// A first fragment's length is that of the whole datagram.
	if length < fixed || length > len(b) && !p.Fragment.Is {
		return ReasonMalformed
	}
	p.SrcPort = binary.BigEndian.Uint16(b[0:])
	p.DstPort = binary.BigEndian.Uint16(b[2:])
	p.repeatHeaders(b, fixed)
	return ReasonUnset
}

// repeatHeaders adds to the length of a super-packet the headers that each of its
// segments has of its own. b is what the IP header carries.
func (p *Packet) repeatHeaders(b []byte, header int) {
	p.Length += (p.Segments() - 1) * (p.Length - len(b) + header)
}

// decodeICMP also covers ICMPv6, whose shortest message has 4 octets; whatever
// carries an identifier or a target must be long enough for it.
func (p *Packet) decodeICMP(b []byte) Reason {
	const shortestV6, fixed, withTarget = 4, 8, 24
	if p.Family == IPv4 && len(b) < fixed || p.Fragment.Is && len(b) < fixed || len(b) < shortestV6 {
		return p.truncated()
	}
	_, query, reply := ICMPQuery(p.Family, b[0])
	if query || reply {
		if len(b) < fixed {
			return ReasonMalformed
		}
		p.ID = binary.BigEndian.Uint16(b[4:])
	}
	if p.Family == IPv6 && (b[0] == NeighbourSolicitation || b[0] == NeighbourAdvertisement) && !p.Fragment.Is {
		if len(b) < withTarget {
			return ReasonMalformed
		}
		p.Target = netip.AddrFrom16([16]byte(b[8:24]))
	}
	p.Type, p.Code = b[0], b[1]
	if ICMPError(p.Family, p.Type) && len(b) > fixed {
		p.Embedded.decode(p.Family, b[fixed:])
	}
	return ReasonUnset
}

// truncated tells a fragment that hides its transport header from a datagram
// that has none (sections 4.5 and 4.6).
func (p *Packet) truncated() Reason {
	if p.Fragment.Is {
		return ReasonTinyFragment
	}
	return ReasonMalformed
}
