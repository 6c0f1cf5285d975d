// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ipFamily is how requests speak of one address family.
type ipFamily struct {
	has                      func(netip.Addr) bool
	prefixName, prefixesMore string // the parameters that list and count prefixes
	addresses, addressesMore string // those that list and count addresses to assign
}

var ipFamilies = [flow.NumFamilies]ipFamily{
	flow.IPv4: {netip.Addr.Is4, "ipv4Prefix", "ipv4PrefixCount", "privateIpAddresses", "secondaryPrivateIpAddressCount"},
	flow.IPv6: {plainIPv6, "ipv6Prefix", "ipv6PrefixCount", "ipv6Addresses", "ipv6AddressCount"},
}

// parsePrefixes reads delegated prefixes. Their length is control's to check.
func parsePrefixes(f flow.Family, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil || !ipFamilies[f].has(p.Addr()) {
			return nil, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, ipFamilies[f].prefixName)
		}
		out = append(out, p)
	}
	return out, nil
}

// parseDelegation reads what prefixes of a family an interface is to get: a list
// or a count (docs/spec/ec2-api.md section 5.5).
func parseDelegation(f flow.Family, list []string, more *int32) (d control.Delegation, err error) {
	if len(list) > 0 && deref(more) != 0 {
		return d, secgroup.Errorf("InvalidParameterCombination",
			"The parameter %s cannot be used with the parameter %s", ipFamilies[f].prefixesMore, ipFamilies[f].prefixName)
	}
	if d.Prefixes, err = parsePrefixes(f, list); err != nil {
		return d, err
	}
	d.More, err = parseCount(ipFamilies[f].prefixesMore, more)
	return d, err
}

// parseDelegations reads the prefixes that a new interface is to have.
func parseDelegations(v4 []ec2types.Ipv4PrefixSpecificationRequest, more4 *int32, v6 []ec2types.Ipv6PrefixSpecificationRequest, more6 *int32) (d [flow.NumFamilies]control.Delegation, err error) {
	list4 := each(v4, func(p ec2types.Ipv4PrefixSpecificationRequest) string { return deref(p.Ipv4Prefix) })
	if d[flow.IPv4], err = parseDelegation(flow.IPv4, list4, more4); err != nil {
		return d, err
	}
	list6 := each(v6, func(p ec2types.Ipv6PrefixSpecificationRequest) string { return deref(p.Ipv6Prefix) })
	d[flow.IPv6], err = parseDelegation(flow.IPv6, list6, more6)
	return d, err
}
