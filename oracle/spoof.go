// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/flow"
)

// linkLayer handles what never reaches the groups: ARP and the control messages
// of IPv6 (4.2). It returns ReasonUnset for everything else.
func (w *World) linkLayer(e *Interface, d flow.Direction, p flow.Packet) flow.Reason {
	switch {
	case p.Fragment.Is: // what is cut up is no message of the link
		return flow.ReasonUnset
	case p.EtherType == flow.EtherARP && d == flow.Egress:
		return e.arp(p)
	case p.EtherType == flow.EtherARP:
		// Only the host itself speaks ARP towards the instance, and it does not
		// pass its own gate to do so.
		return flow.ReasonSpoofARP
	case p.Protocol == flow.ProtoICMPv6 && d == flow.Egress:
		return e.icmpv6Control(p)
	case p.Protocol == flow.ProtoICMPv6 && p.Type == flow.RouterAdvertisement && !w.router(e, p.Src):
		return flow.ReasonRogueRA
	}
	return flow.ReasonUnset
}

// arp checks the content of a message of the instance, which the host then
// answers or absorbs.
func (e *Interface) arp(p flow.Packet) flow.Reason {
	sender := p.ARP.Sender
	if p.SrcMAC != e.MAC || p.ARP.SenderMAC != e.MAC || !sender.IsUnspecified() && !e.owns(sender) {
		return flow.ReasonSpoofARP
	}
	return flow.ReasonAnswered
}

// icmpv6Control handles neighbour, router and listener discovery that the
// instance sends.
func (e *Interface) icmpv6Control(p flow.Packet) flow.Reason {
	switch p.Type {
	case flow.RouterAdvertisement, flow.RedirectV6:
		if p.SrcMAC != e.MAC {
			return flow.ReasonSpoofMAC
		}
		return flow.ReasonRogueRA
	case flow.NeighbourSolicitation, flow.NeighbourAdvertisement, flow.RouterSolicitation:
	case flow.MLDQuery, flow.MLDReport, flow.MLDDone, flow.MLDv2Report:
		if !p.Dst.IsMulticast() {
			return flow.ReasonUnset // an ordinary one-way message (3.4)
		}
	default:
		return flow.ReasonUnset
	}
	if p.SrcMAC != e.MAC {
		return flow.ReasonSpoofMAC
	}
	// Link-local and unspecified sources are legitimate here.
	if e.SourceDestCheck && !p.Src.IsUnspecified() && !linkLocalV6.Contains(p.Src) && !e.owns(p.Src) {
		return flow.ReasonSpoofIP
	}
	if p.Type == flow.NeighbourAdvertisement && !e.owns(p.Target) && p.Target != e.linkLocal() {
		return flow.ReasonSpoofND
	}
	return flow.ReasonAnswered
}

// linkLocal returns the link-local address that belongs to the interface's MAC
// (modified EUI-64).
func (e *Interface) linkLocal() netip.Addr {
	m := e.MAC
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// spoofed is the table of section 5.
func (w *World) spoofed(e *Interface, d flow.Direction, p flow.Packet) flow.Reason {
	if d == flow.Egress && p.SrcMAC != e.MAC {
		return flow.ReasonSpoofMAC
	}
	if w.dhcp(e, d, p) {
		return flow.ReasonUnset
	}
	if p.Src.IsUnspecified() && !(p.Dst.IsMulticast() && w.VPCs[e.VPC].MulticastDomain) {
		return flow.ReasonMartian
	}
	// Loopback and multicast sources were refused by Decode. What comes from the
	// fabric as the router's ICMP, or as the answer of a service, is that.
	_, ofService := w.serviceOf(e, d, p)
	fromHost := d == flow.Ingress && (w.routerICMP(e, d, p) || ofService)
	if w.reserved(e, p.Src) && !fromHost {
		if d == flow.Ingress && inServiceBlock(p.Src) {
			return flow.ReasonLinkLocal
		}
		return flow.ReasonSpoofIP
	}
	if !fromHost && linkLocalV6.Contains(p.Src) && !linkLocalV6.Contains(p.Dst) {
		return flow.ReasonSpoofIP
	}
	if !e.SourceDestCheck {
		return flow.ReasonUnset
	}
	switch {
	case d == flow.Ingress && p.Dst.IsMulticast() && w.VPCs[e.VPC].MulticastDomain:
	case d == flow.Ingress && !e.owns(p.Dst):
		return flow.ReasonNotMine
	case d == flow.Egress && !e.owns(p.Src):
		// An instance may ask the router from its link-local address (4.1).
		if linkLocalV6.Contains(p.Src) && w.routerICMP(e, d, p) {
			return flow.ReasonUnset
		}
		return flow.ReasonSpoofIP
	}
	return flow.ReasonUnset
}
