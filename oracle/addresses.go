// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
)

var (
	serviceBlocks = []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fd00:ec2::/32"),
	}
	routerLinkLocals = []netip.Addr{
		netip.MustParseAddr("fe80:ec2::1"),
		netip.MustParseAddr("fe80::48:47ff:fe00:1"), // of its MAC address
	}
	limitedBroadcast = netip.MustParseAddr("255.255.255.255")
	linkLocalV6      = netip.MustParsePrefix("fe80::/10")
)

// inServiceBlock reports an address of the link-local services (4.1).
func inServiceBlock(a netip.Addr) bool {
	return serviceBlocks[0].Contains(a) || serviceBlocks[1].Contains(a)
}

// nth returns the address n after the base of the block.
func nth(block netip.Prefix, n int) netip.Addr {
	a := block.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a
}

// last returns the highest address of the block.
func last(block netip.Prefix) netip.Addr {
	a := block.Masked().Addr().AsSlice()
	for bit := block.Bits(); bit < len(a)*8; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	out, _ := netip.AddrFromSlice(a)
	return out
}

// router reports whether a is an address of the VPC router as e sees it: base + 1
// of a subnet that e is in, or the router's link-local address (4.1).
func (w *World) router(e *Interface, a netip.Addr) bool {
	if slices.Contains(routerLinkLocals, a) {
		return true
	}
	for _, subnet := range w.VPCs[e.VPC].Subnets {
		if nth(subnet, 1) != a {
			continue
		}
		for _, own := range e.Addresses {
			if subnet.Contains(own.Addr()) {
				return true
			}
		}
	}
	return false
}

// reserved reports an address that no instance may send from: routers and DNS of
// the VPC and the link-local services (5, last row but one).
func (w *World) reserved(e *Interface, a netip.Addr) bool {
	if inServiceBlock(a) || slices.Contains(routerLinkLocals, a) {
		return true
	}
	for _, subnet := range w.VPCs[e.VPC].Subnets {
		if a == nth(subnet, 1) {
			return true
		}
	}
	for _, block := range w.VPCs[e.VPC].CIDRs {
		if block.Addr().Is4() && a == nth(block, 2) {
			return true
		}
	}
	return false
}

// groupcast refuses multicast and broadcast (4.3). What a multicast domain carries
// is left to the rules.
func (w *World) groupcast(e *Interface, d flow.Direction, p flow.Packet) flow.Reason {
	switch {
	case w.dhcp(e, d, p):
		return flow.ReasonUnset
	case p.Dst.IsMulticast():
		if w.VPCs[e.VPC].MulticastDomain {
			return flow.ReasonUnset
		}
		return flow.ReasonMulticast
	case p.Dst == limitedBroadcast:
		return flow.ReasonBroadcast
	}
	for _, subnet := range w.VPCs[e.VPC].Subnets {
		if subnet.Addr().Is4() && p.Dst == last(subnet) {
			return flow.ReasonBroadcast
		}
	}
	return flow.ReasonUnset
}
