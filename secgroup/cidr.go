// SPDX-License-Identifier: Apache-2.0

package secgroup

import "net/netip"

// ParseCIDR4 returns the canonical form of an IPv4 range: host bits cleared.
// Everything else, IPv6 included, is InvalidParameterValue with the text as it
// was sent (docs/spec/ec2-api.md section 2.6).
func ParseCIDR4(text string) (netip.Prefix, error) { return parseCIDR(text, true) }

// ParseCIDR6 is ParseCIDR4 for IPv6. An IPv4 address written as IPv6
// (::ffff:1.2.3.4) is IPv6.
func ParseCIDR6(text string) (netip.Prefix, error) { return parseCIDR(text, false) }

func parseCIDR(text string, v4 bool) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4() != v4 {
		return netip.Prefix{}, Errorf("InvalidParameterValue", "CIDR block %s is malformed", text)
	}
	return prefix.Masked(), nil
}
