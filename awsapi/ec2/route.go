// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// parseDestination returns the block that a route is for.
func parseDestination(v4, v6, list *string) (netip.Prefix, error) {
	switch {
	case list != nil:
		return netip.Prefix{}, errUnsupported
	case v4 != nil && v6 != nil:
		return netip.Prefix{}, secgroup.Errorf("InvalidParameterCombination",
			"The parameter destinationCidrBlock cannot be used with the parameter destinationIpv6CidrBlock")
	case v4 != nil:
		return destination("destinationCidrBlock", *v4, true)
	case v6 != nil:
		return destination("destinationIpv6CidrBlock", *v6, false)
	}
	return netip.Prefix{}, missing("destinationCidrBlock or destinationIpv6CidrBlock")
}

func destination(parameter, text string, v4 bool) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4() != v4 {
		return netip.Prefix{}, secgroup.Errorf("InvalidParameterValue",
			"Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, parameter)
	}
	return p.Masked(), nil
}

// routeTarget returns where a route leads: to a peering connection, an internet
// gateway or a NAT gateway. There is nothing else yet that a route could lead to.
func routeTarget(to netip.Prefix, peering, gateway, nat *string, others ...*string) (route secgroup.Route, err error) {
	for _, other := range others {
		if other != nil {
			return route, errUnsupported
		}
	}
	route.Destination = to
	switch {
	case peering != nil && gateway != nil:
		return route, secgroup.Errorf("InvalidParameterCombination", "The parameter gatewayId cannot be used with the parameter vpcPeeringConnectionId")
	case nat != nil && (peering != nil || gateway != nil):
		return route, secgroup.Errorf("InvalidParameterCombination", "The parameter natGatewayId cannot be used with the parameter gatewayId or vpcPeeringConnectionId")
	case nat != nil:
		route.NAT = *nat
		if !to.Addr().Is4() {
			return route, errUnsupported // NAT64
		}
		return route, natGatewayID(nat)
	case gateway != nil:
		if route.Gateway = *gateway; !strings.HasPrefix(*gateway, secgroup.InternetGatewayPrefix+"-") {
			return route, errUnsupported // a virtual private gateway, or local
		}
		return route, secgroup.CheckID(secgroup.InternetGatewayPrefix, *gateway, "InvalidGatewayId.Malformed")
	case peering != nil:
		route.Peering = *peering
		return route, checkPeeringID(*peering)
	}
	return route, missing("gatewayId, natGatewayId, vpcPeeringConnectionId or another target")
}

func (s *Service) createRoute(c *awsapi.Call, in *ec2types.CreateRouteRequest) (func(context.Context) (*ec2types.CreateRouteResult, error), error) {
	to, err := parseDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	route, err := routeTarget(to, in.VpcPeeringConnectionId, in.GatewayId, in.NatGatewayId, in.CarrierGatewayId, in.CoreNetworkArn, in.EgressOnlyInternetGatewayId,
		in.InstanceId, in.LocalGatewayId, in.NetworkInterfaceId, in.OdbNetworkArn, in.TransitGatewayId, in.VpcEndpointId)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateRouteResult, error) {
		err := s.control.CreateRoute(ctx, c.Behalf(), deref(in.RouteTableId), route)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateRouteResult{Return: new(true)}, nil
	}, nil
}

func (s *Service) replaceRoute(c *awsapi.Call, in *ec2types.ReplaceRouteRequest) (func(context.Context) (*ec2types.ReplaceRouteResult, error), error) {
	to, err := parseDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	if deref(in.LocalTarget) {
		return nil, errUnsupported // only routes that replaced a local one can go back to it
	}
	route, err := routeTarget(to, in.VpcPeeringConnectionId, in.GatewayId, in.NatGatewayId, in.CarrierGatewayId, in.CoreNetworkArn, in.EgressOnlyInternetGatewayId,
		in.InstanceId, in.LocalGatewayId, in.NetworkInterfaceId, in.OdbNetworkArn, in.TransitGatewayId, in.VpcEndpointId)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.ReplaceRouteResult, error) {
		return result[ec2types.ReplaceRouteResult](s.control.ReplaceRoute(ctx, c.Behalf(), deref(in.RouteTableId), route))
	}, nil
}

func (s *Service) deleteRoute(c *awsapi.Call, in *ec2types.DeleteRouteRequest) (func(context.Context) (*ec2types.DeleteRouteResult, error), error) {
	to, err := parseDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.DeleteRouteResult, error) {
		return result[ec2types.DeleteRouteResult](s.control.DeleteRoute(ctx, c.Behalf(), deref(in.RouteTableId), to))
	}, nil
}
