// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"encoding/binary"
	"net/netip"
)

// quotedTransport is how much of its transport header an error must quote
// (docs/spec/packet-semantics.md section 3.4).
const quotedTransport = 8

// decode reads the packet that an error message quotes. What it cannot read, or
// what no flow could be meant by, leaves e zero.
func (e *Embedded) decode(f Family, b []byte) {
	var p Packet
	var rest []byte
	if f == IPv4 {
		rest = p.quotedIPv4(b)
	} else {
		rest = p.quotedIPv6(b)
	}
	if len(rest) < quotedTransport || p.Fragment.Offset > 0 {
		return
	}
	out := Embedded{Is: true, Src: p.Src, Dst: p.Dst, Protocol: p.Protocol}
	switch p.Protocol {
	case ProtoTCP, ProtoUDP:
		out.SrcPort, out.DstPort = binary.BigEndian.Uint16(rest[0:]), binary.BigEndian.Uint16(rest[2:])
	case ProtoICMP, ProtoICMPv6:
		if (p.Protocol == ProtoICMP) != (f == IPv4) {
			return
		}
		if _, query, reply := ICMPQuery(f, rest[0]); !query && !reply {
			return
		}
		out.Type, out.ID = rest[0], binary.BigEndian.Uint16(rest[4:])
	}
	*e = out
}

// quotedIPv4 returns what lies behind a quoted header, nil if that is not whole.
// The length it states is that of the packet as it was, not of the quotation.
func (p *Packet) quotedIPv4(b []byte) []byte {
	const fixed = 20
	if len(b) < fixed || b[0]>>4 != 4 {
		return nil
	}
	header := int(b[0]&0x0f) * 4
	if header < fixed || header > len(b) {
		return nil
	}
	p.Src = netip.AddrFrom4([4]byte(b[12:16]))
	p.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	p.Protocol = b[9]
	p.Fragment.Offset = binary.BigEndian.Uint16(b[6:]) & 0x1fff << 3
	return b[header:]
}

func (p *Packet) quotedIPv6(b []byte) []byte {
	const fixed = 40
	if len(b) < fixed || b[0]>>4 != 6 {
		return nil
	}
	p.Src = netip.AddrFrom16([16]byte(b[8:24]))
	p.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	rest, reason := p.walkExtensions(b[6], b[fixed:])
	if reason != ReasonUnset {
		return nil
	}
	return rest
}
