// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"strconv"
	"strings"

	"github.com/hedgeward/hedgeward/secgroup"
)

// instanceFilters are those of DescribeInstances (docs/spec/ec2-api.md section
// 6.4). What no instance has matches nothing.
var instanceFilters = filters[inst]{
	names: withInterfaces(withShared(map[string]func(*inst) []string{
		"architecture":             one(func(*inst) string { return architecture }),
		"availability-zone-id":     ofPrimary("availability-zone-id"),
		"client-token":             some(func(in *inst) string { return in.ClientToken }),
		"dns-name":                 ofPrimary("association.public-dns-name"),
		"group-id":                 ofPrimary("group-id"),
		"group-name":               ofPrimary("group-name"),
		"hypervisor":               one(func(*inst) string { return hypervisor }),
		"image-id":                 one(func(in *inst) string { return in.Image }),
		"instance.group-id":        ofPrimary("group-id"),
		"instance.group-name":      ofPrimary("group-name"),
		"instance-id":              one(func(in *inst) string { return in.ID }),
		"instance-lifecycle":       func(*inst) []string { return nil },
		"instance-type":            one(func(in *inst) string { return in.Type }),
		"ip-address":               ofPrimary("association.public-ip"),
		"ipv6-address":             ofPrimary("ipv6-addresses.ipv6-address"),
		"key-name":                 some(func(in *inst) string { return in.KeyName }),
		"launch-index":             one(func(in *inst) string { return strconv.Itoa(in.LaunchIndex) }),
		"launch-time":              one(func(in *inst) string { return timeText(in.Launched) }),
		"monitoring-state":         one((*inst).monitoring),
		"owner-id":                 one(func(in *inst) string { return in.Account }),
		"platform":                 func(*inst) []string { return nil },
		"platform-details":         one(func(*inst) string { return "Linux/UNIX" }),
		"private-dns-name":         ofPrimary("private-dns-name"),
		"private-ip-address":       ofPrimary("private-ip-address"),
		"reason":                   some((*inst).transitionReason),
		"requester-id":             func(*inst) []string { return nil },
		"reservation-id":           one(func(in *inst) string { return in.Reservation }),
		"root-device-name":         one(func(*inst) string { return rootDeviceName }),
		"root-device-type":         one(func(*inst) string { return rootDeviceType }),
		"source-dest-check":        ofPrimary("source-dest-check"),
		"spot-instance-request-id": func(*inst) []string { return nil },
		"state-reason-code":        some(func(in *inst) string { code, _, _ := strings.Cut(in.Reason, ": "); return code }),
		"state-reason-message":     some(func(in *inst) string { return in.Reason }),
		"subnet-id":                some(func(in *inst) string { return in.Subnet }),
		"tenancy":                  one(func(*inst) string { return tenancy }),
		"virtualization-type":      one(func(*inst) string { return virtualization }),
		"vpc-id":                   some(func(in *inst) string { return in.VPC }),
	})),
	tags: func(in *inst) secgroup.Tags { return in.Tags },
}

// statusFilters are those of DescribeInstanceStatus.
var statusFilters = filters[inst]{names: withShared(map[string]func(*inst) []string{
	"event.code":                   func(*inst) []string { return nil },
	"instance-status.reachability": some(func(in *inst) string { _, detail := in.reachability(); return detail }),
	"instance-status.status":       one(func(in *inst) string { status, _ := in.reachability(); return status }),
	"system-status.reachability":   some(func(in *inst) string { _, detail := in.reachability(); return detail }),
	"system-status.status":         one(func(in *inst) string { status, _ := in.reachability(); return status }),
})}

// withShared adds the filters that both describes have.
func withShared(names map[string]func(*inst) []string) map[string]func(*inst) []string {
	maps.Copy(names, map[string]func(*inst) []string{
		"availability-zone":   one(func(in *inst) string { return in.Zone }),
		"instance-state-code": one(func(in *inst) string { return strconv.Itoa(int(in.State.Code())) }),
		"instance-state-name": one(func(in *inst) string { return string(in.State) }),
	})
	return names
}

// withInterfaces adds network-interface.X for every filter X of interfaces: it
// compares what any of the instance's interfaces has.
func withInterfaces(names map[string]func(*inst) []string) map[string]func(*inst) []string {
	for name, values := range interfaceFilters.names {
		of := func(in *inst) []string {
			var all []string
			for _, i := range in.interfaces {
				all = append(all, values(i)...)
			}
			return all
		}
		names["network-interface."+name] = of
	}
	return names
}

// ofPrimary is a filter of interfaces that looks at the primary one.
func ofPrimary(name string) func(*inst) []string {
	values := interfaceFilters.names[name]
	return func(in *inst) []string {
		if p := in.primary(); p != nil {
			return values(p)
		}
		return nil
	}
}
