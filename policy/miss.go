// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
)

// Field is a part of a rule that a packet can fail.
type Field uint8

const (
	FieldProtocol Field = iota
	FieldPort           // the destination port; of ICMP the type and the code
	FieldPeer
)

func (f Field) String() string { return [...]string{"protocol", "port", "peer"}[f] }

// Miss is a rule that does not admit a packet and would, were it not for one field.
type Miss struct {
	Rule  string
	Field Field
}

// Misses returns the rules of direction dir that a packet fails in exactly one
// field, in order; the packet is given as to Match. Ports of protocols that
// number them differently are not compared: such a rule fails in its protocol.
func (p *Policy) Misses(dir flow.Direction, remote netip.Addr, groups []string, proto uint8, port uint16) []Miss {
	var misses []Miss
	f, key := family(remote), Key(proto, port)
	admits := func(r Rule) bool {
		s := r.span(f)
		return s.lo <= key && key <= s.hi
	}
	for _, r := range p.Tables[dir].source {
		peer := r.Peer.matches(remote, groups)
		anyPort, asked := r, r // r, but for its ports; r, but for its protocol
		anyPort.From, anyPort.To = All, All
		asked.Protocol = int(proto)
		if !numberAlike(r.Protocol, int(proto)) {
			asked.From, asked.To = All, All
		}
		switch {
		case admits(r) && !peer:
			misses = append(misses, Miss{r.ID, FieldPeer})
		case admits(r) || !peer:
		case admits(anyPort):
			misses = append(misses, Miss{r.ID, FieldPort})
		case admits(asked):
			misses = append(misses, Miss{r.ID, FieldProtocol})
		}
	}
	return misses
}

// numberAlike reports whether two protocols mean the same by their ports.
func numberAlike(a, b int) bool {
	ports := func(p int) bool { return p == protoTCP || p == protoUDP }
	return a == b || ports(a) && ports(b)
}

// matches reports whether a remote address that belongs to groups is the peer.
func (p *Peer) matches(remote netip.Addr, groups []string) bool {
	return p.Prefix.Contains(remote) || slices.ContainsFunc(p.Prefixes, func(b netip.Prefix) bool { return b.Contains(remote) }) ||
		p.Group != "" && slices.Contains(groups, p.Group)
}
