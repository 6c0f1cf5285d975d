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

// makeVPC returns a new VPC of the rig.
func (r *rig) makeVPC(t *testing.T, cidr string, tags ...string) *sdktypes.Vpc {
	t.Helper()
	in := &sdk.CreateVpcInput{CidrBlock: &cidr}
	if tags != nil {
		in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "vpc", Tags: sdkTags(tags...)}}
	}
	return must(r.CreateVpc(t.Context(), in))(t).Vpc
}

// sdkTags returns tags of the SDK; the arguments alternate between key and value.
func sdkTags(pairs ...string) []sdktypes.Tag {
	var tags []sdktypes.Tag
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, sdktypes.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return tags
}

func TestVPCLifecycle(t *testing.T) {
	r := newRig(t, control.Config{})
	made := must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{
		CidrBlock: aws.String("10.1.2.3/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true), InstanceTenancy: "dedicated",
		TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "vpc", Tags: sdkTags("Name", "web")}},
	}))(t).Vpc
	if *made.CidrBlock != "10.1.0.0/16" || made.State != "pending" || *made.IsDefault || made.InstanceTenancy != "dedicated" || *made.OwnerId != r.key.Account {
		t.Errorf("created %+v", made)
	}
	if len(made.CidrBlockAssociationSet) != 1 || made.CidrBlockAssociationSet[0].CidrBlockState.State != "associated" {
		t.Errorf("blocks %+v", made.CidrBlockAssociationSet)
	}
	six := made.Ipv6CidrBlockAssociationSet
	if len(six) != 1 || six[0].Ipv6CidrBlockState.State != "associating" || !strings.HasPrefix(*six[0].Ipv6CidrBlock, "fd") ||
		!strings.HasSuffix(*six[0].Ipv6CidrBlock, "/56") || *six[0].Ipv6Pool != "Amazon" || *six[0].NetworkBorderGroup != "us-east-1" {
		t.Errorf("IPv6 blocks %+v", six)
	}
	plain := r.makeVPC(t, "10.2.0.0/28")
	if plain.Ipv6CidrBlockAssociationSet == nil || plain.Tags != nil {
		t.Errorf("created %+v", plain)
	}

	found := must(r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{VpcIds: []string{*made.VpcId}}))(t).Vpcs
	if len(found) != 1 || found[0].State != "available" || *found[0].Tags[0].Value != "web" ||
		found[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlockState.State != "associated" {
		t.Errorf("described %+v", found)
	}
	must(r.DeleteVpc(t.Context(), &sdk.DeleteVpcInput{VpcId: made.VpcId}))(t)
	_, err := r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{VpcIds: []string{*made.VpcId}})
	refused(t, err, "InvalidVpcID.NotFound: The vpc ID '"+*made.VpcId+"' does not exist")
}

func TestCreateVpcRefusesWhatIsMalformed(t *testing.T) {
	r := newRig(t, control.Config{})
	for _, c := range []struct {
		in   sdk.CreateVpcInput
		want string
	}{
		{sdk.CreateVpcInput{}, "MissingParameter: The request must contain the parameter cidrBlock"},
		{sdk.CreateVpcInput{CidrBlock: aws.String("x")}, "InvalidParameterValue: Value (x) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		{sdk.CreateVpcInput{CidrBlock: aws.String("fd00::/56")}, "InvalidParameterValue: Value (fd00::/56) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		{sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/8")}, "InvalidVpc.Range: The CIDR '10.0.0.0/8' is invalid."},
		{sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), InstanceTenancy: "host"}, "UnsupportedTenancy: The tenancy value 'host' is not supported for a VPC. Use 'default' or 'dedicated'."},
		{sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), InstanceTenancy: "x"}, "InvalidParameterValue: Value (x) for parameter instanceTenancy is invalid."},
		{sdk.CreateVpcInput{Ipv4IpamPoolId: aws.String("ipam-pool-1")}, "UnsupportedOperation: The functionality you requested is not available in this region."},
		{sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), DryRun: aws.Bool(true)}, "DryRunOperation: Request would have succeeded, but DryRun flag is set."},
		{sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "subnet", Tags: sdkTags("a", "b")}}},
			"InvalidParameterValue: 'subnet' is not a valid taggable resource type for this operation."},
	} {
		_, err := r.CreateVpc(t.Context(), &c.in)
		refused(t, err, c.want)
	}
	if found := must(r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{}))(t).Vpcs; len(found) != 1 || !*found[0].IsDefault {
		t.Errorf("%d VPCs, want the default one", len(found))
	}
}

func TestDescribeVpcsFilters(t *testing.T) {
	r := newRig(t, control.Config{})
	v := must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{
		CidrBlock: aws.String("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true),
		TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "vpc", Tags: sdkTags("a", "1")}},
	}))(t).Vpc
	four, six := v.CidrBlockAssociationSet[0], v.Ipv6CidrBlockAssociationSet[0]
	both := []string{"cidr", "cidr-block", "cidrBlock", "cidr-block-association.association-id", "cidr-block-association.cidr-block", "cidr-block-association.state",
		"dhcp-options-id", "ipv6-cidr-block-association.association-id", "ipv6-cidr-block-association.ipv6-cidr-block",
		"ipv6-cidr-block-association.ipv6-pool", "ipv6-cidr-block-association.state", "is-default", "isDefault", "owner-id", "state", "vpc-id"}
	if len(both) != len(vpcFilters.names) {
		t.Errorf("the table below covers %d filters of %d", len(both), len(vpcFilters.names))
	}
	for _, c := range []struct {
		name, value string
		want        int // of the default VPC and v, how many match
	}{
		{"cidr", "10.0.0.0/16", 1},
		{"cidr", "10.0.0.0/8", 0},
		{"cidr-block", "10.0.0.0/16", 1},
		{"cidrBlock", "10.0.0.0/16", 1},
		{"cidr-block-association.association-id", *four.AssociationId, 1},
		{"cidr-block-association.cidr-block", *four.CidrBlock, 1},
		{"cidr-block-association.state", "associated", 2},
		{"dhcp-options-id", *v.DhcpOptionsId, 2},
		{"ipv6-cidr-block-association.association-id", *six.AssociationId, 1},
		{"ipv6-cidr-block-association.ipv6-cidr-block", *six.Ipv6CidrBlock, 1},
		{"ipv6-cidr-block-association.ipv6-pool", "Amazon", 1},
		{"ipv6-cidr-block-association.state", "associated", 1},
		{"is-default", "true", 1},
		{"isDefault", "false", 1},
		{"owner-id", r.key.Account, 2},
		{"state", "available", 2},
		{"state", "pending", 0},
		{"vpc-id", *v.VpcId, 1},
		{"vpc-id", "vpc-00000000", 0},
		{"tag:a", "1", 1},
		{"tag-key", "a", 1},
	} {
		found := must(r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{Filters: []sdktypes.Filter{where(c.name, c.value)}}))(t).Vpcs
		if len(found) != c.want {
			t.Errorf("%s = %s: %d VPCs, want %d", c.name, c.value, len(found), c.want)
		}
	}
	_, err := r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{Filters: []sdktypes.Filter{where("nonsense", "x")}})
	refused(t, err, "InvalidParameterValue: The filter 'nonsense' is invalid")
}

func TestDescribeVpcsInPages(t *testing.T) {
	r := newRig(t, control.Config{Quotas: control.Quotas{VPCsPerRegion: 12}})
	want := []string{}
	for i := range 11 {
		want = append(want, *r.makeVPC(t, fmt.Sprintf("10.%d.0.0/16", i)).VpcId)
	}
	var got []string
	in := &sdk.DescribeVpcsInput{MaxResults: aws.Int32(5), Filters: []sdktypes.Filter{where("is-default", "false")}}
	for pages := sdk.NewDescribeVpcsPaginator(r, in); pages.HasMorePages(); {
		for _, v := range must(pages.NextPage(t.Context()))(t).Vpcs {
			got = append(got, *v.VpcId)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, want %v in order of creation", got, want)
	}
	_, err := r.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{MaxResults: aws.Int32(5), VpcIds: want[:1]})
	refused(t, err, "InvalidParameterCombination: The parameter VpcIds cannot be used with the parameter MaxResults")
}

func TestRegionsAreApart(t *testing.T) {
	r := newRig(t, control.Config{})
	there := r.in("eu-west-1")
	v := r.makeVPC(t, "10.0.0.0/16")
	_, err := there.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{VpcIds: []string{*v.VpcId}})
	refused(t, err, "InvalidVpcID.NotFound: The vpc ID '"+*v.VpcId+"' does not exist")
	found := must(there.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{}))(t).Vpcs
	if len(found) != 1 || !*found[0].IsDefault || *found[0].CidrBlock != "172.31.0.0/16" {
		t.Errorf("%d VPCs in eu-west-1, want its own default one", len(found))
	}
}
