// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// elasticIP is an address with the interface that it stands for, nil for none.
type elasticIP struct {
	*secgroup.ElasticIP
	on *secgroup.Interface
}

func viewElasticIP(snap *model.Snapshot, e *secgroup.ElasticIP) *elasticIP {
	return &elasticIP{e, snap.Interfaces.Get(e.Interface)}
}

// instance returns the instance that the address leads to, "" for none.
func (e *elasticIP) instance() string {
	if e.on == nil || e.on.Attachment == nil {
		return ""
	}
	return e.on.Attachment.Instance
}

// owner returns the account of the interface, "" for none.
func (e *elasticIP) owner() string {
	if e.on == nil {
		return ""
	}
	return e.on.Account
}

func (e *elasticIP) private() string {
	if e.on == nil {
		return ""
	}
	return e.Private.String()
}

func showElasticIP(e *elasticIP) ec2types.Address {
	out := ec2types.Address{
		AllocationId: &e.ID, PublicIp: new(e.Address.String()), PublicIpv4Pool: new(addressPool), Domain: new(addressDomain),
		NetworkBorderGroup: &e.Region, AssociationId: optional(e.Association), InstanceId: optional(e.instance()),
		NetworkInterfaceId: optional(e.Interface), NetworkInterfaceOwnerId: optional(e.owner()), PrivateIpAddress: optional(e.private()),
		Tags: tagSet(e.Tags),
	}
	if e.on != nil {
		out.SubnetId = &e.on.Subnet
	}
	return out
}

var elasticIPFilters = filters[elasticIP]{
	names: map[string]func(*elasticIP) []string{
		"allocation-id":              one(func(e *elasticIP) string { return e.ID }),
		"association-id":             some(func(e *elasticIP) string { return e.Association }),
		"domain":                     one(func(*elasticIP) string { return addressDomain }),
		"instance-id":                some((*elasticIP).instance),
		"network-border-group":       one(func(e *elasticIP) string { return e.Region }),
		"network-interface-id":       some(func(e *elasticIP) string { return e.Interface }),
		"network-interface-owner-id": some((*elasticIP).owner),
		"private-ip-address":         some((*elasticIP).private),
		"public-ip":                  one(func(e *elasticIP) string { return e.Address.String() }),
	},
	tags: func(e *elasticIP) secgroup.Tags { return e.Tags },
}

// describeAddresses has no pages: quotas bound the list.
func (s *Service) describeAddresses(c *awsapi.Call, in *ec2types.DescribeAddressesRequest) (func(context.Context) (*ec2types.DescribeAddressesResult, error), error) {
	refs, err := addressRefs(in.AllocationIds, in.PublicIps)
	if err != nil {
		return nil, err
	}
	match, err := elasticIPFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeAddressesResult, error) {
		snap := s.control.Read()
		rows, err := control.ElasticIPs(snap, c.Scope(), refs...)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(rows, func(a, b *secgroup.ElasticIP) int { return a.Created.Compare(b.Created) })
		out := &ec2types.DescribeAddressesResult{Addresses: []ec2types.Address{}}
		for _, e := range rows {
			if shown := viewElasticIP(snap, e); match(shown) {
				out.Addresses = append(out.Addresses, showElasticIP(shown))
			}
		}
		return out, nil
	}, nil
}

func addressRefs(allocations, addresses []string) ([]control.AddressRef, error) {
	var refs []control.AddressRef
	for _, id := range allocations {
		ref, err := addressRef(&id, nil)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	for _, a := range addresses {
		ref, err := addressRef(nil, &a)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

var addressAttributePaging = paging{operation: "DescribeAddressesAttribute", min: 1, max: 1000}

// describeAddressesAttribute answers the one attribute that there is, a reverse
// name, as it is of every address: not set. Nothing can set it.
func (s *Service) describeAddressesAttribute(c *awsapi.Call, in *ec2types.DescribeAddressesAttributeRequest) (func(context.Context) (*ec2types.DescribeAddressesAttributeResult, error), error) {
	if deref(in.Attribute) == "" {
		return nil, missing("attribute")
	}
	if err := checkEnumeration("attribute", *in.Attribute, "AddressAttributeName"); err != nil {
		return nil, err
	}
	refs, err := addressRefs(in.AllocationIds, nil)
	if err != nil {
		return nil, err
	}
	cursor, err := addressAttributePaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeAddressesAttributeResult, error) {
		rows, err := control.ElasticIPs(s.control.Read(), c.Scope(), refs...)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeAddressesAttributeResult{}
		out.Addresses, out.NextToken = list(cursor, rows, func(*secgroup.ElasticIP) bool { return true },
			func(e *secgroup.ElasticIP) string { return sortKey(e.Created, e.ID) },
			func(e *secgroup.ElasticIP) ec2types.AddressAttribute {
				return ec2types.AddressAttribute{AllocationId: &e.ID, PublicIp: new(e.Address.String())}
			})
		return out, nil
	}, nil
}
