// SPDX-License-Identifier: Apache-2.0

package ec2

import "github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"

// exactRequests returns requests that name resources of somebody else, for
// operations whose generated ones are refused for their form: exclusive
// parameters, or values that are no plain texts.
func exactRequests(ids map[string][]string) map[string][]any {
	first := func(prefix string) *string {
		if len(ids[prefix]) == 0 {
			return new(prefix + "-00000000000000000")
		}
		return &ids[prefix][0]
	}
	block, eni := new("10.9.0.0/16"), first("eni")
	change := ec2types.SecurityGroupRuleRequest{IpProtocol: new("-1"), CidrIpv4: block}
	return map[string][]any{
		"AssociateAddress": {
			&ec2types.AssociateAddressRequest{AllocationId: first("eipalloc"), NetworkInterfaceId: eni},
			&ec2types.AssociateAddressRequest{AllocationId: first("eipalloc"), InstanceId: first("i")},
		},
		"AssociateSubnetCidrBlock":    {&ec2types.AssociateSubnetCidrBlockRequest{SubnetId: first("subnet"), Ipv6CidrBlock: new("2001:db8::/64")}},
		"AttachInternetGateway":       {&ec2types.AttachInternetGatewayRequest{InternetGatewayId: first("igw"), VpcId: first("vpc")}},
		"DetachInternetGateway":       {&ec2types.DetachInternetGatewayRequest{InternetGatewayId: first("igw"), VpcId: first("vpc")}},
		"DeleteInternetGateway":       {&ec2types.DeleteInternetGatewayRequest{InternetGatewayId: first("igw")}},
		"ReleaseAddress":              {&ec2types.ReleaseAddressRequest{AllocationId: first("eipalloc")}},
		"CreateLaunchTemplateVersion": {&ec2types.CreateLaunchTemplateVersionRequest{LaunchTemplateId: first("lt"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: new("ami-12345678")}}},
		"DeleteLaunchTemplateVersions": {
			&ec2types.DeleteLaunchTemplateVersionsRequest{LaunchTemplateId: first("lt"), Versions: []string{"1"}},
		},
		"CreateRoute":  {&ec2types.CreateRouteRequest{RouteTableId: first("rtb"), DestinationCidrBlock: block, NetworkInterfaceId: eni}, &ec2types.CreateRouteRequest{RouteTableId: first("rtb"), DestinationCidrBlock: block, GatewayId: first("igw")}, &ec2types.CreateRouteRequest{RouteTableId: first("rtb"), DestinationCidrBlock: block, NatGatewayId: first("nat")}},
		"ReplaceRoute": {&ec2types.ReplaceRouteRequest{RouteTableId: first("rtb"), DestinationCidrBlock: block, GatewayId: first("igw")}},
		"DeleteRoute":  {&ec2types.DeleteRouteRequest{RouteTableId: first("rtb"), DestinationCidrBlock: block}},
		"CreateNatGateway": {
			&ec2types.CreateNatGatewayRequest{SubnetId: first("subnet"), AllocationId: first("eipalloc")},
			&ec2types.CreateNatGatewayRequest{SubnetId: new("subnet-00000000000000000"), AllocationId: first("eipalloc")},
		},
		"DeleteNatGateway": {&ec2types.DeleteNatGatewayRequest{NatGatewayId: first("nat")}},
		"CreateVpcEndpoint": {&ec2types.CreateVpcEndpointRequest{
			VpcId: first("vpc"), VpcEndpointType: new("Interface"), ServiceName: new("com.amazonaws.us-east-1.appstream.api"), SubnetIds: []string{*first("subnet")},
		}},
		"ModifyVpcEndpoint":                 {&ec2types.ModifyVpcEndpointRequest{VpcEndpointId: first("vpce"), AddSecurityGroupIds: []string{*first("sg")}}},
		"DescribeNetworkInterfaceAttribute": {&ec2types.DescribeNetworkInterfaceAttributeRequest{NetworkInterfaceId: eni, Attribute: new("description")}},
		"ModifyNetworkInterfaceAttribute": {
			&ec2types.ModifyNetworkInterfaceAttributeRequest{NetworkInterfaceId: eni, Description: &ec2types.AttributeValue{Value: new("x")}},
			&ec2types.ModifyNetworkInterfaceAttributeRequest{NetworkInterfaceId: eni, Groups: []string{*first("sg")}},
		},
		"ModifySecurityGroupRules": {&ec2types.ModifySecurityGroupRulesRequest{
			GroupId: first("sg"), SecurityGroupRules: []ec2types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: first("sgr"), SecurityGroupRule: &change}},
		}},
		"ResetNetworkInterfaceAttribute": {&ec2types.ResetNetworkInterfaceAttributeRequest{NetworkInterfaceId: eni, SourceDestCheck: new("true")}},
		"UnassignIpv6Addresses":          {&ec2types.UnassignIpv6AddressesRequest{NetworkInterfaceId: eni, Ipv6Addresses: []string{"2001:db8::1"}}},
		"UnassignPrivateIpAddresses":     {&ec2types.UnassignPrivateIpAddressesRequest{NetworkInterfaceId: eni, PrivateIpAddresses: []string{"10.7.1.9"}}},
	}
}

// looksAtNothing lists operations that take ids and look none up, with the reason.
var looksAtNothing = map[string]string{
	"CreateLaunchTemplate":             "data are looked at when something is launched from them, by who launches",
	"DescribeVpcClassicLink":           "answers nothing about any VPC",
	"DescribeVpcClassicLinkDnsSupport": "answers nothing about any VPC",
}
