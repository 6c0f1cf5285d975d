// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func TestSubnetLifecycle(t *testing.T) {
	r := newRig(t, control.Config{})
	v := must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)}))(t).Vpc
	six := strings.Replace(*v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock, "/56", "/64", 1)
	n := must(r.CreateSubnet(t.Context(), &sdk.CreateSubnetInput{
		VpcId: v.VpcId, CidrBlock: aws.String("10.0.0.9/24"), Ipv6CidrBlock: &six, AvailabilityZone: aws.String("us-east-1b"),
		TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "subnet", Tags: sdkTags("a", "1")}},
	}))(t).Subnet
	if *n.CidrBlock != "10.0.0.0/24" || *n.AvailabilityZoneId != "use1-az2" || *n.AvailableIpAddressCount != 251 || n.State != "available" ||
		*n.SubnetArn != "arn:aws:ec2:us-east-1:"+r.key.Account+":subnet/"+*n.SubnetId || *n.DefaultForAz || *n.MapPublicIpOnLaunch ||
		n.PrivateDnsNameOptionsOnLaunch.HostnameType != "ip-name" || *n.Tags[0].Value != "1" {
		t.Errorf("created %+v", n)
	}
	if set := n.Ipv6CidrBlockAssociationSet; len(set) != 1 || *set[0].Ipv6CidrBlock != six || set[0].Ipv6CidrBlockState.State != "associated" {
		t.Errorf("IPv6 %+v", set)
	}
	for _, c := range []struct {
		name, value string
		want        int
	}{
		{"availability-zone", "us-east-1b", 1}, {"availabilityZone", "us-east-1a", 0},
		{"availability-zone-id", "use1-az2", 1}, {"availabilityZoneId", "use1-az1", 0},
		{"available-ip-address-count", "251", 1},
		{"cidr", "10.0.0.0/24", 1}, {"cidrBlock", "10.0.0.0/24", 1}, {"cidr-block", "10.0.0.0/16", 0},
		{"default-for-az", "false", 1}, {"defaultForAz", "true", 0},
		{"ipv6-cidr-block-association.association-id", *n.Ipv6CidrBlockAssociationSet[0].AssociationId, 1},
		{"ipv6-cidr-block-association.ipv6-cidr-block", six, 1},
		{"ipv6-cidr-block-association.state", "associated", 1},
		{"ipv6-native", "false", 1}, {"map-public-ip-on-launch", "true", 0}, {"owner-id", r.key.Account, 1},
		{"state", "available", 1}, {"subnet-arn", *n.SubnetArn, 1}, {"subnet-id", *n.SubnetId, 1}, {"tag:a", "1", 1}, {"tag-key", "b", 0},
	} {
		found := must(r.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{
			Filters: []sdktypes.Filter{where("vpc-id", *v.VpcId), where(c.name, c.value)},
		}))(t).Subnets
		if len(found) != c.want {
			t.Errorf("%s = %s: %d subnets, want %d", c.name, c.value, len(found), c.want)
		}
	}
	_, err := r.DeleteVpc(t.Context(), &sdk.DeleteVpcInput{VpcId: v.VpcId})
	refused(t, err, "DependencyViolation: The vpc '"+*v.VpcId+"' has dependencies and cannot be deleted.")
	must(r.DeleteSubnet(t.Context(), &sdk.DeleteSubnetInput{SubnetId: n.SubnetId}))(t)
	_, err = r.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{SubnetIds: []string{*n.SubnetId}})
	refused(t, err, "InvalidSubnetID.NotFound: The subnet ID '"+*n.SubnetId+"' does not exist")
	must(r.DeleteVpc(t.Context(), &sdk.DeleteVpcInput{VpcId: v.VpcId}))(t)
}

func TestCreateSubnetRefusesWhatIsMalformed(t *testing.T) {
	r := newRig(t, control.Config{})
	v := r.makeVPC(t, "10.0.0.0/16").VpcId
	four, six := aws.String("10.0.0.0/24"), aws.String("fd00::/64")
	for _, c := range []struct {
		in   sdk.CreateSubnetInput
		want string
	}{
		{sdk.CreateSubnetInput{VpcId: v}, "MissingParameter: Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided."},
		{sdk.CreateSubnetInput{VpcId: v, Ipv6Native: aws.Bool(true)}, "MissingParameter: Either 'ipv6CidrBlock' or 'ipv6IpamPoolId' should be provided."},
		{sdk.CreateSubnetInput{VpcId: v, Ipv6Native: aws.Bool(true), CidrBlock: four, Ipv6CidrBlock: six},
			"InvalidParameterCombination: When specifying ipv4 parameters, cidrBlock or ipv4IpamPoolId, you cannot set ipv6Native to true."},
		{sdk.CreateSubnetInput{VpcId: v, CidrBlock: four, AvailabilityZone: aws.String("us-east-1a"), AvailabilityZoneId: aws.String("use1-az1")},
			"InvalidParameterCombination: The parameter availabilityZone cannot be used with the parameter availabilityZoneId"},
		{sdk.CreateSubnetInput{VpcId: v, CidrBlock: six}, "InvalidParameterValue: Value (fd00::/64) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		{sdk.CreateSubnetInput{VpcId: v, CidrBlock: four, Ipv6CidrBlock: four}, "InvalidParameterValue: Value (10.0.0.0/24) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block."},
		{sdk.CreateSubnetInput{VpcId: v, CidrBlock: four, OutpostArn: aws.String("arn")}, "UnsupportedOperation: The functionality you requested is not available in this region."},
		{sdk.CreateSubnetInput{VpcId: aws.String(""), CidrBlock: four}, "MissingParameter: The request must contain the parameter vpcId"},
	} {
		_, err := r.CreateSubnet(t.Context(), &c.in)
		refused(t, err, c.want)
	}
}

func TestEveryZoneHasADefaultSubnet(t *testing.T) {
	r := newRig(t, control.Config{})
	zones := must(r.DescribeAvailabilityZones(t.Context(), &sdk.DescribeAvailabilityZonesInput{}))(t).AvailabilityZones
	subnets := must(r.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{Filters: []sdktypes.Filter{where("default-for-az", "true")}}))(t).Subnets
	if len(zones) != 6 || len(subnets) != 6 {
		t.Fatalf("%d zones, %d default subnets", len(zones), len(subnets))
	}
	for _, n := range subnets {
		if !strings.HasSuffix(*n.CidrBlock, "/20") || !*n.MapPublicIpOnLaunch || *n.AvailableIpAddressCount != 4091 {
			t.Errorf("default subnet %+v", n)
		}
	}
}
