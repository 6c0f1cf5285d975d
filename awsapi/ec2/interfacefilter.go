// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

var interfacePaging = paging{
	operation: "DescribeNetworkInterfaces", min: 5, max: 1000,
	withIDs: "The parameter NetworkInterfaceIds cannot be used with the parameter MaxResults",
}

// describeNetworkInterfaces is section 5.2 of docs/spec/ec2-api.md.
func (s *Service) describeNetworkInterfaces(c *awsapi.Call, in *ec2types.DescribeNetworkInterfacesRequest) (func(context.Context) (*ec2types.DescribeNetworkInterfacesResult, error), error) {
	for _, id := range in.NetworkInterfaceIds {
		if err := interfaceID(&id); err != nil {
			return nil, err
		}
	}
	cursor, err := interfacePaging.cursor(c.Scope(), in, len(in.NetworkInterfaceIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := interfaceFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeNetworkInterfacesResult, error) {
		snap := s.control.Read()
		rows, err := control.Interfaces(snap, c.Scope(), in.NetworkInterfaceIds...)
		if err != nil {
			return nil, err
		}
		inForce := s.control.InForce(snap)
		interfaces := each(rows, func(i *secgroup.Interface) *iface { return &iface{i, snap, inForce(i)} })
		out := &ec2types.DescribeNetworkInterfacesResult{}
		out.NetworkInterfaces, out.NextToken = list(cursor, interfaces, match,
			func(i *iface) string { return sortKey(i.Created, i.ID) }, showInterface)
		return out, nil
	}, nil
}

// interfaceFilters are those of DescribeNetworkInterfaces. Properties that no
// interface has match nothing.
var interfaceFilters = filters[iface]{
	names: withAttachment(map[string]func(*iface) []string{
		"availability-zone":    one(func(i *iface) string { return i.subnet().Zone }),
		"availability-zone-id": one(func(i *iface) string { return i.subnet().ZoneID }),
		"description":          one(func(i *iface) string { return i.Description }),
		"group-id":             func(i *iface) []string { return i.Groups },
		"group-name":           (*iface).groupNames,
		"interface-type":       one(func(i *iface) string { return i.kind() }),
		"mac-address":          one(func(i *iface) string { return i.MAC }),
		"network-interface-id": one(func(i *iface) string { return i.ID }),
		"owner-id":             one(func(i *iface) string { return i.Account }),
		"private-dns-name":     some((*iface).privateDNSName),
		"private-ip-address":   some((*iface).primary),
		"requester-id":         one((*iface).requester),
		"requester-managed":    one(func(i *iface) string { return strconv.FormatBool(i.Requester != "") }),
		"source-dest-check":    one(func(i *iface) string { return strconv.FormatBool(i.SourceDestCheck) }),
		"status":               one((*iface).status),
		"subnet-id":            one(func(i *iface) string { return i.Subnet }),
		"vpc-id":               one(func(i *iface) string { return i.VPC }),

		"addresses.private-ip-address":    func(i *iface) []string { return texts(i.Addresses) },
		"addresses.primary":               (*iface).primaries,
		"addresses.association.public-ip": associatedAddress,
		"addresses.association.owner-id":  associatedOwner,
		"association.allocation-id":       associatedHold,
		"association.association-id":      associatedTie,
		"association.ip-owner-id":         associatedOwner,
		"association.public-dns-name":     associatedName,
		"association.public-ip":           associatedAddress,
		"ipv4-prefixes.ipv4-prefix":       func(i *iface) []string { return each(i.Prefixes, netip.Prefix.String) },
		"ipv6-prefixes.ipv6-prefix":       func(i *iface) []string { return each(i.IPv6Prefixes, netip.Prefix.String) },
		"ipv6-addresses.ipv6-address":     func(i *iface) []string { return texts(i.IPv6) },
		"operator.managed":                one(func(*iface) string { return "false" }),
		"operator.principal":              none,
	}),
	tags: (*iface).tags,
}

// withAttachment adds the filters that look at an attachment; an interface
// without one has none of these properties.
func withAttachment(names map[string]func(*iface) []string) map[string]func(*iface) []string {
	for name, of := range map[string]func(*secgroup.Interface) string{
		"attachment-id":         func(i *secgroup.Interface) string { return i.Attachment.ID },
		"instance-id":           func(i *secgroup.Interface) string { return i.Attachment.Instance },
		"instance-owner-id":     func(i *secgroup.Interface) string { return i.Account },
		"device-index":          func(i *secgroup.Interface) string { return strconv.Itoa(i.Attachment.DeviceIndex) },
		"status":                func(i *secgroup.Interface) string { return attachmentStatus(i.Attachment) },
		"delete-on-termination": func(i *secgroup.Interface) string { return strconv.FormatBool(i.Attachment.DeleteOnTermination) },
		"attach-time":           func(i *secgroup.Interface) string { return timeText(i.Attachment.Attached) },
	} {
		names["attachment."+name] = func(i *iface) []string {
			if i.Attachment == nil || name == "instance-id" && i.Attachment.Instance == "" {
				return nil
			}
			return []string{of(i.Interface)}
		}
	}
	return names
}

func none(*iface) []string { return nil }

// primaries returns what addresses.primary compares: one value per address.
func (i *iface) primaries() []string {
	var values []string
	for n := range i.Addresses {
		values = append(values, strconv.FormatBool(n == 0))
	}
	return values
}

func texts(addresses []netip.Addr) []string {
	return each(addresses, netip.Addr.String)
}

// timeText is a time as results and filters spell it.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
