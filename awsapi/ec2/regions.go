// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) regionOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "DescribeRegions", s.describeRegions),
		awsapi.RegionalOp(s.control, "DescribeAvailabilityZones", s.describeAvailabilityZones),
	}
}

// optIn is what every Region and zone answers for its opt-in status: an
// installation has no Regions that an account must ask for, so AllRegions and
// AllAvailabilityZones change nothing.
const optIn = "opt-in-not-required"

func endpoint(region string) string { return "ec2." + region + ".amazonaws.com" }

var regionFilters = filters[control.Region]{names: map[string]func(*control.Region) []string{
	"endpoint":      one(func(r *control.Region) string { return endpoint(r.Name) }),
	"opt-in-status": one(func(*control.Region) string { return optIn }),
	"region-name":   one(func(r *control.Region) string { return r.Name }),
}}

func (s *Service) describeRegions(c *awsapi.Call, in *ec2types.DescribeRegionsRequest) (func(context.Context) (*ec2types.DescribeRegionsResult, error), error) {
	match, err := regionFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeRegionsResult, error) {
		for _, name := range in.RegionNames {
			if _, ok := s.control.Region(name); !ok {
				return nil, secgroup.Errorf("InvalidParameterValue", "Invalid region names: [%s]", name)
			}
		}
		out := &ec2types.DescribeRegionsResult{Regions: []ec2types.Region{}}
		for _, r := range s.control.Regions() {
			if (len(in.RegionNames) == 0 || slices.Contains(in.RegionNames, r.Name)) && match(&r) {
				out.Regions = append(out.Regions, ec2types.Region{
					RegionName: new(r.Name), Endpoint: new(endpoint(r.Name)), OptInStatus: new(optIn),
				})
			}
		}
		return out, nil
	}, nil
}

// zone is an availability zone with the Region it is in.
type zone struct {
	control.Zone
	region string
}

func (z *zone) group() string { return z.region + "-zg-1" }

var zoneFilters = filters[zone]{names: map[string]func(*zone) []string{
	"group-name":       one((*zone).group),
	"group-long-name":  one((*zone).groupLongName),
	"message":          func(*zone) []string { return nil },
	"opt-in-status":    one(func(*zone) string { return optIn }),
	"parent-zone-id":   func(*zone) []string { return nil },
	"parent-zone-name": func(*zone) []string { return nil },
	"region-name":      one(func(z *zone) string { return z.region }),
	"state":            one(func(*zone) string { return "available" }),
	"zone-id":          one(func(z *zone) string { return z.ID }),
	"zone-name":        one(func(z *zone) string { return z.Name }),
	"zone-type":        one(func(*zone) string { return "availability-zone" }),
}}

// groupLongName spells the zone group for people.
func (z *zone) groupLongName() string { return z.region + " 1" }

func (s *Service) describeAvailabilityZones(c *awsapi.Call, in *ec2types.DescribeAvailabilityZonesRequest) (func(context.Context) (*ec2types.DescribeAvailabilityZonesResult, error), error) {
	match, err := zoneFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeAvailabilityZonesResult, error) {
		region, _ := s.control.Region(c.Region)
		for _, given := range []struct {
			name   string
			wanted []string
			of     func(control.Zone) string
		}{
			{"availability zones", in.ZoneNames, func(z control.Zone) string { return z.Name }},
			{"availability zone-ids", in.ZoneIds, func(z control.Zone) string { return z.ID }},
		} {
			var unknown []string
			for _, name := range given.wanted {
				if !slices.ContainsFunc(region.Zones, func(z control.Zone) bool { return given.of(z) == name }) {
					unknown = append(unknown, name)
				}
			}
			if len(unknown) > 0 {
				return nil, secgroup.Errorf("InvalidParameterValue", "Invalid %s: [%s]", given.name, strings.Join(unknown, ", "))
			}
		}
		out := &ec2types.DescribeAvailabilityZonesResult{AvailabilityZones: []ec2types.AvailabilityZone{}}
		for _, z := range region.Zones {
			item := &zone{z, region.Name}
			if len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, z.Name) ||
				len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, z.ID) || !match(item) {
				continue
			}
			out.AvailabilityZones = append(out.AvailabilityZones, ec2types.AvailabilityZone{
				ZoneName: new(z.Name), ZoneId: new(z.ID), State: new("available"), RegionName: new(region.Name),
				GroupName: new(item.group()), GroupLongName: new(item.groupLongName()),
				NetworkBorderGroup: new(region.Name), OptInStatus: new(optIn), ZoneType: new("availability-zone"),
				Messages: []ec2types.AvailabilityZoneMessage{},
			})
		}
		return out, nil
	}, nil
}
