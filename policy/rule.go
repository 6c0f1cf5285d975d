// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/flow"
)

// Protocol numbers that rules treat specially (section 1.4).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// All is the wildcard in Rule.Protocol, Rule.From and Rule.To.
const All = -1

// Rule is one permission of one direction, with one peer.
type Rule struct {
	ID string // sgr-…; opaque here

	// Protocol is an IANA number or All. The zero value is protocol 0
	// (IPv6 hop-by-hop), not All.
	Protocol int

	// From and To are an inclusive range of destination ports for TCP and UDP,
	// the type and the code for ICMP and ICMPv6; All means every one. They are
	// ignored for other protocols. A range that is upside down or out of bounds
	// matches nothing.
	From, To int

	Peer Peer
}

// Peer is the other end of a rule: exactly one of the fields is set. The zero
// Peer matches nothing.
type Peer struct {
	Prefix   netip.Prefix   // a CIDR; 0.0.0.0/0 and ::/0 are the any-CIDR peers
	Prefixes []netip.Prefix // entries of a prefix list; never count as any-CIDR
	Group    string         // a security group; matches addresses of both families
}

// Source is what Compile reads: the union of the rules of all groups of an
// interface, per direction. Rules are numbered by their position.
type Source [flow.NumDirections][]Rule

// Key orders protocol and port: port is the destination port for TCP and UDP,
// type<<8|code for ICMP and ICMPv6, and 0 for other protocols.
func Key(proto uint8, port uint16) uint32 {
	return uint32(proto)<<16 | uint32(port)
}

const maxKey = 1<<24 - 1

// span is a range of keys, both ends included; lo > hi is empty.
type span struct{ lo, hi uint32 }

var nothing = span{1, 0}

// span returns the keys that the rule admits in one family. ICMP belongs to
// IPv4 and ICMPv6 to IPv6; a rule for one is empty in the other (section 1.4).
func (r *Rule) span(f flow.Family) span {
	if r.Protocol == All {
		return span{0, maxKey}
	}
	if r.Protocol < 0 || r.Protocol > 255 {
		return nothing
	}
	base := Key(uint8(r.Protocol), 0)
	lo, hi := 0, 0xffff
	switch r.Protocol {
	case protoTCP, protoUDP:
		if r.From != All || r.To != All {
			lo, hi = r.From, r.To
		}
		if lo < 0 || hi > 0xffff || lo > hi {
			return nothing
		}
	case protoICMP, protoICMPv6:
		if (r.Protocol == protoICMP) != (f == flow.IPv4) {
			return nothing
		}
		switch {
		case r.From == All && r.To == All:
		case r.From < 0 || r.From > 255 || r.To < All || r.To > 255:
			return nothing
		case r.To == All:
			lo, hi = r.From<<8, r.From<<8|0xff
		default:
			lo = r.From<<8 | r.To
			hi = lo
		}
	}
	return span{base + uint32(lo), base + uint32(hi)}
}

// anyCIDR reports whether the peer is literally the whole of family f.
func (p *Peer) anyCIDR(f flow.Family) bool {
	return p.Prefix.IsValid() && p.Prefix.Bits() == 0 &&
		!p.Prefix.Addr().Is4In6() && family(p.Prefix.Addr()) == f
}

// untrackable reports whether the rule covers TCP or UDP: only those flows can
// be untracked (section 2.1).
func (r *Rule) untrackable() bool {
	return r.Protocol == All || r.Protocol == protoTCP || r.Protocol == protoUDP
}

// allPorts reports whether the rule is an all-ports rule: protocol All, or TCP
// or UDP with every port (section 0).
func (r *Rule) allPorts() bool {
	if r.Protocol == All {
		return true
	}
	s := r.span(flow.IPv4)
	return r.untrackable() && s.lo <= s.hi && s.hi-s.lo == 0xffff
}

// whole reports whether the rule admits all of some protocol, so that no port is
// needed to decide (section 4.5).
func (r *Rule) whole(f flow.Family) bool {
	s := r.span(f)
	return s.lo <= s.hi && s.hi-s.lo >= 0xffff
}

func family(a netip.Addr) flow.Family {
	if a.Is4() {
		return flow.IPv4
	}
	return flow.IPv6
}
