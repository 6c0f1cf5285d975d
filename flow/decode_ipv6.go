// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"encoding/binary"
	"net/netip"
)

// Limits on an IPv6 extension chain (docs/spec/packet-semantics.md section 4.4).
const (
	maxExtHeaders = 8
	maxExtOctets  = 512
)

func (p *Packet) decodeIPv6(b []byte) Reason {
	const fixed = 40
	if len(b) < fixed || b[0]>>4 != 6 {
		return ReasonMalformed
	}
	payload := int(binary.BigEndian.Uint16(b[4:]))
	if payload == 0 && (p.Segments() > 1 || len(b)-fixed > 0xffff) {
		payload = len(b) - fixed // "big TCP" (section 4.6)
	}
	if payload > len(b)-fixed {
		return ReasonMalformed
	}
	p.Family = IPv6
	p.Src = netip.AddrFrom16([16]byte(b[8:24]))
	p.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	p.Length = fixed + payload
	rest, reason := p.walkExtensions(b[6], b[fixed:fixed+payload])
	if reason != ReasonUnset {
		return reason
	}
	if p.Protocol == ProtoICMP {
		return ReasonFamilyMismatch
	}
	return p.decodeTransport(rest)
}

// walkExtensions sets Protocol and Fragment and returns what lies behind the
// chain. AH, ESP and "no next header" end it like any transport. The chain of a
// later fragment ends at its fragment header: nothing behind it can be read.
func (p *Packet) walkExtensions(next uint8, b []byte) ([]byte, Reason) {
	octets := 0
	for n := 0; ; n++ {
		switch next {
		case protoHopByHop:
			if n > 0 {
				return nil, ReasonExtChain
			}
		case protoRouting, protoFragment, protoDestOpts, protoMobility, protoHIP, protoShim6:
		default:
			p.Protocol = next
			return b, ReasonUnset
		}
		if n == maxExtHeaders {
			return nil, ReasonExtChain
		}
		size := 8
		if next != protoFragment && len(b) >= 2 {
			size = (int(b[1]) + 1) * 8
		}
		if len(b) < size {
			return nil, p.truncatedChain()
		}
		if octets += size; octets > maxExtOctets {
			return nil, ReasonExtChain
		}
		switch next {
		case protoRouting:
			if b[2] == 0 { // type 0: source routing
				return nil, ReasonExtChain
			}
		case protoFragment:
			frag := binary.BigEndian.Uint16(b[2:])
			p.setFragment(frag&^7, frag&1 != 0, binary.BigEndian.Uint32(b[4:]), len(b)-size)
			if p.Fragment.Offset > 0 {
				p.Protocol = b[0]
				return nil, ReasonUnset
			}
		}
		next, b = b[0], b[size:]
	}
}

// truncatedChain tells a first fragment, which must hold the complete chain
// (section 4.5), from a datagram that ends too early.
func (p *Packet) truncatedChain() Reason {
	if p.Fragment.Is {
		return ReasonTinyFragment
	}
	return ReasonExtChain
}
