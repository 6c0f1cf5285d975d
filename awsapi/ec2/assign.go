// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/secgroup"
)

// assignment is a request for further addresses and prefixes of one family.
type assignment struct {
	family    flow.Family
	addresses []string
	further   *int32
	prefixes  []string
	more      *int32
}

// parse reads what the interface is to get: of addresses and of prefixes a list or
// a count, and any of them (docs/spec/ec2-api.md section 5.5).
func (in assignment) parse() (a control.Assignment, err error) {
	names := ipFamilies[in.family]
	switch {
	case len(in.addresses) > 0 && in.further != nil:
		return a, secgroup.Errorf("InvalidParameterCombination", "The parameter %s cannot be used with the parameter %s", names.addressesMore, names.addresses)
	case len(in.addresses) == 0 && in.further == nil && len(in.prefixes) == 0 && in.more == nil:
		return a, secgroup.Errorf("MissingParameter", "Either '%s' or '%s' should be provided.", names.addresses, names.addressesMore)
	}
	a.Family = in.family
	if a.Addresses, err = parseAddresses(in.addresses, names.has); err != nil {
		return a, err
	}
	if a.Further, err = parseCount(names.addressesMore, in.further); err != nil {
		return a, err
	}
	a.Delegation, err = parseDelegation(in.family, in.prefixes, in.more)
	return a, err
}

func parseAddresses(list []string, family func(netip.Addr) bool) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range list {
		addr, err := parseAddress(text, family)
		if err != nil {
			return nil, err
		}
		out = append(out, addr)
	}
	return out, nil
}

// assignPrivateIPAddresses is section 5.5 of docs/spec/ec2-api.md.
func (s *Service) assignPrivateIPAddresses(c *awsapi.Call, in *ec2types.AssignPrivateIpAddressesRequest) (func(context.Context) (*ec2types.AssignPrivateIpAddressesResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	a, err := assignment{flow.IPv4, in.PrivateIpAddresses, in.SecondaryPrivateIpAddressCount, in.Ipv4Prefixes, in.Ipv4PrefixCount}.parse()
	if err != nil {
		return nil, err
	}
	a.Reassign = deref(in.AllowReassignment)
	return func(ctx context.Context) (*ec2types.AssignPrivateIpAddressesResult, error) {
		assigned, err := s.control.AssignAddresses(ctx, c.Behalf(), *in.NetworkInterfaceId, a)
		if err != nil {
			return nil, err
		}
		return &ec2types.AssignPrivateIpAddressesResult{
			NetworkInterfaceId: in.NetworkInterfaceId,
			AssignedPrivateIpAddresses: each(assigned.Addresses, func(a netip.Addr) ec2types.AssignedPrivateIpAddress {
				return ec2types.AssignedPrivateIpAddress{PrivateIpAddress: new(a.String())}
			}),
			AssignedIpv4Prefixes: each(assigned.Prefixes, func(p netip.Prefix) ec2types.Ipv4PrefixSpecification {
				return ec2types.Ipv4PrefixSpecification{Ipv4Prefix: new(p.String())}
			}),
		}, nil
	}, nil
}

func (s *Service) assignIPv6Addresses(c *awsapi.Call, in *ec2types.AssignIpv6AddressesRequest) (func(context.Context) (*ec2types.AssignIpv6AddressesResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	a, err := assignment{flow.IPv6, in.Ipv6Addresses, in.Ipv6AddressCount, in.Ipv6Prefixes, in.Ipv6PrefixCount}.parse()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.AssignIpv6AddressesResult, error) {
		assigned, err := s.control.AssignAddresses(ctx, c.Behalf(), *in.NetworkInterfaceId, a)
		if err != nil {
			return nil, err
		}
		return &ec2types.AssignIpv6AddressesResult{
			NetworkInterfaceId: in.NetworkInterfaceId, AssignedIpv6Addresses: each(assigned.Addresses, netip.Addr.String),
			AssignedIpv6Prefixes: each(assigned.Prefixes, netip.Prefix.String),
		}, nil
	}, nil
}

func (s *Service) unassignPrivateIPAddresses(c *awsapi.Call, in *ec2types.UnassignPrivateIpAddressesRequest) (func(context.Context) (*ec2types.UnassignPrivateIpAddressesResult, error), error) {
	gone, err := parseUnassignment(flow.IPv4, in.NetworkInterfaceId, in.PrivateIpAddresses, in.Ipv4Prefixes)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.UnassignPrivateIpAddressesResult, error) {
		return result[ec2types.UnassignPrivateIpAddressesResult](
			s.control.UnassignAddresses(ctx, c.Behalf(), *in.NetworkInterfaceId, flow.IPv4, gone))
	}, nil
}

func (s *Service) unassignIPv6Addresses(c *awsapi.Call, in *ec2types.UnassignIpv6AddressesRequest) (func(context.Context) (*ec2types.UnassignIpv6AddressesResult, error), error) {
	gone, err := parseUnassignment(flow.IPv6, in.NetworkInterfaceId, in.Ipv6Addresses, in.Ipv6Prefixes)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.UnassignIpv6AddressesResult, error) {
		if err := s.control.UnassignAddresses(ctx, c.Behalf(), *in.NetworkInterfaceId, flow.IPv6, gone); err != nil {
			return nil, err
		}
		return &ec2types.UnassignIpv6AddressesResult{
			NetworkInterfaceId: in.NetworkInterfaceId, UnassignedIpv6Addresses: each(gone.Addresses, netip.Addr.String),
			UnassignedIpv6Prefixes: each(gone.Prefixes, netip.Prefix.String),
		}, nil
	}, nil
}

func parseUnassignment(f flow.Family, id *string, addresses, prefixes []string) (gone control.Assigned, err error) {
	if err := interfaceID(id); err != nil {
		return gone, err
	}
	if len(addresses)+len(prefixes) == 0 {
		return gone, missing(ipFamilies[f].addresses)
	}
	if gone.Addresses, err = parseAddresses(addresses, ipFamilies[f].has); err != nil {
		return gone, err
	}
	gone.Prefixes, err = parsePrefixes(f, prefixes)
	return gone, err
}
