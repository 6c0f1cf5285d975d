// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func TestDescribeRegions(t *testing.T) {
	r := newRig(t, control.Config{Regions: []control.Region{control.NewRegion("us-east-1", "ab"), control.NewRegion("eu-west-1", "a")}})
	for _, c := range []struct {
		in   sdk.DescribeRegionsInput
		want int
	}{
		{sdk.DescribeRegionsInput{}, 2},
		{sdk.DescribeRegionsInput{AllRegions: aws.Bool(true)}, 2},
		{sdk.DescribeRegionsInput{RegionNames: []string{"eu-west-1"}}, 1},
		{sdk.DescribeRegionsInput{Filters: []sdktypes.Filter{where("region-name", "us-*")}}, 1},
		{sdk.DescribeRegionsInput{Filters: []sdktypes.Filter{where("endpoint", "ec2.eu-west-1.amazonaws.com")}}, 1},
		{sdk.DescribeRegionsInput{Filters: []sdktypes.Filter{where("opt-in-status", "opted-in")}}, 0},
	} {
		found := must(r.DescribeRegions(t.Context(), &c.in))(t).Regions
		if len(found) != c.want {
			t.Errorf("%+v: %d Regions, want %d", c.in, len(found), c.want)
		}
		for _, region := range found {
			if *region.OptInStatus != "opt-in-not-required" || *region.Endpoint != "ec2."+*region.RegionName+".amazonaws.com" {
				t.Errorf("%+v", region)
			}
		}
	}
	_, err := r.DescribeRegions(t.Context(), &sdk.DescribeRegionsInput{RegionNames: []string{"us-east-1", "mars-1"}})
	refused(t, err, "InvalidParameterValue: Invalid region names: [mars-1]")
	_, err = r.DescribeRegions(t.Context(), &sdk.DescribeRegionsInput{Filters: []sdktypes.Filter{where("tag:a", "1")}})
	refused(t, err, "InvalidParameterValue: The filter 'tag:a' is invalid")
	_, err = r.in("mars-1").DescribeRegions(t.Context(), &sdk.DescribeRegionsInput{})
	refused(t, err, "AuthFailure: AWS was not able to validate the provided access credentials")
}

func TestDescribeAvailabilityZones(t *testing.T) {
	r := newRig(t, control.Config{})
	for _, c := range []struct {
		in   sdk.DescribeAvailabilityZonesInput
		want int
	}{
		{sdk.DescribeAvailabilityZonesInput{}, 6},
		{sdk.DescribeAvailabilityZonesInput{AllAvailabilityZones: aws.Bool(true)}, 6},
		{sdk.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-east-1a", "us-east-1b"}}, 2},
		{sdk.DescribeAvailabilityZonesInput{ZoneIds: []string{"use1-az6"}}, 1},
		{sdk.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-east-1a"}, ZoneIds: []string{"use1-az2"}}, 0},
		{sdk.DescribeAvailabilityZonesInput{Filters: []sdktypes.Filter{where("zone-name", "*[ab]")}}, 0},
		{sdk.DescribeAvailabilityZonesInput{Filters: []sdktypes.Filter{where("zone-name", "*a", "*b"), where("state", "available")}}, 2},
		{sdk.DescribeAvailabilityZonesInput{Filters: []sdktypes.Filter{where("zone-type", "local-zone")}}, 0},
		{sdk.DescribeAvailabilityZonesInput{Filters: []sdktypes.Filter{where("group-name", "us-east-1-zg-1")}}, 6},
	} {
		if found := must(r.DescribeAvailabilityZones(t.Context(), &c.in))(t).AvailabilityZones; len(found) != c.want {
			t.Errorf("%+v: %d zones, want %d", c.in, len(found), c.want)
		}
	}
	z := must(r.DescribeAvailabilityZones(t.Context(), &sdk.DescribeAvailabilityZonesInput{}))(t).AvailabilityZones[0]
	if *z.ZoneName != "us-east-1a" || *z.ZoneId != "use1-az1" || *z.RegionName != "us-east-1" || *z.GroupName != "us-east-1-zg-1" ||
		*z.NetworkBorderGroup != "us-east-1" || z.State != "available" || *z.ZoneType != "availability-zone" || z.OptInStatus != "opt-in-not-required" {
		t.Errorf("%+v", z)
	}
	_, err := r.DescribeAvailabilityZones(t.Context(), &sdk.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-east-1x", "y"}})
	refused(t, err, "InvalidParameterValue: Invalid availability zones: [us-east-1x, y]")
	_, err = r.DescribeAvailabilityZones(t.Context(), &sdk.DescribeAvailabilityZonesInput{ZoneIds: []string{"x"}})
	refused(t, err, "InvalidParameterValue: Invalid availability zone-ids: [x]")
}
