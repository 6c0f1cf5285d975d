// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func TestInternetGatewayOperations(t *testing.T) { // section 4.5
	r := newRig(t, control.Config{})
	vpc := vpcAt(t, r, "10.1.0.0/16")
	tags := []sdktypes.TagSpecification{{ResourceType: "internet-gateway", Tags: []sdktypes.Tag{{Key: new("Name"), Value: new("out")}}}}
	g := must(r.CreateInternetGateway(t.Context(), &sdk.CreateInternetGatewayInput{TagSpecifications: tags}))(t).InternetGateway
	if *g.OwnerId != r.key.Account || len(g.Attachments) != 0 || *g.Tags[0].Value != "out" {
		t.Errorf("made %+v", g)
	}
	must(r.AttachInternetGateway(t.Context(), &sdk.AttachInternetGatewayInput{InternetGatewayId: g.InternetGatewayId, VpcId: &vpc}))(t)
	found := func(filters ...sdktypes.Filter) []sdktypes.InternetGateway {
		return must(r.DescribeInternetGateways(t.Context(), &sdk.DescribeInternetGatewaysInput{Filters: filters}))(t).InternetGateways
	}
	if got := found(where("attachment.vpc-id", vpc), where("tag:Name", "out")); len(got) != 1 || string(got[0].Attachments[0].State) != "available" {
		t.Errorf("found %+v", got)
	}
	if got := found(where("attachment.state", "available")); len(got) != 2 { // with the default VPC's
		t.Errorf("%d gateways are attached", len(got))
	}
	table := must(r.CreateRouteTable(t.Context(), &sdk.CreateRouteTableInput{VpcId: &vpc}))(t).RouteTable.RouteTableId
	must(r.CreateRoute(t.Context(), &sdk.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: g.InternetGatewayId}))(t)
	state := func() string {
		got := must(r.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{Filters: []sdktypes.Filter{where("route.gateway-id", *g.InternetGatewayId)}}))(t)
		return string(got.RouteTables[0].Routes[1].State)
	}
	if got := state(); got != "active" {
		t.Errorf("the route is %s", got)
	}
	must(r.DetachInternetGateway(t.Context(), &sdk.DetachInternetGatewayInput{InternetGatewayId: g.InternetGatewayId, VpcId: &vpc}))(t)
	if got := state(); got != "blackhole" {
		t.Errorf("the route to a detached gateway is %s", got)
	}
	for in, want := range map[string]string{
		"":             "MissingParameter: The request must contain the parameter internetGatewayId",
		"igw-x":        `InvalidInternetGatewayId.Malformed: Invalid id: "igw-x" (expecting "igw-...")`,
		"igw-00000000": "InvalidInternetGatewayID.NotFound: The internetGateway ID 'igw-00000000' does not exist",
	} {
		_, err := r.DeleteInternetGateway(t.Context(), &sdk.DeleteInternetGatewayInput{InternetGatewayId: &in})
		refused(t, err, want)
	}
	for _, c := range []struct {
		target sdk.CreateRouteInput
		want   string
	}{
		{sdk.CreateRouteInput{GatewayId: new("vgw-00000000")}, errUnsupported.Error()},
		{sdk.CreateRouteInput{GatewayId: new("local")}, errUnsupported.Error()},
		{sdk.CreateRouteInput{GatewayId: new("igw-x")}, `InvalidGatewayId.Malformed: Invalid id: "igw-x" (expecting "igw-...")`},
		{sdk.CreateRouteInput{EgressOnlyInternetGatewayId: new("eigw-00000000")}, errUnsupported.Error()},
		{sdk.CreateRouteInput{}, "MissingParameter: The request must contain the parameter gatewayId, natGatewayId, vpcPeeringConnectionId or another target"},
	} {
		c.target.RouteTableId, c.target.DestinationCidrBlock = table, new("8.8.0.0/16")
		_, err := r.CreateRoute(t.Context(), &c.target)
		refused(t, err, c.want)
	}
	must(r.DeleteInternetGateway(t.Context(), &sdk.DeleteInternetGatewayInput{InternetGatewayId: g.InternetGatewayId}))(t)
}

func TestElasticIPOperations(t *testing.T) { // section 4.6
	r := newRig(t, control.Config{Images: []control.Image{{ID: "ami-netns"}}})
	in := must(r.RunInstances(t.Context(), &sdk.RunInstancesInput{ImageId: new("ami-netns"), MinCount: new(int32(1)), MaxCount: new(int32(1))}))(t).Instances[0]
	shown := func(filters ...sdktypes.Filter) *sdktypes.Instance {
		got := must(r.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{Filters: filters}))(t).Reservations
		if len(got) != 1 {
			t.Fatalf("%d reservations by %v", len(got), filters)
		}
		return &got[0].Instances[0]
	}
	if in.PublicIpAddress == nil || *shown().PublicIpAddress != *in.PublicIpAddress { // the default subnet maps one
		t.Fatalf("public address %v", in.PublicIpAddress)
	}
	name := "ec2-" + strings.ReplaceAll(*in.PublicIpAddress, ".", "-") + ".compute-1.amazonaws.com"
	if got := shown(where("ip-address", *in.PublicIpAddress), where("dns-name", name)); *got.PublicDnsName != name ||
		*got.NetworkInterfaces[0].Association.IpOwnerId != "amazon" {
		t.Errorf("shown %+v", got)
	}
	eni := in.NetworkInterfaces[0].NetworkInterfaceId

	made := must(r.AllocateAddress(t.Context(), &sdk.AllocateAddressInput{Domain: "vpc", TagSpecifications: []sdktypes.TagSpecification{
		{ResourceType: "elastic-ip", Tags: []sdktypes.Tag{{Key: new("Name"), Value: new("web")}}},
	}}))(t)
	if made.Domain != "vpc" || *made.PublicIpv4Pool != "amazon" || *made.NetworkBorderGroup != "us-east-1" {
		t.Errorf("made %+v", made)
	}
	tie := must(r.AssociateAddress(t.Context(), &sdk.AssociateAddressInput{AllocationId: made.AllocationId, InstanceId: in.InstanceId}))(t).AssociationId
	if got := *shown().PublicIpAddress; got != *made.PublicIp {
		t.Errorf("the instance shows %s, want %s", got, *made.PublicIp)
	}
	found := must(r.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{Filters: []sdktypes.Filter{where("association.association-id", *tie)}}))(t).NetworkInterfaces
	if len(found) != 1 || *found[0].NetworkInterfaceId != *eni || *found[0].Association.AllocationId != *made.AllocationId ||
		*found[0].Association.IpOwnerId != r.key.Account || *found[0].PrivateIpAddresses[0].Association.PublicIp != *made.PublicIp {
		t.Errorf("found %+v", found)
	}
	address := must(r.DescribeAddresses(t.Context(), &sdk.DescribeAddressesInput{Filters: []sdktypes.Filter{where("instance-id", *in.InstanceId), where("tag:Name", "web")}}))(t).Addresses
	if len(address) != 1 || *address[0].AssociationId != *tie || *address[0].NetworkInterfaceId != *eni || *address[0].PrivateIpAddress != *in.PrivateIpAddress {
		t.Errorf("addresses %+v", address)
	}
	attribute := must(r.DescribeAddressesAttribute(t.Context(), &sdk.DescribeAddressesAttributeInput{Attribute: "domain-name", AllocationIds: []string{*made.AllocationId}}))(t).Addresses
	if len(attribute) != 1 || *attribute[0].PublicIp != *made.PublicIp || attribute[0].PtrRecord != nil {
		t.Errorf("attributes %+v", attribute)
	}
	must(r.ModifyVpcAttribute(t.Context(), &sdk.ModifyVpcAttributeInput{VpcId: in.VpcId, EnableDnsHostnames: &sdktypes.AttributeBooleanValue{Value: new(false)}}))(t)
	if got := *shown().PublicDnsName; got != "" {
		t.Errorf("in a VPC without host names it is called %s", got)
	}
	must(r.DisassociateAddress(t.Context(), &sdk.DisassociateAddressInput{AssociationId: tie}))(t)
	must(r.ReleaseAddress(t.Context(), &sdk.ReleaseAddressInput{AllocationId: made.AllocationId}))(t)
}

func TestElasticIPSyntax(t *testing.T) { // section 4.6
	r := newRig(t, control.Config{})
	_, err := r.ReleaseAddress(t.Context(), &sdk.ReleaseAddressInput{})
	refused(t, err, "MissingParameter: Either public IP or allocation id must be specified")
	_, err = r.ReleaseAddress(t.Context(), &sdk.ReleaseAddressInput{AllocationId: new("eipalloc-00000000"), PublicIp: new("198.18.0.9")})
	refused(t, err, "InvalidParameterCombination: You may specify public IP or allocation id, but not both in the same call")
	_, err = r.ReleaseAddress(t.Context(), &sdk.ReleaseAddressInput{AllocationId: new("eipalloc-x")})
	refused(t, err, `InvalidAllocationId.Malformed: Invalid id: "eipalloc-x" (expecting "eipalloc-...")`)
	_, err = r.ReleaseAddress(t.Context(), &sdk.ReleaseAddressInput{PublicIp: new("fd00::1")})
	refused(t, err, "InvalidParameterValue: Value (fd00::1) for parameter publicIp is invalid. Invalid IPv4 address.")
	_, err = r.AllocateAddress(t.Context(), &sdk.AllocateAddressInput{Domain: "standard"})
	refused(t, err, errUnsupported.Error())
	_, err = r.AllocateAddress(t.Context(), &sdk.AllocateAddressInput{NetworkBorderGroup: new("us-east-1-wl1")})
	refused(t, err, errUnsupported.Error())
	_, err = r.AssociateAddress(t.Context(), &sdk.AssociateAddressInput{PublicIp: new("198.18.0.9")})
	refused(t, err, "MissingParameter: Either instance id or network interface id must be specified")
	_, err = r.AssociateAddress(t.Context(), &sdk.AssociateAddressInput{PublicIp: new("198.18.0.9"), InstanceId: new("i-00000000"), NetworkInterfaceId: new("eni-00000000")})
	refused(t, err, "InvalidParameterCombination: You may specify instance id or network interface id, but not both in the same call")
	_, err = r.AssociateAddress(t.Context(), &sdk.AssociateAddressInput{PublicIp: new("198.18.0.9"), InstanceId: new("i-00000000")})
	refused(t, err, "InvalidAddress.NotFound: Address '198.18.0.9' not found.")
	_, err = r.DisassociateAddress(t.Context(), &sdk.DisassociateAddressInput{})
	refused(t, err, "MissingParameter: Either public IP or association id must be specified")
	_, err = r.DescribeAddresses(t.Context(), &sdk.DescribeAddressesInput{PublicIps: []string{"198.18.0.9"}})
	refused(t, err, "InvalidAddress.NotFound: Address '198.18.0.9' not found.")
}

func TestPrefixesAreShown(t *testing.T) { // section 5.5
	r := newRig(t, control.Config{})
	vpc := vpcAt(t, r, "10.1.0.0/16")
	n := must(r.CreateSubnet(t.Context(), &sdk.CreateSubnetInput{VpcId: &vpc, CidrBlock: new("10.1.1.0/24")}))(t).Subnet.SubnetId
	made := must(r.CreateNetworkInterface(t.Context(), &sdk.CreateNetworkInterfaceInput{
		SubnetId: n, Ipv4Prefixes: []sdktypes.Ipv4PrefixSpecificationRequest{{Ipv4Prefix: new("10.1.1.64/28")}},
	}))(t).NetworkInterface
	if len(made.Ipv4Prefixes) != 1 || *made.Ipv4Prefixes[0].Ipv4Prefix != "10.1.1.64/28" {
		t.Errorf("made %+v", made)
	}
	more := must(r.AssignPrivateIpAddresses(t.Context(), &sdk.AssignPrivateIpAddressesInput{NetworkInterfaceId: made.NetworkInterfaceId, Ipv4PrefixCount: new(int32(1))}))(t).AssignedIpv4Prefixes
	if len(more) != 1 {
		t.Fatalf("assigned %+v", more)
	}
	must(r.UnassignPrivateIpAddresses(t.Context(), &sdk.UnassignPrivateIpAddressesInput{NetworkInterfaceId: made.NetworkInterfaceId, Ipv4Prefixes: []string{"10.1.1.64/28"}}))(t)
	found := must(r.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{Filters: []sdktypes.Filter{where("ipv4-prefixes.ipv4-prefix", *more[0].Ipv4Prefix)}}))(t).NetworkInterfaces
	if len(found) != 1 || len(found[0].Ipv4Prefixes) != 1 {
		t.Errorf("found %+v", found)
	}
}
