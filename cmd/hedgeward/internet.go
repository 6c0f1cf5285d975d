// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"

	"github.com/hedgeward/hedgeward/instance"
)

// onHost is the place of the internet that is the host itself.
const onHost = "host"

// farIPv6 is what the far end of the uplink says IPv6 with: unique local (RFC
// 4193), in no block that a VPC can get but one in 2^48.
var farIPv6 = netip.MustParsePrefix("fd48:4700::1/128")

// uplink returns where internet gateways lead.
func uplink(o upOptions) instance.Uplink {
	u := instance.Uplink{Unplugged: o.internet == ""}
	if u.Unplugged {
		return u
	}
	if o.internet != onHost {
		u.Namespace = o.internet
	}
	// The first address of the block is never given to an interface.
	first := o.public.Masked().Addr().Next()
	u.Addresses = []netip.Prefix{netip.PrefixFrom(first, o.public.Bits()), farIPv6}
	return u
}

// checkPool refuses blocks that no public addresses can come from.
func checkPool(p netip.Prefix) error {
	if !p.IsValid() || !p.Addr().Is4() || p.Bits() > 28 || p.Bits() < 8 {
		return fmt.Errorf("%s cannot hold public addresses: choose an IPv4 block between /8 and /28 with --public-addresses", p)
	}
	return nil
}
