// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

var aclPaging = paging{
	operation: "DescribeNetworkAcls", min: 5, max: 1000,
	withIDs: "The parameter NetworkAclIds cannot be used with the parameter MaxResults",
}

func defaultACL(c *companion) string { return c.DefaultACL }

// ofSubnets returns a property of each subnet's association with the default ACL.
func ofSubnets(of func(*secgroup.Subnet) string) func(*companion) []string {
	return func(c *companion) []string { return each(c.subnets, of) }
}

func aclAssociation(n *secgroup.Subnet) string { return association("aclassoc", n.ID) }

// ofEntries returns a property of each entry of the default ACL that has it.
func ofEntries(of func(*ec2types.NetworkAclEntry) string) func(*companion) []string {
	return func(c *companion) []string {
		var values []string
		for _, entry := range aclEntries(c) {
			if v := of(&entry); v != "" {
				values = append(values, v)
			}
		}
		return values
	}
}

var aclFilters = filters[companion]{
	names: map[string]func(*companion) []string{
		"association.association-id": ofSubnets(aclAssociation),
		"association.network-acl-id": func(c *companion) []string {
			return each(c.subnets, func(*secgroup.Subnet) string { return c.DefaultACL })
		},
		"association.subnet-id": ofSubnets(func(n *secgroup.Subnet) string { return n.ID }),
		"default":               one(func(*companion) string { return "true" }),
		"entry.cidr":            ofEntries(func(e *ec2types.NetworkAclEntry) string { return deref(e.CidrBlock) }),
		"entry.ipv6-cidr":       ofEntries(func(e *ec2types.NetworkAclEntry) string { return deref(e.Ipv6CidrBlock) }),
		"entry.egress":          ofEntries(func(e *ec2types.NetworkAclEntry) string { return strconv.FormatBool(*e.Egress) }),
		"entry.protocol":        ofEntries(func(e *ec2types.NetworkAclEntry) string { return *e.Protocol }),
		"entry.rule-action":     ofEntries(func(e *ec2types.NetworkAclEntry) string { return *e.RuleAction }),
		"entry.rule-number":     ofEntries(func(e *ec2types.NetworkAclEntry) string { return strconv.Itoa(int(*e.RuleNumber)) }),
		"network-acl-id":        one(defaultACL),
		"owner-id":              one(func(c *companion) string { return c.Account }),
		"vpc-id":                one(func(c *companion) string { return c.ID }),
	},
	tags: func(c *companion) secgroup.Tags { return c.ACLTags },
}

func (s *Service) describeNetworkACLs(c *awsapi.Call, in *ec2types.DescribeNetworkAclsRequest) (func(context.Context) (*ec2types.DescribeNetworkAclsResult, error), error) {
	cursor, err := aclPaging.cursor(c.Scope(), in, len(in.NetworkAclIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := aclFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeNetworkAclsResult, error) {
		rows, err := byID(s.companions(c.Scope()), in.NetworkAclIds, defaultACL, "InvalidNetworkAclID.NotFound", "networkAcl")
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeNetworkAclsResult{}
		out.NetworkAcls, out.NextToken = list(cursor, rows, match,
			func(c *companion) string { return sortKey(c.Created, c.DefaultACL) }, showACL)
		return out, nil
	}, nil
}

func showACL(c *companion) ec2types.NetworkAcl {
	return ec2types.NetworkAcl{
		NetworkAclId: new(c.DefaultACL), VpcId: new(c.ID), OwnerId: new(c.Account), IsDefault: new(true),
		Entries: aclEntries(c), Tags: tagSet(c.ACLTags),
		Associations: each(c.subnets, func(n *secgroup.Subnet) ec2types.NetworkAclAssociation {
			return ec2types.NetworkAclAssociation{
				NetworkAclAssociationId: new(aclAssociation(n)), NetworkAclId: new(c.DefaultACL), SubnetId: new(n.ID),
			}
		}),
	}
}

// aclEntries returns what a default ACL holds: in each direction everything is
// allowed, and what no entry matches is denied, per family that the VPC has.
func aclEntries(c *companion) []ec2types.NetworkAclEntry {
	var entries []ec2types.NetworkAclEntry
	for _, egress := range []bool{true, false} {
		for i, prefix := range anywhere(c.VPC) {
			for _, e := range []struct {
				action string
				number int
			}{{"allow", 100 + i}, {"deny", 32767 + i}} {
				entry := ec2types.NetworkAclEntry{
					Egress: new(egress), Protocol: new("-1"), RuleAction: new(e.action), RuleNumber: new(int32(e.number)),
				}
				if prefix.Addr().Is4() {
					entry.CidrBlock = new(prefix.String())
				} else {
					entry.Ipv6CidrBlock = new(prefix.String())
				}
				entries = append(entries, entry)
			}
		}
	}
	return entries
}

// anywhere is every address of each family that the VPC has.
func anywhere(v *secgroup.VPC) []netip.Prefix {
	all := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	if len(v.IPv6) > 0 {
		all = append(all, netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	}
	return all
}
