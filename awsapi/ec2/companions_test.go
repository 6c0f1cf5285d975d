// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func TestCompanionsOfAVPC(t *testing.T) {
	r := newRig(t, control.Config{})
	v := must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)}))(t).Vpc
	n := must(r.CreateSubnet(t.Context(), &sdk.CreateSubnetInput{VpcId: v.VpcId, CidrBlock: aws.String("10.0.0.0/24")}))(t).Subnet

	tables := must(r.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{
		Filters: []sdktypes.Filter{where("association.main", "true"), where("vpc-id", *v.VpcId)},
	}))(t).RouteTables
	if len(tables) != 1 || len(tables[0].Associations) != 1 || !*tables[0].Associations[0].Main || len(tables[0].Routes) != 2 {
		t.Fatalf("route tables %+v", tables)
	}
	if routes := tables[0].Routes; *routes[0].DestinationCidrBlock != "10.0.0.0/16" || *routes[0].GatewayId != "local" || routes[0].State != "active" ||
		routes[0].Origin != "CreateRouteTable" || *routes[1].DestinationIpv6CidrBlock != *v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock {
		t.Errorf("routes %+v", routes)
	}
	_, err := r.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{RouteTableIds: []string{*tables[0].RouteTableId, "rtb-00000000"}})
	refused(t, err, "InvalidRouteTableID.NotFound: The routeTable ID 'rtb-00000000' does not exist")

	acls := must(r.DescribeNetworkAcls(t.Context(), &sdk.DescribeNetworkAclsInput{
		Filters: []sdktypes.Filter{where("default", "true"), where("association.subnet-id", *n.SubnetId)},
	}))(t).NetworkAcls
	if len(acls) != 1 || !*acls[0].IsDefault || *acls[0].VpcId != *v.VpcId || len(acls[0].Associations) != 1 || *acls[0].Associations[0].SubnetId != *n.SubnetId {
		t.Fatalf("ACLs %+v", acls)
	}
	var entries []string
	for _, e := range acls[0].Entries {
		entries = append(entries, fmt.Sprintf("%d %s %v %s%s", *e.RuleNumber, e.RuleAction, *e.Egress, aws.ToString(e.CidrBlock), aws.ToString(e.Ipv6CidrBlock)))
	}
	want := "100 allow true 0.0.0.0/0, 32767 deny true 0.0.0.0/0, 101 allow true ::/0, 32768 deny true ::/0, " +
		"100 allow false 0.0.0.0/0, 32767 deny false 0.0.0.0/0, 101 allow false ::/0, 32768 deny false ::/0"
	if got := strings.Join(entries, ", "); got != want {
		t.Errorf("entries %s, want %s", got, want)
	}
	_, err = r.DescribeNetworkAcls(t.Context(), &sdk.DescribeNetworkAclsInput{NetworkAclIds: []string{"acl-1", "acl-2"}})
	refused(t, err, "InvalidNetworkAclID.NotFound: The networkAcl IDs 'acl-1, acl-2' do not exist")

	options := must(r.DescribeDhcpOptions(t.Context(), &sdk.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{*v.DhcpOptionsId}}))(t).DhcpOptions
	if len(options) != 1 || *options[0].DhcpConfigurations[0].Key != "domain-name-servers" || *options[0].DhcpConfigurations[0].Values[0].Value != "AmazonProvidedDNS" {
		t.Errorf("DHCP options %+v", options)
	}
	must(r.CreateTags(t.Context(), &sdk.CreateTagsInput{
		Resources: []string{*acls[0].NetworkAclId, *v.DhcpOptionsId}, Tags: []sdktypes.Tag{{Key: aws.String("stage"), Value: aws.String("test")}},
	}))(t)
	tagged := []sdktypes.Filter{where("tag:stage", "test")}
	acls = must(r.DescribeNetworkAcls(t.Context(), &sdk.DescribeNetworkAclsInput{Filters: tagged}))(t).NetworkAcls
	if len(acls) != 1 || *acls[0].VpcId != *v.VpcId || len(acls[0].Tags) != 1 || *acls[0].Tags[0].Value != "test" {
		t.Errorf("tagged ACLs %+v", acls)
	}
	options = must(r.DescribeDhcpOptions(t.Context(), &sdk.DescribeDhcpOptionsInput{Filters: tagged}))(t).DhcpOptions
	if len(options) != 1 || *options[0].DhcpOptionsId != *v.DhcpOptionsId || len(options[0].Tags) != 1 {
		t.Errorf("tagged DHCP options %+v", options)
	}
	_, err = r.DescribeDhcpOptions(t.Context(), &sdk.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{"dopt-1"}})
	refused(t, err, "InvalidDhcpOptionID.NotFound: The dhcpOption ID 'dopt-1' does not exist")
}

func TestVpcAttributes(t *testing.T) {
	r := newRig(t, control.Config{})
	v := r.makeVPC(t, "10.0.0.0/16").VpcId
	support := must(r.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: v, Attribute: "enableDnsSupport"}))(t)
	names := must(r.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: v, Attribute: "enableDnsHostnames"}))(t)
	metrics := must(r.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: v, Attribute: "enableNetworkAddressUsageMetrics"}))(t)
	if !*support.EnableDnsSupport.Value || support.EnableDnsHostnames != nil || *names.EnableDnsHostnames.Value || *metrics.EnableNetworkAddressUsageMetrics.Value {
		t.Errorf("attributes %+v %+v %+v", support, names, metrics)
	}
	_, err := r.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: v, Attribute: "x"})
	refused(t, err, "InvalidParameterValue: Value (x) for parameter attribute is invalid. Unknown attribute.")
	_, err = r.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: aws.String("vpc-1"), Attribute: "enableDnsSupport"})
	refused(t, err, "InvalidVpcID.NotFound: The vpc ID 'vpc-1' does not exist")
}

func TestAccountAttributes(t *testing.T) {
	r := newRig(t, control.Config{Quotas: control.Quotas{GroupsPerInterface: 7, InstancesPerRegion: 9}})
	var got []string
	for _, a := range must(r.DescribeAccountAttributes(t.Context(), &sdk.DescribeAccountAttributesInput{}))(t).AccountAttributes {
		got = append(got, *a.AttributeName+"="+*a.AttributeValues[0].AttributeValue)
	}
	v := must(r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{}))(t).Vpcs[0]
	want := "supported-platforms=VPC default-vpc=" + *v.VpcId +
		" max-instances=9 max-elastic-ips=5 vpc-max-elastic-ips=5 vpc-max-security-groups-per-interface=7"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	only := must(r.DescribeAccountAttributes(t.Context(), &sdk.DescribeAccountAttributesInput{AttributeNames: []sdktypes.AccountAttributeName{"default-vpc"}}))(t)
	if len(only.AccountAttributes) != 1 {
		t.Errorf("%d attributes", len(only.AccountAttributes))
	}
	_, err := r.DescribeAccountAttributes(t.Context(), &sdk.DescribeAccountAttributesInput{AttributeNames: []sdktypes.AccountAttributeName{"x"}})
	refused(t, err, "InvalidParameterValue: Value (x) for parameter attribute is invalid. Unknown attribute.")
}

func TestNoClassicLink(t *testing.T) {
	r := newRig(t, control.Config{})
	const want = "UnsupportedOperation: The functionality you requested is not available in this region."
	_, err := r.DescribeVpcClassicLink(t.Context(), &sdk.DescribeVpcClassicLinkInput{})
	refused(t, err, want)
	_, err = r.DescribeVpcClassicLinkDnsSupport(t.Context(), &sdk.DescribeVpcClassicLinkDnsSupportInput{})
	refused(t, err, want)
}
