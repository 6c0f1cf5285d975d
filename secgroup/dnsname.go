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
	if !a.Is4() {
		return ""
	}
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + domain
}
