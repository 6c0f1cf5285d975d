// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strconv"

	"github.com/hedgeward/hedgeward/secgroup"
)

// associations returns a property of each block that a VPC or subnet has.
func associations(blocks []secgroup.CIDRAssociation, of func(secgroup.CIDRAssociation) string) []string {
	var values []string
	for _, a := range blocks {
		values = append(values, of(a))
	}
	return values
}

func blockText(a secgroup.CIDRAssociation) string { return a.Prefix.String() }
func blockID(a secgroup.CIDRAssociation) string   { return a.ID }

func always(text string) func(secgroup.CIDRAssociation) string {
	return func(secgroup.CIDRAssociation) string { return text }
}

func ofIPv4(of func(secgroup.CIDRAssociation) string) func(*secgroup.VPC) []string {
	return func(v *secgroup.VPC) []string { return associations(v.CIDRs, of) }
}

func ofIPv6(of func(secgroup.CIDRAssociation) string) func(*secgroup.VPC) []string {
	return func(v *secgroup.VPC) []string { return associations(v.IPv6, of) }
}

func primaryBlock(v *secgroup.VPC) string { return blockText(v.CIDRs[0]) }

func isDefault(v *secgroup.VPC) string { return strconv.FormatBool(v.Default) }

// vpcFilters are those of DescribeVpcs (docs/spec/ec2-api.md section 4.2).
var vpcFilters = filters[secgroup.VPC]{
	names: map[string]func(*secgroup.VPC) []string{
		"cidr-block-association.association-id":       ofIPv4(blockID),
		"cidr-block-association.cidr-block":           ofIPv4(blockText),
		"cidr-block-association.state":                ofIPv4(always(associated)),
		"dhcp-options-id":                             one(func(v *secgroup.VPC) string { return v.DHCPOptions }),
		"ipv6-cidr-block-association.association-id":  ofIPv6(blockID),
		"ipv6-cidr-block-association.ipv6-cidr-block": ofIPv6(blockText),
		"ipv6-cidr-block-association.ipv6-pool":       ofIPv6(always(ipv6Pool)),
		"ipv6-cidr-block-association.state":           ofIPv6(always(associated)),
		"owner-id":                                    one(func(v *secgroup.VPC) string { return v.Account }),
		"state":                                       one(func(*secgroup.VPC) string { return "available" }),
		"vpc-id":                                      one(func(v *secgroup.VPC) string { return v.ID }),

		// Each of these goes by several names.
		"cidr": one(primaryBlock), "cidr-block": one(primaryBlock), "cidrBlock": one(primaryBlock),
		"is-default": one(isDefault), "isDefault": one(isDefault),
	},
	tags: func(v *secgroup.VPC) secgroup.Tags { return v.Tags },
}
