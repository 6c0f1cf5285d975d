// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"maps"
	"slices"
)

// InstanceLimits is what an instance type allows. The zero value allows nothing.
type InstanceLimits struct {
	Interfaces int
	IPv4, IPv6 int // addresses per interface
	// TrackedFlows is how many flows all interfaces of an instance may track at
	// once (docs/spec/packet-semantics.md section 3.8).
	TrackedFlows int
}

// DefaultInstanceType is the type of an instance that was not given one.
const DefaultInstanceType = "netns.large"

// typeLimits lists the instance types. Beyond these limits all types are alike:
// an instance has what its host has (docs/spec/ec2-api.md section 5.6).
var typeLimits = func() map[string]InstanceLimits {
	limits := map[string]InstanceLimits{}
	for _, l := range []struct {
		limits InstanceLimits
		types  []string
	}{
		{InstanceLimits{15, 50, 50, 136_812}, []string{DefaultInstanceType}},
		{InstanceLimits{2, 2, 2, 19_239}, []string{"t2.nano", "t2.micro", "t3.nano", "t3.micro", "t3a.nano", "t3a.micro"}},
		{InstanceLimits{3, 4, 4, 38_478}, []string{"t2.small", "t3.small"}},
		{InstanceLimits{2, 4, 4, 38_478}, []string{"t3a.small"}},
		{InstanceLimits{3, 6, 6, 76_957}, []string{"t2.medium", "t3.medium", "t3a.medium"}},
		{InstanceLimits{3, 12, 12, 76_957}, []string{"t2.large", "t3.large", "t3a.large"}},
		{InstanceLimits{3, 15, 15, 136_812}, []string{"t2.xlarge", "t2.2xlarge"}},
		{InstanceLimits{4, 15, 15, 136_812}, []string{"t3.xlarge", "t3.2xlarge", "t3a.xlarge", "t3a.2xlarge"}},
		{InstanceLimits{3, 10, 10, 76_957}, []string{"m5.large", "m6i.large", "c5.large", "c6i.large"}},
		{InstanceLimits{4, 15, 15, 136_812}, []string{
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
func InstanceTypeLimits(name string) (limits InstanceLimits, ok bool) {
	limits, ok = typeLimits[name]
	return limits, ok
}

// InstanceTypes returns the names of all instance types, sorted.
func InstanceTypes() []string { return slices.Sorted(maps.Keys(typeLimits)) }
