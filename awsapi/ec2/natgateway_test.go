// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func TestNATGatewayOperations(t *testing.T) { // section 4.8
	r := newRig(t, control.Config{})
	ctx := t.Context()
	subnet := must(r.DescribeSubnets(ctx, &sdk.DescribeSubnetsInput{Filters: []sdktypes.Filter{where("default-for-az", "true")}}))(t).Subnets[0]
	address := must(r.AllocateAddress(ctx, &sdk.AllocateAddressInput{}))(t)
	asked := sdk.CreateNatGatewayInput{
		SubnetId: subnet.SubnetId, AllocationId: address.AllocationId, ClientToken: new("once"),
		TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "natgateway", Tags: []sdktypes.Tag{{Key: new("Name"), Value: new("out")}}}},
	}
	made := must(r.CreateNatGateway(ctx, &asked))(t).NatGateway
	if again := must(r.CreateNatGateway(ctx, &asked))(t).NatGateway; *again.NatGatewayId != *made.NatGatewayId {
		t.Errorf("the same token made %s and %s", *made.NatGatewayId, *again.NatGatewayId)
	}
	at := made.NatGatewayAddresses[0]
	if made.State != "pending" || *made.VpcId != *subnet.VpcId || *made.SubnetId != *subnet.SubnetId || made.ConnectivityType != "public" ||
		made.DeleteTime != nil || *made.Tags[0].Value != "out" || *at.PublicIp != *address.PublicIp || *at.AllocationId != *address.AllocationId || !*at.IsPrimary {
		t.Errorf("made %+v", made)
	}
	eni := must(r.DescribeNetworkInterfaces(ctx, &sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*at.NetworkInterfaceId}}))(t).NetworkInterfaces[0]
	if !*eni.RequesterManaged || eni.InterfaceType != "nat_gateway" || *eni.SourceDestCheck || len(eni.Groups) != 0 || *eni.PrivateIpAddress != *at.PrivateIp ||
		*eni.Description != "Interface for NAT Gateway "+*made.NatGatewayId || *eni.Association.PublicIp != *address.PublicIp {
		t.Errorf("its interface is %+v", eni)
	}
	table := must(r.CreateRouteTable(ctx, &sdk.CreateRouteTableInput{VpcId: subnet.VpcId}))(t).RouteTable.RouteTableId
	must(r.CreateRoute(ctx, &sdk.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: made.NatGatewayId}))(t)
	route := func() sdktypes.Route {
		t.Helper()
		got := must(r.DescribeRouteTables(ctx, &sdk.DescribeRouteTablesInput{Filters: []sdktypes.Filter{where("route.nat-gateway-id", *made.NatGatewayId)}}))(t)
		return got.RouteTables[0].Routes[1]
	}
	if got := route(); *got.NatGatewayId != *made.NatGatewayId || got.State != "active" {
		t.Errorf("the route is %+v", got)
	}
	if got := must(r.DeleteNatGateway(ctx, &sdk.DeleteNatGatewayInput{NatGatewayId: made.NatGatewayId}))(t); *got.NatGatewayId != *made.NatGatewayId {
		t.Errorf("deleted %s", *got.NatGatewayId)
	}
	if got := route(); got.State != "blackhole" {
		t.Errorf("the route to a deleted gateway is %s", got.State)
	}
	for name, value := range map[string]string{
		"nat-gateway-id": *made.NatGatewayId, "state": "deleting", "subnet-id": *subnet.SubnetId, "vpc-id": *subnet.VpcId, "tag:Name": "out",
	} {
		if got := must(r.DescribeNatGateways(ctx, &sdk.DescribeNatGatewaysInput{Filter: []sdktypes.Filter{where(name, value)}}))(t).NatGateways; len(got) != 1 {
			t.Errorf("%d gateways have %s %s", len(got), name, value)
		}
	}
	if got := must(r.DescribeNatGateways(ctx, &sdk.DescribeNatGatewaysInput{Filter: []sdktypes.Filter{where("state", "available")}}))(t).NatGateways; len(got) != 0 {
		t.Errorf("available are %+v", got)
	}
}

func TestNATGatewaySyntax(t *testing.T) { // API-NatGatewayMalformed, API-NatGatewayNotFound, section 4.8
	r := newRig(t, control.Config{})
	ctx := t.Context()
	for _, c := range []struct {
		in   sdk.CreateNatGatewayInput
		want string
	}{
		{sdk.CreateNatGatewayInput{}, "MissingParameter: The request must contain the parameter SubnetId"},
		{sdk.CreateNatGatewayInput{SubnetId: new("subnet-00000000")}, "MissingParameter: The request must contain the parameter AllocationId"},
		{sdk.CreateNatGatewayInput{ConnectivityType: "private", SubnetId: new("subnet-00000000")}, errUnsupported.Error()},
		{sdk.CreateNatGatewayInput{SecondaryAllocationIds: []string{"eipalloc-00000000"}}, errUnsupported.Error()},
		{sdk.CreateNatGatewayInput{SubnetId: new("subnet-00000000"), AllocationId: new("eipalloc-00000000")}, "InvalidSubnetID.NotFound: The subnet ID 'subnet-00000000' does not exist"},
	} {
		_, err := r.CreateNatGateway(ctx, &c.in)
		refused(t, err, c.want)
	}
	for id, want := range map[string]string{
		"":             "MissingParameter: The request must contain the parameter natGatewayId",
		"nat-x":        `NatGatewayMalformed: Invalid id: "nat-x" (expecting "nat-...")`,
		"nat-00000000": "NatGatewayNotFound: The NatGateway ID 'nat-00000000' does not exist",
	} {
		_, err := r.DeleteNatGateway(ctx, &sdk.DeleteNatGatewayInput{NatGatewayId: &id})
		refused(t, err, want)
	}
	_, err := r.DescribeNatGateways(ctx, &sdk.DescribeNatGatewaysInput{NatGatewayIds: []string{"nat-00000000"}})
	refused(t, err, "NatGatewayNotFound: The NatGateway ID 'nat-00000000' does not exist")
	table := new("rtb-00000000")
	_, err = r.CreateRoute(ctx, &sdk.CreateRouteInput{RouteTableId: table, DestinationIpv6CidrBlock: new("::/0"), NatGatewayId: new("nat-00000000")})
	refused(t, err, errUnsupported.Error())
	_, err = r.CreateRoute(ctx, &sdk.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("8.8.0.0/16"), NatGatewayId: new("nat-00000000"), GatewayId: new("igw-00000000")})
	refused(t, err, "InvalidParameterCombination: The parameter natGatewayId cannot be used with the parameter gatewayId or vpcPeeringConnectionId")
}
