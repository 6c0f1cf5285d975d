// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// SubnetRequest is what CreateSubnet is asked for. At least one block is valid.
type SubnetRequest struct {
	VPC    string
	CIDR   netip.Prefix // IPv4, canonical; invalid for a subnet with IPv6 only
	IPv6   netip.Prefix // canonical; invalid for a subnet without
	Zone   string       // name; the Region's first when this and ZoneID are empty
	ZoneID string       // id, when Zone is empty
	Tags   secgroup.Tags
}

// CreateSubnet makes a subnet (docs/spec/ec2-api.md section 4.3).
//
// Errors: InvalidVpcID.NotFound, InvalidParameterValue (zone),
// InvalidSubnet.Range, InvalidSubnet.Conflict, SubnetLimitExceeded,
// TagLimitExceeded.
func (s *Service) CreateSubnet(ctx context.Context, caller Caller, want SubnetRequest) (*secgroup.Subnet, error) {
	var made *secgroup.Subnet
	err := s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		v, err := findVPC(tx.Snapshot, caller.Scope, want.VPC)
		if err != nil {
			return err
		}
		zone, err := s.zone(caller.Region, want.Zone, want.ZoneID)
		if err != nil {
			return err
		}
		made = &secgroup.Subnet{
			Scope: caller.Scope, ID: newID("subnet"), VPC: v.ID, CIDR: want.CIDR, Zone: zone.Name, ZoneID: zone.ID,
			IPv6Native: !want.CIDR.IsValid(), Tags: want.Tags, Created: s.now().UTC(),
		}
		made.AssignIPv6OnCreate = made.IPv6Native // its interfaces would have no address otherwise
		if want.IPv6.IsValid() {
			made.IPv6 = &secgroup.CIDRAssociation{ID: newID("subnet-cidr-assoc"), Prefix: want.IPv6}
		}
		if err := fits(tx, v, made); err != nil {
			return err
		}
		count := 0
		for range tx.Subnets.By(model.ByVPC, v.ID) {
			count++
		}
		if count >= s.quotas(tx.Snapshot, caller.Scope).SubnetsPerVPC {
			return errManySubnets
		}
		if err := s.checkTagCount(want.Tags); err != nil {
			return err
		}
		tx.Subnets.Put(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

var errManySubnets = secgroup.Errorf("SubnetLimitExceeded", "The maximum number of subnets has been reached.")

// zone returns the Region's zone of that name or, when name is empty, of that
// id; the first one when both are.
func (s *Service) zone(region, name, id string) (Zone, error) {
	r, _ := s.Region(region)
	parameter, value, of := "availabilityZone", name, func(z Zone) string { return z.Name }
	if name == "" {
		if id == "" && len(r.Zones) > 0 {
			return r.Zones[0], nil
		}
		parameter, value, of = "availabilityZoneId", id, func(z Zone) string { return z.ID }
	}
	offered := make([]string, len(r.Zones))
	for i, z := range r.Zones {
		if offered[i] = of(z); offered[i] == value {
			return z, nil
		}
	}
	return Zone{}, secgroup.Errorf("InvalidParameterValue",
		"Value (%s) for parameter %s is invalid. Subnets can currently only be created in the following availability zones: %s.",
		value, parameter, strings.Join(offered, ", "))
}

// fits reports why a subnet, new or changed, has no place in the VPC: its blocks must be
// within the VPC's and overlap no other subnet's.
func fits(tx *model.Tx, v *secgroup.VPC, n *secgroup.Subnet) error {
	families := []struct {
		block  netip.Prefix
		within []secgroup.CIDRAssociation
		length bool // whether the block has a length that subnets may have
	}{
		{n.CIDR, v.CIDRs, validBits(n.CIDR)},
		{ipv6Of(n), v.IPv6, validBitsIPv6(ipv6Of(n))},
	}
	for _, f := range families {
		if f.block.IsValid() && (!f.length || !slices.ContainsFunc(f.within, func(a secgroup.CIDRAssociation) bool {
			return a.Prefix.Bits() <= f.block.Bits() && a.Prefix.Contains(f.block.Addr())
		})) {
			return secgroup.Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", f.block)
		}
	}
	for other := range tx.Subnets.By(model.ByVPC, v.ID) {
		if other.ID == n.ID {
			continue // a block that it has already stays out of its own way
		}
		for _, f := range families {
			// An invalid block overlaps nothing.
			if f.block.Overlaps(other.CIDR) || f.block.Overlaps(ipv6Of(other)) {
				return secgroup.Errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", f.block)
			}
		}
	}
	return nil
}

// validBitsIPv6 reports whether a subnet may have an IPv6 block of that length.
func validBitsIPv6(p netip.Prefix) bool { return p.Bits() >= 44 && p.Bits() <= 64 && p.Bits()%4 == 0 }

// ipv6Of returns the subnet's IPv6 block, an invalid prefix when it has none.
func ipv6Of(n *secgroup.Subnet) netip.Prefix {
	if n.IPv6 == nil {
		return netip.Prefix{}
	}
	return n.IPv6.Prefix
}

// Subnets returns the caller's subnets of these ids, or all of the scope when
// there are none.
//
// Errors: InvalidSubnetID.NotFound.
func Subnets(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.Subnet, error) {
	return rowsOrAll(&snap.Subnets, scope, ids, noSubnet, func(n *secgroup.Subnet) bool { return n.Scope == scope })
}

// reservedAddresses is how many addresses of a subnet's IPv4 block interfaces
// never get: the first four and the last.
const reservedAddresses = 5

// FreeAddresses returns how many IPv4 addresses of the subnet new interfaces
// could still get.
func FreeAddresses(snap *model.Snapshot, n *secgroup.Subnet) int {
	if !n.CIDR.IsValid() {
		return 0
	}
	free := 1<<(32-n.CIDR.Bits()) - reservedAddresses
	for i := range snap.Interfaces.By(model.BySubnet, n.ID) {
		free -= len(i.Addresses) + len(i.Prefixes)<<(32-delegatedIPv4)
	}
	return free
}

// DeleteSubnet removes a subnet that no interface is in.
//
// Errors: InvalidSubnetID.NotFound, DependencyViolation.
func (s *Service) DeleteSubnet(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		n, err := subnetOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		if tx.Interfaces.Has(model.BySubnet, id) {
			return secgroup.Errorf("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", id)
		}
		forgetSubnet(tx, n)
		tx.Subnets.Delete(id)
		return nil
	})
}
