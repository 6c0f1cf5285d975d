// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"strings"
)

// PrivateDNSName returns the name that EC2 gives a private address in a Region,
// e.g. "ip-10-0-1-17.ec2.internal" (docs/spec/ec2-api.md section 5.1). IPv6
// addresses have none: "".
func PrivateDNSName(region string, a netip.Addr) string {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return dnsName("ip-", a, domain)
}

// PublicDNSName returns the name that EC2 gives a public address in a Region, e.g.
// "ec2-198-18-0-17.compute-1.amazonaws.com" (docs/spec/ec2-api.md section 4.6).
func PublicDNSName(region string, a netip.Addr) string {
	domain := region + ".compute.amazonaws.com"
	if region == "us-east-1" {
		domain = "compute-1.amazonaws.com"
	}
	return dnsName("ec2-", a, domain)
}

func dnsName(host string, a netip.Addr, domain string) string {
	if !a.Is4() {
		return ""
	}
	return host + strings.ReplaceAll(a.String(), ".", "-") + "." + domain
}
