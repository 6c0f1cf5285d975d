// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
)

// Allowed returns the ids of all rules in the union of the groups of e that
// match the packet (1.4).
func (w *World) Allowed(e *Interface, d flow.Direction, p flow.Packet, path Path) []string {
	var ids []string
	for _, r := range w.rules(e) {
		if r.Direction == d && r.matchesTransport(p) && w.matchesPeer(r.Peer, e, d, p, path) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// rules returns the union of the rules of the groups of e.
func (w *World) rules(e *Interface) []Rule {
	var all []Rule
	for _, name := range e.Groups {
		if g := w.Groups[name]; g != nil {
			all = append(all, g.Rules...)
		}
	}
	return all
}

// matchesTransport is clauses 2 to 4 of section 1.4.
func (r Rule) matchesTransport(p flow.Packet) bool {
	if r.Protocol == AllProtocols {
		return true
	}
	if r.Protocol != int(p.Protocol) {
		return false
	}
	switch p.Protocol {
	case flow.ProtoTCP, flow.ProtoUDP:
		return r.From <= int(p.DstPort) && int(p.DstPort) <= r.To
	case flow.ProtoICMP, flow.ProtoICMPv6:
		return r.From == -1 || r.From == int(p.Type) && (r.To == -1 || r.To == int(p.Code))
	}
	return true // stored ports of other protocols are ignored
}

// matchesPeer is section 1.5.
func (w *World) matchesPeer(peer Peer, e *Interface, d flow.Direction, p flow.Packet, path Path) bool {
	remote := p.Remote(d)
	switch {
	case peer.CIDR.IsValid():
		return peer.CIDR.Contains(remote)
	case peer.PrefixList != "":
		return slices.ContainsFunc(w.PrefixLists[peer.PrefixList], func(b netip.Prefix) bool { return b.Contains(remote) })
	}
	// id(p): who sent the packet, or whom the local VPC routes it to.
	id := path.From
	if d == flow.Egress || w.Switches.AddressIdentity {
		id, _ = w.Route(e.VPC, remote)
	}
	// Whatever carries the packet, a multicast group has no members by reference (4.3).
	return id != nil && id.owns(remote) && !p.Dst.IsMulticast() &&
		path.Class.References(d) && w.reachable(e, id.VPC, d) &&
		w.Groups[peer.Group] != nil && slices.Contains(id.Groups, peer.Group)
}

// Untracked reports whether the packet passes without state (2.1).
func (w *World) Untracked(e *Interface, d flow.Direction, p flow.Packet, path Path) bool {
	if p.Protocol != flow.ProtoTCP && p.Protocol != flow.ProtoUDP || w.Switches.Forces(path.Class) {
		return false
	}
	there, allThere := w.anyCIDR(e, d, p)
	back, allBack := w.anyCIDR(e, d.Opposite(), p.Reverse())
	return there && back && (allThere || allBack)
}

// anyCIDR reports whether an any-CIDR rule of the packet's family and the
// direction matches, and whether one of those that do is an all-ports rule
// (section 0).
func (w *World) anyCIDR(e *Interface, d flow.Direction, p flow.Packet) (matches, allPorts bool) {
	for _, r := range w.rules(e) {
		cidr := r.Peer.CIDR
		if r.Direction != d || !cidr.IsValid() || cidr.Bits() != 0 ||
			cidr.Addr().Is4() != (p.Family == flow.IPv4) || !r.matchesTransport(p) {
			continue
		}
		matches = true
		if r.Protocol == AllProtocols || r.From == 0 && r.To == 65535 {
			allPorts = true
		}
	}
	return matches, allPorts
}

// AllowsAllPorts returns the ids of the rules that admit every packet of the
// protocol and the remote address: what decides about a later fragment of which
// nothing else is known (4.5). As in 2.1, rules whose port ranges add up do not
// count.
func (w *World) AllowsAllPorts(e *Interface, d flow.Direction, p flow.Packet, path Path) []string {
	var ids []string
	for _, r := range w.rules(e) {
		if r.Direction == d && r.matchesAll(p.Protocol) && w.matchesPeer(r.Peer, e, d, p, path) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// matchesAll reports a rule for everything of a protocol.
func (r Rule) matchesAll(protocol uint8) bool {
	if r.Protocol == AllProtocols {
		return true
	}
	if r.Protocol != int(protocol) {
		return false
	}
	switch protocol {
	case flow.ProtoTCP, flow.ProtoUDP:
		return r.From == 0 && r.To == 65535
	case flow.ProtoICMP, flow.ProtoICMPv6:
		return r.From == -1
	}
	return true
}
