// SPDX-License-Identifier: Apache-2.0

package control

import (
	"maps"
	"slices"

	"github.com/hedgeward/hedgeward/secgroup"
)

// DefaultInstanceType is the type of an instance that was not given one.
const DefaultInstanceType = "netns.large"

// Limits is what an instance type allows (docs/spec/ec2-api.md section 5.6).
type Limits struct {
	Interfaces int
	IPv4, IPv6 int // addresses per interface
}

// typeLimits lists the instance types. Beyond these limits all types are alike:
// an instance has what its host has.
var typeLimits = func() map[string]Limits {
	limits := map[string]Limits{DefaultInstanceType: {15, maxAddresses, maxAddresses}}
	for _, l := range []struct {
		limits Limits
		types  []string
	}{
		{Limits{2, 2, 2}, []string{"t2.nano", "t2.micro", "t3.nano", "t3.micro", "t3a.nano", "t3a.micro"}},
		{Limits{3, 4, 4}, []string{"t2.small", "t3.small"}},
		{Limits{2, 4, 4}, []string{"t3a.small"}},
		{Limits{3, 6, 6}, []string{"t2.medium", "t3.medium", "t3a.medium"}},
		{Limits{3, 12, 12}, []string{"t2.large", "t3.large", "t3a.large"}},
		{Limits{3, 15, 15}, []string{"t2.xlarge", "t2.2xlarge"}},
		{Limits{4, 15, 15}, []string{"t3.xlarge", "t3.2xlarge", "t3a.xlarge", "t3a.2xlarge"}},
		{Limits{3, 10, 10}, []string{"m5.large", "m6i.large", "c5.large", "c6i.large"}},
		{Limits{4, 15, 15}, []string{
			"m5.xlarge", "m5.2xlarge", "m6i.xlarge", "m6i.2xlarge",
			"c5.xlarge", "c5.2xlarge", "c6i.xlarge", "c6i.2xlarge",
		}},
	} {
		for _, t := range l.types {
			limits[t] = l.limits
		}
	}
	return limits
}()

// InstanceTypeLimits returns the limits of an instance type; ok is false when
// there is no such type, and the limits then allow nothing.
func InstanceTypeLimits(name string) (limits Limits, ok bool) {
	limits, ok = typeLimits[name]
	return limits, ok
}

// check refuses an instance with that many interfaces, or an interface with that
// many addresses.
func (l Limits) check(name string, interfaces, ipv4, ipv6 int) error {
	if interfaces > l.Interfaces {
		return secgroup.Errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", interfaces, name)
	}
	if ipv4 > l.IPv4 || ipv6 > l.IPv6 {
		return errManyAddresses
	}
	return nil
}

// InstanceTypes returns the names of all instance types, sorted.
func InstanceTypes() []string { return slices.Sorted(maps.Keys(typeLimits)) }
