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

// parseAssignment reads the addresses that an interface is to get: a list or a
// count. The names are those of the two parameters.
func parseAssignment(list []string, more *int32, listName, countName string, family func(netip.Addr) bool) (a control.Assignment, err error) {
	switch {
	case len(list) > 0 && more != nil:
		return a, secgroup.Errorf("InvalidParameterCombination", "The parameter %s cannot be used with the parameter %s", countName, listName)
	case len(list) == 0 && more == nil:
		return a, secgroup.Errorf("MissingParameter", "Either '%s' or '%s' should be provided.", listName, countName)
	}
	if a.Addresses, err = parseAddresses(list, family); err != nil {
		return a, err
	}
	a.More, err = parseCount(countName, more)
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
	if delegated(in.Ipv4Prefixes, in.Ipv4PrefixCount) {
		return nil, errUnsupported
	}
	a, err := parseAssignment(in.PrivateIpAddresses, in.SecondaryPrivateIpAddressCount,
		"privateIpAddresses", "secondaryPrivateIpAddressCount", netip.Addr.Is4)
	if err != nil {
		return nil, err
	}
	a.Reassign = deref(in.AllowReassignment)
	return func(ctx context.Context) (*ec2types.AssignPrivateIpAddressesResult, error) {
		assigned, err := s.control.AssignAddresses(ctx, callerOf(c), *in.NetworkInterfaceId, a)
		if err != nil {
			return nil, err
		}
		return &ec2types.AssignPrivateIpAddressesResult{
			NetworkInterfaceId: in.NetworkInterfaceId,
			AssignedPrivateIpAddresses: each(assigned, func(a netip.Addr) ec2types.AssignedPrivateIpAddress {
				return ec2types.AssignedPrivateIpAddress{PrivateIpAddress: new(a.String())}
			}),
		}, nil
	}, nil
}

func (s *Service) assignIPv6Addresses(c *awsapi.Call, in *ec2types.AssignIpv6AddressesRequest) (func(context.Context) (*ec2types.AssignIpv6AddressesResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	if delegated(in.Ipv6Prefixes, in.Ipv6PrefixCount) {
		return nil, errUnsupported
	}
	a, err := parseAssignment(in.Ipv6Addresses, in.Ipv6AddressCount, "ipv6Addresses", "ipv6AddressCount", plainIPv6)
	if err != nil {
		return nil, err
	}
	a.Family = flow.IPv6
	return func(ctx context.Context) (*ec2types.AssignIpv6AddressesResult, error) {
		assigned, err := s.control.AssignAddresses(ctx, callerOf(c), *in.NetworkInterfaceId, a)
		if err != nil {
			return nil, err
		}
		return &ec2types.AssignIpv6AddressesResult{
			NetworkInterfaceId: in.NetworkInterfaceId, AssignedIpv6Addresses: each(assigned, netip.Addr.String),
		}, nil
	}, nil
}

func (s *Service) unassignPrivateIPAddresses(c *awsapi.Call, in *ec2types.UnassignPrivateIpAddressesRequest) (func(context.Context) (*ec2types.UnassignPrivateIpAddressesResult, error), error) {
	addresses, err := parseUnassignment(in.NetworkInterfaceId, in.PrivateIpAddresses, in.Ipv4Prefixes, "privateIpAddresses", netip.Addr.Is4)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.UnassignPrivateIpAddressesResult, error) {
		return result[ec2types.UnassignPrivateIpAddressesResult](
			s.control.UnassignAddresses(ctx, callerOf(c), *in.NetworkInterfaceId, flow.IPv4, addresses))
	}, nil
}

func (s *Service) unassignIPv6Addresses(c *awsapi.Call, in *ec2types.UnassignIpv6AddressesRequest) (func(context.Context) (*ec2types.UnassignIpv6AddressesResult, error), error) {
	addresses, err := parseUnassignment(in.NetworkInterfaceId, in.Ipv6Addresses, in.Ipv6Prefixes, "ipv6Addresses", plainIPv6)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.UnassignIpv6AddressesResult, error) {
		if err := s.control.UnassignAddresses(ctx, callerOf(c), *in.NetworkInterfaceId, flow.IPv6, addresses); err != nil {
			return nil, err
		}
		return &ec2types.UnassignIpv6AddressesResult{
			NetworkInterfaceId: in.NetworkInterfaceId, UnassignedIpv6Addresses: each(addresses, netip.Addr.String),
		}, nil
	}, nil
}

func parseUnassignment(id *string, list, prefixes []string, listName string, family func(netip.Addr) bool) ([]netip.Addr, error) {
	if err := interfaceID(id); err != nil {
		return nil, err
	}
	if len(prefixes) > 0 { // no interface has one
		return nil, errUnsupported
	}
	if len(list) == 0 {
		return nil, missing(listName)
	}
	return parseAddresses(list, family)
}
