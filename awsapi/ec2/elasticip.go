// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// elasticIPOperations are those on public addresses that an account holds
// (docs/spec/ec2-api.md section 4.6).
func (s *Service) elasticIPOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "AllocateAddress", s.allocateAddress),
		awsapi.RegionalOp(s.control, "ReleaseAddress", s.releaseAddress),
		awsapi.RegionalOp(s.control, "AssociateAddress", s.associateAddress),
		awsapi.RegionalOp(s.control, "DisassociateAddress", s.disassociateAddress),
		awsapi.RegionalOp(s.control, "DescribeAddresses", s.describeAddresses),
		awsapi.RegionalOp(s.control, "DescribeAddressesAttribute", s.describeAddressesAttribute),
	}
}

// What every public address shows.
const (
	addressDomain = "vpc"
	addressPool   = "amazon"
)

// addressRef reads how a request names an address. Naming it by both is refused,
// as is naming none.
func addressRef(allocation, address *string) (ref control.AddressRef, err error) {
	switch {
	case deref(allocation) != "" && deref(address) != "":
		return ref, secgroup.Errorf("InvalidParameterCombination", "You may specify public IP or allocation id, but not both in the same call")
	case deref(allocation) != "":
		ref.Allocation = *allocation
		return ref, secgroup.CheckID(secgroup.ElasticIPPrefix, ref.Allocation, "InvalidAllocationId.Malformed")
	case deref(address) == "":
		return ref, secgroup.Errorf("MissingParameter", "Either public IP or allocation id must be specified")
	}
	ref.Address, err = publicIP(*address)
	return ref, err
}

func publicIP(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return netip.Addr{}, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter publicIp is invalid. Invalid IPv4 address.", text)
	}
	return a, nil
}

// checkBorderGroup admits the one group of zones that addresses are announced
// from: the Region.
func checkBorderGroup(c *awsapi.Call, group *string) error {
	if deref(group) != "" && *group != c.Region {
		return errUnsupported
	}
	return nil
}

func (s *Service) allocateAddress(c *awsapi.Call, in *ec2types.AllocateAddressRequest) (func(context.Context) (*ec2types.AllocateAddressResult, error), error) {
	if in.CustomerOwnedIpv4Pool != nil || in.IpamPoolId != nil || deref(in.PublicIpv4Pool) != "" && *in.PublicIpv4Pool != addressPool || deref(in.Domain) == "standard" {
		return nil, errUnsupported
	}
	if err := checkEnumeration("domain", deref(in.Domain), "DomainType"); err != nil {
		return nil, err
	}
	if err := checkBorderGroup(c, in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	var wanted netip.Addr
	if deref(in.Address) != "" {
		var err error
		if wanted, err = publicIP(*in.Address); err != nil {
			return nil, err
		}
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.ElasticIPType)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.AllocateAddressResult, error) {
		e, err := s.control.AllocateAddress(ctx, c.Behalf(), wanted, tags[control.ElasticIPType])
		if err != nil {
			return nil, err
		}
		return &ec2types.AllocateAddressResult{
			AllocationId: &e.ID, PublicIp: new(e.Address.String()), PublicIpv4Pool: new(addressPool), Domain: new(addressDomain), NetworkBorderGroup: &e.Region,
		}, nil
	}, nil
}

func (s *Service) releaseAddress(c *awsapi.Call, in *ec2types.ReleaseAddressRequest) (func(context.Context) (*ec2types.ReleaseAddressResult, error), error) {
	ref, err := addressRef(in.AllocationId, in.PublicIp)
	if err != nil {
		return nil, err
	}
	if err := checkBorderGroup(c, in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.ReleaseAddressResult, error) {
		return result[ec2types.ReleaseAddressResult](s.control.ReleaseAddress(ctx, c.Behalf(), ref))
	}, nil
}

// associateAddress moves an address without asking unless AllowReassociation is
// given as false (section 4.6).
func (s *Service) associateAddress(c *awsapi.Call, in *ec2types.AssociateAddressRequest) (func(context.Context) (*ec2types.AssociateAddressResult, error), error) {
	ref, err := addressRef(in.AllocationId, in.PublicIp)
	if err != nil {
		return nil, err
	}
	to := control.AddressTarget{
		Interface: deref(in.NetworkInterfaceId), Instance: deref(in.InstanceId), Keep: in.AllowReassociation != nil && !*in.AllowReassociation,
	}
	switch {
	case to.Interface != "" && to.Instance != "":
		return nil, secgroup.Errorf("InvalidParameterCombination", "You may specify instance id or network interface id, but not both in the same call")
	case to.Interface != "":
		err = interfaceID(in.NetworkInterfaceId)
	case to.Instance != "":
		err = instanceIDs([]string{to.Instance})
	default:
		err = secgroup.Errorf("MissingParameter", "Either instance id or network interface id must be specified")
	}
	if err != nil {
		return nil, err
	}
	if deref(in.PrivateIpAddress) != "" {
		if to.Private, err = parseAddress(*in.PrivateIpAddress, netip.Addr.Is4); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (*ec2types.AssociateAddressResult, error) {
		id, err := s.control.AssociateAddress(ctx, c.Behalf(), ref, to)
		if err != nil {
			return nil, err
		}
		return &ec2types.AssociateAddressResult{AssociationId: &id}, nil
	}, nil
}

func (s *Service) disassociateAddress(c *awsapi.Call, in *ec2types.DisassociateAddressRequest) (func(context.Context) (*ec2types.DisassociateAddressResult, error), error) {
	association := deref(in.AssociationId)
	var address netip.Addr
	switch {
	case association != "" && deref(in.PublicIp) != "":
		return nil, secgroup.Errorf("InvalidParameterCombination", "You may specify public IP or association id, but not both in the same call")
	case association == "" && deref(in.PublicIp) == "":
		return nil, secgroup.Errorf("MissingParameter", "Either public IP or association id must be specified")
	case association == "":
		var err error
		if address, err = publicIP(*in.PublicIp); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (*ec2types.DisassociateAddressResult, error) {
		return result[ec2types.DisassociateAddressResult](s.control.DisassociateAddress(ctx, c.Behalf(), association, address))
	}, nil
}
