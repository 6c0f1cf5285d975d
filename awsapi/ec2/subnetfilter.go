// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strconv"

	"github.com/hedgeward/hedgeward/secgroup"
)

// subnetFilters are those of DescribeSubnets (docs/spec/ec2-api.md section 4.3).
var subnetFilters = filters[subnet]{
	names: map[string]func(*subnet) []string{
		"available-ip-address-count": one(func(n *subnet) string { return strconv.Itoa(n.free) }),
		"ipv6-native":                one(func(n *subnet) string { return strconv.FormatBool(n.IPv6Native) }),
		"map-public-ip-on-launch":    one(func(n *subnet) string { return strconv.FormatBool(n.MapPublicIP) }),
		"owner-id":                   one(func(n *subnet) string { return n.Account }),
		"state":                      one(func(*subnet) string { return "available" }),
		"subnet-arn":                 one((*subnet).arn),
		"subnet-id":                  one(func(n *subnet) string { return n.ID }),
		"vpc-id":                     one(func(n *subnet) string { return n.VPC }),

		"ipv6-cidr-block-association.association-id":  ofSubnetIPv6(func(b block) string { return b.ID }),
		"ipv6-cidr-block-association.ipv6-cidr-block": ofSubnetIPv6(func(b block) string { return b.Prefix.String() }),
		"ipv6-cidr-block-association.state":           ofSubnetIPv6(func(b block) string { return b.state }),

		// Each of these goes by several names.
		"cidr-block": some((*subnet).cidr), "cidr": some((*subnet).cidr), "cidrBlock": some((*subnet).cidr),
		"availability-zone": one(zoneName), "availabilityZone": one(zoneName),
		"availability-zone-id": one(zoneID), "availabilityZoneId": one(zoneID),
		"default-for-az": one(forZone), "defaultForAz": one(forZone),
	},
	tags: func(n *subnet) secgroup.Tags { return n.Tags },
}

func zoneName(n *subnet) string { return n.Zone }
func zoneID(n *subnet) string   { return n.ZoneID }
func forZone(n *subnet) string  { return strconv.FormatBool(n.DefaultForZone) }

func ofSubnetIPv6(of func(block) string) func(*subnet) []string {
	return func(n *subnet) []string { return each(n.blocksIPv6(), of) }
}
