// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"strconv"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) describeVPCAttribute(c *awsapi.Call, in *ec2types.DescribeVpcAttributeRequest) (func(context.Context) (*ec2types.DescribeVpcAttributeResult, error), error) {
	if deref(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	if deref(in.Attribute) == "" {
		return nil, missing("attribute")
	}
	show := map[string]func(*secgroup.VPC, *ec2types.DescribeVpcAttributeResult){
		"enableDnsSupport": func(v *secgroup.VPC, out *ec2types.DescribeVpcAttributeResult) {
			out.EnableDnsSupport = &ec2types.AttributeBooleanValue{Value: new(v.DNSSupport)}
		},
		"enableDnsHostnames": func(v *secgroup.VPC, out *ec2types.DescribeVpcAttributeResult) {
			out.EnableDnsHostnames = &ec2types.AttributeBooleanValue{Value: new(v.DNSHostnames)}
		},
		"enableNetworkAddressUsageMetrics": func(v *secgroup.VPC, out *ec2types.DescribeVpcAttributeResult) {
			out.EnableNetworkAddressUsageMetrics = &ec2types.AttributeBooleanValue{Value: new(v.UsageMetrics)}
		},
	}[*in.Attribute]
	if show == nil {
		return nil, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", *in.Attribute)
	}
	return func(context.Context) (*ec2types.DescribeVpcAttributeResult, error) {
		found, err := control.VPCs(s.control.Read(), c.Scope(), *in.VpcId)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeVpcAttributeResult{VpcId: in.VpcId}
		show(found[0], out)
		return out, nil
	}, nil
}

func (s *Service) describeAccountAttributes(c *awsapi.Call, in *ec2types.DescribeAccountAttributesRequest) (func(context.Context) (*ec2types.DescribeAccountAttributesResult, error), error) {
	return func(context.Context) (*ec2types.DescribeAccountAttributesResult, error) {
		defaultVPC := "none"
		if v := control.DefaultVPC(s.control.Read(), c.Scope()); v != nil {
			defaultVPC = v.ID
		}
		quotas := s.control.QuotasOf(c.Scope())
		all := []struct{ name, value string }{
			{"supported-platforms", "VPC"},
			{"default-vpc", defaultVPC},
			{"max-instances", strconv.Itoa(quotas.InstancesPerRegion)},
			{"max-elastic-ips", strconv.Itoa(quotas.ElasticIPsPerRegion)},
			{"vpc-max-elastic-ips", strconv.Itoa(quotas.ElasticIPsPerRegion)},
			{"vpc-max-security-groups-per-interface", strconv.Itoa(quotas.GroupsPerInterface)},
		}
		wanted := map[string]bool{}
		for _, name := range in.AttributeNames {
			wanted[name] = true
		}
		out := &ec2types.DescribeAccountAttributesResult{AccountAttributes: []ec2types.AccountAttribute{}}
		for _, a := range all {
			if len(in.AttributeNames) == 0 || wanted[a.name] {
				out.AccountAttributes = append(out.AccountAttributes, ec2types.AccountAttribute{
					AttributeName: new(a.name), AttributeValues: []ec2types.AccountAttributeValue{{AttributeValue: new(a.value)}},
				})
			}
			delete(wanted, a.name)
		}
		for _, name := range in.AttributeNames {
			if !wanted[name] {
				continue
			}
			return nil, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
		}
		return out, nil
	}, nil
}

var dhcpPaging = paging{
	operation: "DescribeDhcpOptions", min: 5, max: 1000,
	withIDs: "The parameter DhcpOptionsIds cannot be used with the parameter MaxResults",
}

// The one setting of an account's default DHCP options.
const (
	dhcpKey   = "domain-name-servers"
	dhcpValue = "AmazonProvidedDNS"
)

func dhcpID(r *secgroup.AccountRegion) string { return r.DHCPOptions }

var dhcpFilters = filters[secgroup.AccountRegion]{
	names: map[string]func(*secgroup.AccountRegion) []string{
		"dhcp-options-id": one(dhcpID),
		"key":             one(func(*secgroup.AccountRegion) string { return dhcpKey }),
		"owner-id":        one(func(r *secgroup.AccountRegion) string { return r.Account }),
		"value":           one(func(*secgroup.AccountRegion) string { return dhcpValue }),
	},
	tags: func(r *secgroup.AccountRegion) secgroup.Tags { return r.DHCPTags },
}

func (s *Service) describeDHCPOptions(c *awsapi.Call, in *ec2types.DescribeDhcpOptionsRequest) (func(context.Context) (*ec2types.DescribeDhcpOptionsResult, error), error) {
	cursor, err := dhcpPaging.cursor(c.Scope(), in, len(in.DhcpOptionsIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := dhcpFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeDhcpOptionsResult, error) {
		all := []*secgroup.AccountRegion{s.control.AccountRegion(c.Scope())}
		rows, err := byID(all, in.DhcpOptionsIds, dhcpID, "InvalidDhcpOptionID.NotFound", "dhcpOption")
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeDhcpOptionsResult{}
		out.DhcpOptions, out.NextToken = list(cursor, rows, match,
			func(r *secgroup.AccountRegion) string { return sortKey(r.Created, r.DHCPOptions) },
			func(r *secgroup.AccountRegion) ec2types.DhcpOptions {
				return ec2types.DhcpOptions{
					DhcpOptionsId: new(r.DHCPOptions), OwnerId: new(r.Account), Tags: tagSet(r.DHCPTags),
					DhcpConfigurations: []ec2types.DhcpConfiguration{{Key: new(dhcpKey), Values: []ec2types.AttributeValue{{Value: new(dhcpValue)}}}},
				}
			})
		return out, nil
	}, nil
}
