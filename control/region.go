// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"strings"
)

// Region is one of the Regions that an installation serves. They are logical:
// all of them run on the same hosts.
type Region struct {
	Name  string
	Zones []Zone
}

// Zone is an availability zone.
type Zone struct {
	Name string // e.g. "us-east-1a"
	ID   string // e.g. "use1-az1"
}

// publicRegions are the usual Region names with the letters of their zones.
var publicRegions = []struct{ name, zones string }{
	{"us-east-1", "abcdef"}, {"us-east-2", "abc"}, {"us-west-1", "ab"}, {"us-west-2", "abcd"},
	{"ca-central-1", "abd"}, {"sa-east-1", "abc"},
	{"eu-central-1", "abc"}, {"eu-north-1", "abc"}, {"eu-west-1", "abc"}, {"eu-west-2", "abc"}, {"eu-west-3", "abc"},
	{"ap-northeast-1", "acd"}, {"ap-northeast-2", "abcd"}, {"ap-northeast-3", "abc"},
	{"ap-south-1", "abc"}, {"ap-southeast-1", "abc"}, {"ap-southeast-2", "abc"},
}

// DefaultRegions returns the usual public Region names with their zones.
func DefaultRegions() []Region {
	regions := make([]Region, len(publicRegions))
	for i, r := range publicRegions {
		regions[i] = NewRegion(r.name, r.zones)
	}
	return regions
}

// NewRegion returns a Region with one zone per letter. Zone ids count from 1 in
// the order of the letters.
func NewRegion(name, letters string) Region {
	r := Region{Name: name}
	for i, letter := range letters {
		r.Zones = append(r.Zones, Zone{Name: name + string(letter), ID: fmt.Sprintf("%s-az%d", shortName(name), i+1)})
	}
	return r
}

// shortName abbreviates a Region as zone ids do: us-east-1 is use1,
// ap-northeast-2 is apne2.
func shortName(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) != 3 {
		return strings.ReplaceAll(region, "-", "")
	}
	directions := strings.NewReplacer("north", "n", "south", "s", "east", "e", "west", "w", "central", "c")
	return parts[0] + directions.Replace(parts[1]) + parts[2]
}

// Regions returns the Regions served, in the order configured.
func (s *Service) Regions() []Region { return s.regions }

// Region returns the Region of that name.
func (s *Service) Region(name string) (Region, bool) {
	i := slices.IndexFunc(s.regions, func(r Region) bool { return r.Name == name })
	if i < 0 {
		return Region{}, false
	}
	return s.regions[i], true
}
