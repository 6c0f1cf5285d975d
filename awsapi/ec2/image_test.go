// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func TestDescribeImages(t *testing.T) {
	r := newRig(t, control.Config{Images: []control.Image{
		{ID: "ami-netns", Name: "namespace", Description: "one"}, {ID: "ami-b", Name: "board", Architecture: "arm64"},
	}})
	describe := func(in sdk.DescribeImagesInput) []sdktypes.Image {
		t.Helper()
		return must(r.DescribeImages(t.Context(), &in))(t).Images
	}
	all := describe(sdk.DescribeImagesInput{})
	if len(all) != 2 || *all[0].ImageId != "ami-b" || all[0].Architecture != "arm64" || all[0].State != "available" ||
		*all[1].Name != "namespace" || string(all[1].Architecture) != architecture || *all[1].OwnerId != r.key.Account {
		t.Errorf("described %+v", all)
	}
	for _, c := range []struct {
		in   sdk.DescribeImagesInput
		want int
	}{
		{sdk.DescribeImagesInput{ImageIds: []string{"ami-netns"}}, 1},
		{sdk.DescribeImagesInput{Owners: []string{"self"}}, 2},
		{sdk.DescribeImagesInput{Owners: []string{r.key.Account}}, 2},
		{sdk.DescribeImagesInput{Owners: []string{"amazon"}}, 0},
		{sdk.DescribeImagesInput{ExecutableUsers: []string{"all"}}, 2},
		{sdk.DescribeImagesInput{Filters: []sdktypes.Filter{where("name", "name*")}}, 1},
		{sdk.DescribeImagesInput{Filters: []sdktypes.Filter{where("state", "available"), where("architecture", "arm64")}}, 1},
		{sdk.DescribeImagesInput{Filters: []sdktypes.Filter{where("is-public", "false")}}, 0},
	} {
		if got := len(describe(c.in)); got != c.want {
			t.Errorf("%+v: %d images, want %d", c.in, got, c.want)
		}
	}
	_, err := r.DescribeImages(t.Context(), &sdk.DescribeImagesInput{ImageIds: []string{"ami-00000000"}})
	refused(t, err, "InvalidAMIID.NotFound: The image id '[ami-00000000]' does not exist")
	_, err = r.DescribeImages(t.Context(), &sdk.DescribeImagesInput{ImageIds: []string{"x"}})
	refused(t, err, `InvalidAMIID.Malformed: Invalid id: "x" (expecting "ami-...")`)
}

func TestDescribeInstanceTypes(t *testing.T) {
	r := newRig(t, control.Config{Regions: []control.Region{control.NewRegion("us-east-1", "ab")}})
	named := must(r.DescribeInstanceTypes(t.Context(), &sdk.DescribeInstanceTypesInput{InstanceTypes: []sdktypes.InstanceType{"t3.micro"}}))(t).InstanceTypes
	if len(named) != 1 || *named[0].NetworkInfo.MaximumNetworkInterfaces != 2 || *named[0].NetworkInfo.Ipv4AddressesPerInterface != 2 ||
		*named[0].BurstablePerformanceSupported || *named[0].VCpuInfo.DefaultVCpus < 1 || *named[0].MemoryInfo.SizeInMiB < 1 {
		t.Errorf("%+v", named)
	}
	var names []string
	for pages := sdk.NewDescribeInstanceTypesPaginator(r, &sdk.DescribeInstanceTypesInput{MaxResults: new(int32(5))}); pages.HasMorePages(); {
		for _, k := range must(pages.NextPage(t.Context()))(t).InstanceTypes {
			names = append(names, string(k.InstanceType))
		}
	}
	if len(names) != len(secgroup.InstanceTypes()) {
		t.Errorf("pages hold %v", names)
	}
	wide := must(r.DescribeInstanceTypes(t.Context(), &sdk.DescribeInstanceTypesInput{Filters: []sdktypes.Filter{where("network-info.maximum-network-interfaces", "15")}}))(t).InstanceTypes
	if len(wide) != 1 || wide[0].InstanceType != secgroup.DefaultInstanceType {
		t.Errorf("%+v", wide)
	}
	_, err := r.DescribeInstanceTypes(t.Context(), &sdk.DescribeInstanceTypesInput{InstanceTypes: []sdktypes.InstanceType{"t3.micro", "x9.huge"}})
	refused(t, err, "InvalidInstanceType: The following supplied instance types do not exist: [x9.huge]")

	for by, want := range map[sdktypes.LocationType]int{"": 1, "availability-zone": 2, "availability-zone-id": 2, "outpost": 0} {
		got := must(r.DescribeInstanceTypeOfferings(t.Context(), &sdk.DescribeInstanceTypeOfferingsInput{
			LocationType: by, Filters: []sdktypes.Filter{where("instance-type", "t3.micro")},
		}))(t).InstanceTypeOfferings
		if len(got) != want {
			t.Errorf("by %q: %+v", by, got)
		}
	}
}

func TestWhatNoInstallationHas(t *testing.T) {
	r := newRig(t, control.Config{})
	if got := must(r.DescribeKeyPairs(t.Context(), &sdk.DescribeKeyPairsInput{}))(t).KeyPairs; len(got) != 0 {
		t.Errorf("%+v", got)
	}
	_, err := r.DescribeKeyPairs(t.Context(), &sdk.DescribeKeyPairsInput{KeyNames: []string{"mine"}})
	refused(t, err, "InvalidKeyPair.NotFound: The key pair 'mine' does not exist")
	if got := must(r.DescribeVolumes(t.Context(), &sdk.DescribeVolumesInput{}))(t).Volumes; len(got) != 0 {
		t.Errorf("%+v", got)
	}
	_, err = r.DescribeVolumes(t.Context(), &sdk.DescribeVolumesInput{VolumeIds: []string{"vol-00000000"}})
	refused(t, err, "InvalidVolume.NotFound: The volume 'vol-00000000' does not exist.")
	if got := must(r.DescribeInstanceCreditSpecifications(t.Context(), &sdk.DescribeInstanceCreditSpecificationsInput{}))(t).InstanceCreditSpecifications; len(got) != 0 {
		t.Errorf("%+v", got)
	}
	_, err = r.DescribeInstanceCreditSpecifications(t.Context(), &sdk.DescribeInstanceCreditSpecificationsInput{InstanceIds: []string{"i-00000000"}})
	refused(t, err, "InvalidInstanceID.NotFound: The instance ID 'i-00000000' does not exist")
}
