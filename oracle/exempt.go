// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// servicesPerSecond limits packets to the services that have a limit (3.8).
const servicesPerSecond = 1024

// service is a row of the table of section 4.1.
type service struct {
	addr     netip.Addr
	protocol uint8
	port     uint16
	metadata bool // reachable before the first snapshot (3.10)
	limited  bool // counts towards the limit of 3.8
}

// services returns the local services as the interface's VPC has them.
func (w *World) services(e *Interface) []service {
	ip := netip.MustParseAddr
	out := []service{
		{ip("169.254.169.253"), flow.ProtoUDP, 53, false, true},
		{ip("169.254.169.253"), flow.ProtoTCP, 53, false, true},
		{ip("fd00:ec2::253"), flow.ProtoUDP, 53, false, true},
		{ip("fd00:ec2::253"), flow.ProtoTCP, 53, false, true},
		{ip("169.254.169.254"), flow.ProtoTCP, 80, true, true},
		{ip("fd00:ec2::254"), flow.ProtoTCP, 80, true, true},
		{ip("169.254.170.2"), flow.ProtoTCP, 80, false, false},
		{ip("169.254.169.250"), flow.ProtoTCP, 1688, false, false},
		{ip("169.254.169.251"), flow.ProtoTCP, 1688, false, false},
		{ip("169.254.169.123"), flow.ProtoUDP, 123, false, true},
		{ip("fd00:ec2::123"), flow.ProtoUDP, 123, false, true},
	}
	for _, block := range w.VPCs[e.VPC].CIDRs {
		if block.Addr().Is4() { // the primary one
			resolver := nth(block, 2)
			return append(out,
				service{resolver, flow.ProtoUDP, 53, false, true},
				service{resolver, flow.ProtoTCP, 53, false, true})
		}
	}
	return out
}

// serviceOf returns the service that the packet goes to or comes from. A fragment
// behind the first names no port: there it is one of the services of the address.
func (w *World) serviceOf(e *Interface, d flow.Direction, p flow.Packet) (service, bool) {
	port := p.DstPort
	if d == flow.Ingress {
		port = p.SrcPort
	}
	for _, s := range w.services(e) {
		if s.addr == p.Remote(d) && s.protocol == p.Protocol && (s.port == port || p.Fragment.Offset > 0) {
			return s, true
		}
	}
	return service{}, false
}

// exempt is section 4.1: what passes without the rules, and what of the local
// services' addresses does not pass at all.
func (w *World) exempt(e *Interface, d flow.Direction, p flow.Packet, now time.Duration) flow.Reason {
	if w.dhcp(e, d, p) {
		if d == flow.Egress {
			return flow.ReasonAnswered
		}
		return flow.ReasonExempt
	}
	if s, ok := w.serviceOf(e, d, p); ok {
		switch {
		case len(e.Groups) == 0 && !s.metadata:
			return flow.ReasonNoPolicy
		case d == flow.Egress && s.limited && !e.services.admits(servicesPerSecond, now):
			return flow.ReasonLinkLocalRate
		}
		return flow.ReasonExempt
	}
	switch {
	case w.routerICMP(e, d, p) && len(e.Groups) == 0:
		return flow.ReasonNoPolicy
	case w.routerICMP(e, d, p):
		if d == flow.Egress && !p.Fragment.Is && (p.Family == flow.IPv4 && p.Type == flow.EchoRequest ||
			p.Family == flow.IPv6 && p.Type == flow.EchoRequestV6) {
			return flow.ReasonAnswered
		}
		return flow.ReasonExempt
	case inServiceBlock(p.Dst), linkLocalV6.Contains(p.Dst):
		return flow.ReasonLinkLocal
	}
	return flow.ReasonUnset
}

// routerICMP reports ICMP or ICMPv6 between e and its router.
func (w *World) routerICMP(e *Interface, d flow.Direction, p flow.Packet) bool {
	return (p.Protocol == flow.ProtoICMP || p.Protocol == flow.ProtoICMPv6) && w.router(e, p.Remote(d))
}

// allDHCPAgents is where a client without an address looks for a server.
var allDHCPAgents = netip.MustParseAddr("ff02::1:2")

// dhcp reports what a client says to the DHCP service of its subnet, or the
// service to it (4.1). The service is the router, by whichever address.
func (w *World) dhcp(e *Interface, d flow.Direction, p flow.Packet) bool {
	client, server := uint16(68), uint16(67)
	if p.Family == flow.IPv6 {
		client, server = 546, 547
	}
	if p.Protocol != flow.ProtoUDP || p.Fragment.Is {
		return false
	}
	if d == flow.Egress {
		nameless := p.Src.IsUnspecified() || linkLocalV6.Contains(p.Src)
		return p.SrcPort == client && p.DstPort == server && (nameless || e.owns(p.Src)) &&
			(w.router(e, p.Dst) || p.Dst == limitedBroadcast || p.Dst == allDHCPAgents)
	}
	return p.SrcPort == server && p.DstPort == client && w.router(e, p.Src) &&
		(e.owns(p.Dst) || p.Dst == limitedBroadcast || linkLocalV6.Contains(p.Dst))
}
