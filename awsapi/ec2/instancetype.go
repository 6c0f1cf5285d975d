// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// kind is an instance type.
type kind struct {
	name string
	secgroup.InstanceLimits
}

func instanceKinds() []*kind {
	return each(secgroup.InstanceTypes(), func(name string) *kind {
		limits, _ := secgroup.InstanceTypeLimits(name)
		return &kind{name, limits}
	})
}

// processors and memory are the host's: no instance has less.
func processors() int { return runtime.NumCPU() }

func memoryMiB() int64 {
	var host syscall.Sysinfo_t
	if err := syscall.Sysinfo(&host); err != nil {
		return 0
	}
	return int64(uint64(host.Totalram) * uint64(host.Unit) >> 20)
}

// ofEveryKind is a property that all instance types share.
func ofEveryKind(text string) func(*kind) []string { return one(func(*kind) string { return text }) }

var kindFilters = filters[kind]{names: map[string]func(*kind) []string{
	"auto-recovery-supported":                   ofEveryKind("false"),
	"bare-metal":                                ofEveryKind("false"),
	"burstable-performance-supported":           ofEveryKind("false"),
	"current-generation":                        ofEveryKind("true"),
	"dedicated-hosts-supported":                 ofEveryKind("false"),
	"free-tier-eligible":                        ofEveryKind("false"),
	"hibernation-supported":                     ofEveryKind("false"),
	"hypervisor":                                ofEveryKind(hypervisor),
	"instance-storage-supported":                ofEveryKind("false"),
	"instance-type":                             one(func(k *kind) string { return k.name }),
	"memory-info.size-in-mib":                   one(func(*kind) string { return strconv.FormatInt(memoryMiB(), 10) }),
	"network-info.ena-support":                  ofEveryKind("supported"),
	"network-info.ipv4-addresses-per-interface": one(func(k *kind) string { return strconv.Itoa(k.IPv4) }),
	"network-info.ipv6-addresses-per-interface": one(func(k *kind) string { return strconv.Itoa(k.IPv6) }),
	"network-info.ipv6-supported":               ofEveryKind("true"),
	"network-info.maximum-network-cards":        ofEveryKind("1"),
	"network-info.maximum-network-interfaces":   one(func(k *kind) string { return strconv.Itoa(k.Interfaces) }),
	"processor-info.supported-architecture":     ofEveryKind(architecture),
	"supported-root-device-type":                ofEveryKind(rootDeviceType),
	"supported-usage-class":                     ofEveryKind(onDemand),
	"supported-virtualization-type":             ofEveryKind(virtualization),
	"vcpu-info.default-cores":                   one(func(*kind) string { return strconv.Itoa(processors()) }),
	"vcpu-info.default-threads-per-core":        ofEveryKind("1"),
	"vcpu-info.default-vcpus":                   one(func(*kind) string { return strconv.Itoa(processors()) }),
}}

const onDemand = "on-demand"

var kindPaging = paging{
	operation: "DescribeInstanceTypes", min: 5, max: 100,
	withIDs: "The parameter instanceTypes cannot be used with the parameter maxResults",
}

// describeInstanceTypes shows what types differ in: how many interfaces and
// addresses an instance may have (docs/spec/ec2-api.md section 5.6).
func (s *Service) describeInstanceTypes(c *awsapi.Call, in *ec2types.DescribeInstanceTypesRequest) (func(context.Context) (*ec2types.DescribeInstanceTypesResult, error), error) {
	cursor, err := kindPaging.cursor(c.Scope(), in, len(in.InstanceTypes) > 0)
	if err != nil {
		return nil, err
	}
	match, err := kindFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeInstanceTypesResult, error) {
		var unknown []string
		for _, name := range in.InstanceTypes {
			if _, ok := secgroup.InstanceTypeLimits(name); !ok {
				unknown = append(unknown, name)
			}
		}
		if unknown != nil {
			return nil, secgroup.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(unknown, ", "))
		}
		rows := slices.DeleteFunc(instanceKinds(), func(k *kind) bool {
			return len(in.InstanceTypes) > 0 && !slices.Contains(in.InstanceTypes, k.name)
		})
		out := &ec2types.DescribeInstanceTypesResult{}
		out.InstanceTypes, out.NextToken = list(cursor, rows, match, func(k *kind) string { return k.name }, showKind)
		return out, nil
	}, nil
}

func showKind(k *kind) ec2types.InstanceTypeInfo {
	cores, interfaces := int32(processors()), int32(k.Interfaces)
	const performance = "that of the host"
	return ec2types.InstanceTypeInfo{
		InstanceType: &k.name, CurrentGeneration: new(true), FreeTierEligible: new(false), BareMetal: new(false), Hypervisor: new(hypervisor),
		AutoRecoverySupported: new(false), BurstablePerformanceSupported: new(false), DedicatedHostsSupported: new(false),
		HibernationSupported: new(false), InstanceStorageSupported: new(false), NitroEnclavesSupport: new("unsupported"),
		SupportedUsageClasses: []string{onDemand}, SupportedRootDeviceTypes: []string{rootDeviceType},
		SupportedVirtualizationTypes: []string{virtualization}, SupportedBootModes: []string{},
		ProcessorInfo:      &ec2types.ProcessorInfo{SupportedArchitectures: []string{architecture}},
		VCpuInfo:           &ec2types.VCpuInfo{DefaultVCpus: &cores, DefaultCores: &cores, DefaultThreadsPerCore: new(int32(1))},
		MemoryInfo:         &ec2types.MemoryInfo{SizeInMiB: new(memoryMiB())},
		EbsInfo:            &ec2types.EbsInfo{EbsOptimizedSupport: new("unsupported"), EncryptionSupport: new("unsupported"), NvmeSupport: new("unsupported")},
		PlacementGroupInfo: &ec2types.PlacementGroupInfo{SupportedStrategies: []string{}},
		NetworkInfo: &ec2types.NetworkInfo{
			MaximumNetworkInterfaces: &interfaces, Ipv4AddressesPerInterface: new(int32(k.IPv4)), Ipv6AddressesPerInterface: new(int32(k.IPv6)),
			Ipv6Supported: new(true), EnaSupport: new("supported"), EfaSupported: new(false), EnaSrdSupported: new(false),
			EncryptionInTransitSupported: new(false), MaximumNetworkCards: new(int32(1)), DefaultNetworkCardIndex: new(int32(0)),
			NetworkPerformance: new(performance),
			NetworkCards: []ec2types.NetworkCardInfo{{
				NetworkCardIndex: new(int32(0)), MaximumNetworkInterfaces: &interfaces, NetworkPerformance: new(performance),
			}},
		},
	}
}

// offering is an instance type at a place where it can be had.
type offering struct{ kind, location string }

var offeringFilters = filters[offering]{names: map[string]func(*offering) []string{
	"instance-type": one(func(o *offering) string { return o.kind }),
	"location":      one(func(o *offering) string { return o.location }),
}}

var offeringPaging = paging{operation: "DescribeInstanceTypeOfferings", min: 5, max: 1000}

// describeInstanceTypeOfferings shows every type in every place of the Region.
func (s *Service) describeInstanceTypeOfferings(c *awsapi.Call, in *ec2types.DescribeInstanceTypeOfferingsRequest) (func(context.Context) (*ec2types.DescribeInstanceTypeOfferingsResult, error), error) {
	if err := checkEnumeration("locationType", deref(in.LocationType), "LocationType"); err != nil {
		return nil, err
	}
	cursor, err := offeringPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	match, err := offeringFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeInstanceTypeOfferingsResult, error) {
		region, _ := s.control.Region(c.Region)
		by, places := "region", []string{c.Region}
		switch given := deref(in.LocationType); given {
		case "availability-zone":
			by, places = given, each(region.Zones, func(z control.Zone) string { return z.Name })
		case "availability-zone-id":
			by, places = given, each(region.Zones, func(z control.Zone) string { return z.ID })
		case "outpost":
			by, places = given, nil
		}
		var rows []*offering
		for _, place := range places {
			for _, name := range secgroup.InstanceTypes() {
				rows = append(rows, &offering{name, place})
			}
		}
		out := &ec2types.DescribeInstanceTypeOfferingsResult{}
		out.InstanceTypeOfferings, out.NextToken = list(cursor, rows, match, func(o *offering) string { return o.kind + " " + o.location },
			func(o *offering) ec2types.InstanceTypeOffering {
				return ec2types.InstanceTypeOffering{InstanceType: &o.kind, Location: &o.location, LocationType: &by}
			})
		return out, nil
	}, nil
}
