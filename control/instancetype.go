// SPDX-License-Identifier: Apache-2.0

package control

import "github.com/hedgeward/hedgeward/secgroup"

// checkLimits refuses an instance of a type with that many interfaces, or an
// interface with that many addresses.
func checkLimits(l secgroup.InstanceLimits, name string, interfaces, ipv4, ipv6 int) error {
	if interfaces > l.Interfaces {
		return secgroup.Errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", interfaces, name)
	}
	if ipv4 > l.IPv4 || ipv6 > l.IPv6 {
		return errManyAddresses
	}
	return nil
}
