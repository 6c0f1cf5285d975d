// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// natGatewayOperations are those on NAT gateways (docs/spec/ec2-api.md section 4.8).
func (s *Service) natGatewayOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateNatGateway", s.createNatGateway),
		awsapi.RegionalOp(s.control, "DeleteNatGateway", s.deleteNatGateway),
		awsapi.RegionalOp(s.control, "DescribeNatGateways", s.describeNatGateways),
	}
}

// What every NAT gateway here is.
const (
	natConnectivity = "public"
	natAvailability = "zonal"
)

// natStatuses says how the address of a gateway fares, by the gateway's state.
var natStatuses = map[secgroup.NATState]string{
	secgroup.NATPending: "associating", secgroup.NATAvailable: "succeeded", secgroup.NATFailed: "failed",
	secgroup.NATDeleting: "disassociating", secgroup.NATDeleted: "succeeded",
}

func showNATGateway(snap *model.Snapshot, g *secgroup.NATGateway) ec2types.NatGateway {
	at := ec2types.NatGatewayAddress{
		AllocationId: &g.Allocation, NetworkInterfaceId: optional(g.Interface), PublicIp: new(g.Public.String()),
		IsPrimary: new(true), Status: new(natStatuses[g.State]), FailureMessage: optional(g.Failure),
	}
	if g.Private.IsValid() {
		at.PrivateIp = new(g.Private.String())
	}
	if e := snap.ElasticIPs.Get(g.Allocation); e != nil && g.Interface != "" && e.Interface == g.Interface {
		at.AssociationId = optional(e.Association)
	}
	out := ec2types.NatGateway{
		NatGatewayId: &g.ID, VpcId: &g.VPC, SubnetId: &g.Subnet, State: new(string(g.State)), CreateTime: &g.Created,
		ConnectivityType: new(natConnectivity), AvailabilityMode: new(natAvailability), Tags: tagSetOrEmpty(g.Tags),
		FailureCode: optional(g.Code), FailureMessage: optional(g.Failure), NatGatewayAddresses: []ec2types.NatGatewayAddress{at},
	}
	if !g.Ended.IsZero() {
		out.DeleteTime = &g.Ended
	}
	return out
}

func natGatewayID(id *string) error {
	if deref(id) == "" {
		return missing("natGatewayId")
	}
	return secgroup.CheckID(secgroup.NATGatewayPrefix, *id, "NatGatewayMalformed")
}

func (s *Service) createNatGateway(c *awsapi.Call, in *ec2types.CreateNatGatewayRequest) (func(context.Context) (*ec2types.CreateNatGatewayResult, error), error) {
	switch {
	case in.ConnectivityType != nil && *in.ConnectivityType != natConnectivity, in.AvailabilityMode != nil && *in.AvailabilityMode != natAvailability,
		in.VpcId != nil, len(in.AvailabilityZoneAddresses)+len(in.SecondaryAllocationIds)+len(in.SecondaryPrivateIpAddresses) > 0,
		in.SecondaryPrivateIpAddressCount != nil:
		return nil, errUnsupported // private and regional gateways, and more than one address
	case deref(in.SubnetId) == "":
		return nil, missing("SubnetId")
	case deref(in.AllocationId) == "":
		return nil, missing("AllocationId")
	}
	spec := control.NATGatewaySpec{Subnet: *in.SubnetId, Allocation: *in.AllocationId}
	if in.PrivateIpAddress != nil {
		a, err := netip.ParseAddr(*in.PrivateIpAddress)
		if err != nil || !a.Is4() {
			return nil, secgroup.Errorf("InvalidParameterValue", "invalid value for parameter address: %s", *in.PrivateIpAddress)
		}
		spec.Private = a
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.NATGatewayType)
	if err != nil {
		return nil, err
	}
	spec.Tags = tags[control.NATGatewayType]
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateNatGatewayResult, error) {
		g, err := s.control.CreateNATGateway(ctx, c.Behalf(), spec, token)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateNatGatewayResult{NatGateway: new(showNATGateway(s.control.Read(), g)), ClientToken: in.ClientToken}, nil
	}, nil
}

func (s *Service) deleteNatGateway(c *awsapi.Call, in *ec2types.DeleteNatGatewayRequest) (func(context.Context) (*ec2types.DeleteNatGatewayResult, error), error) {
	return func(ctx context.Context) (*ec2types.DeleteNatGatewayResult, error) {
		if err := s.control.DeleteNATGateway(ctx, c.Behalf(), *in.NatGatewayId); err != nil {
			return nil, err
		}
		return &ec2types.DeleteNatGatewayResult{NatGatewayId: in.NatGatewayId}, nil
	}, natGatewayID(in.NatGatewayId)
}

var (
	natGatewayPaging = paging{
		operation: "DescribeNatGateways", min: 5, max: 1000,
		withIDs: "The parameter NatGatewayIds cannot be used with the parameter MaxResults",
	}

	natGatewayFilters = filters[secgroup.NATGateway]{
		names: map[string]func(*secgroup.NATGateway) []string{
			"nat-gateway-id": one(func(g *secgroup.NATGateway) string { return g.ID }),
			"state":          one(func(g *secgroup.NATGateway) string { return string(g.State) }),
			"subnet-id":      one(func(g *secgroup.NATGateway) string { return g.Subnet }),
			"vpc-id":         one(func(g *secgroup.NATGateway) string { return g.VPC }),
		},
		tags: func(g *secgroup.NATGateway) secgroup.Tags { return g.Tags },
	}
)

func (s *Service) describeNatGateways(c *awsapi.Call, in *ec2types.DescribeNatGatewaysRequest) (func(context.Context) (*ec2types.DescribeNatGatewaysResult, error), error) {
	for _, id := range in.NatGatewayIds {
		if err := natGatewayID(&id); err != nil {
			return nil, err
		}
	}
	cursor, err := natGatewayPaging.cursor(c.Scope(), in, len(in.NatGatewayIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := natGatewayFilters.compile(in.Filter)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeNatGatewaysResult, error) {
		snap := s.control.Read()
		rows, err := control.NATGateways(snap, c.Scope(), in.NatGatewayIds...)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeNatGatewaysResult{}
		out.NatGateways, out.NextToken = list(cursor, rows, match, func(g *secgroup.NATGateway) string { return sortKey(g.Created, g.ID) },
			func(g *secgroup.NATGateway) ec2types.NatGateway { return showNATGateway(snap, g) })
		return out, nil
	}, nil
}
