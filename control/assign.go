// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Assignment is what an interface is to get beside the addresses that it has.
// All of it is of one family.
type Assignment struct {
	Family    flow.Family
	Addresses []netip.Addr
	More      int  // further ones, any free ones
	Reassign  bool // take Addresses from the interfaces that have them as secondary ones
}

// held returns the interface's addresses of a family, for reading and changing.
func held(i *secgroup.Interface, f flow.Family) *[]netip.Addr {
	if f == flow.IPv6 {
		return &i.IPv6
	}
	return &i.Addresses
}

// blockOf returns the subnet's block of a family.
func blockOf(n *secgroup.Subnet, f flow.Family) (netip.Prefix, error) {
	switch block := ipv6Of(n); {
	case f == flow.IPv6 && !block.IsValid():
		return block, errNoIPv6Block
	case f == flow.IPv6:
		return block, nil
	case !n.CIDR.IsValid():
		return n.CIDR, errNoIPv4Block
	}
	return n.CIDR, nil
}

// AssignAddresses gives an interface further addresses, whatever its instance
// does, and returns them: those named, then those chosen. One that it has
// already is none more (docs/spec/ec2-api.md section 5.5).
//
// Errors: InvalidNetworkInterfaceID.NotFound, InvalidParameterValue,
// InvalidIPAddress.InUse, InsufficientFreeAddressesInSubnet,
// PrivateIpAddressLimitExceeded, OperationNotPermitted.
func (s *Service) AssignAddresses(ctx context.Context, caller Caller, iface string, a Assignment) (assigned []netip.Addr, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := ownInterface(tx, caller.Scope, iface)
		if err != nil {
			return err
		}
		block, err := blockOf(tx.Subnets.Get(was.Subnet), a.Family)
		if err != nil {
			return err
		}
		i := *was
		has := *held(&i, a.Family)
		var wanted []netip.Addr
		for _, addr := range a.Addresses {
			if slices.Contains(has, addr) {
				continue
			}
			if wanted = append(wanted, addr); a.Reassign {
				if err := takeAway(tx, caller.Scope, i.VPC, addr); err != nil {
					return err
				}
			}
		}
		added, err := fromBlock(tx, i.VPC, block, wanted, a.More)
		if err != nil {
			return err
		}
		*held(&i, a.Family) = slices.Concat(has, added)
		if err := roomFor(tx, &i); err != nil {
			return err
		}
		assigned = slices.Concat(a.Addresses, added[len(wanted):])
		tx.Interfaces.Put(&i)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return assigned, nil
}

// takeAway takes a secondary IPv4 address from the interface of the VPC that has
// it, if one does.
func takeAway(tx *model.Tx, scope secgroup.Scope, vpc string, addr netip.Addr) error {
	var owner *secgroup.Interface
	for i := range tx.Interfaces.By(model.ByAddress, model.AddressValue(vpc, addr.String())) {
		owner = i
	}
	if owner == nil {
		return nil
	}
	if _, err := ownInterface(tx, scope, owner.ID); err != nil {
		return err
	}
	if owner.Addresses[0] == addr {
		return secgroup.Errorf("InvalidParameterValue", "Address %s is the primary address of interface %s and cannot be reassigned", addr, owner.ID)
	}
	c := *owner
	c.Addresses = slices.DeleteFunc(slices.Clone(c.Addresses), func(a netip.Addr) bool { return a == addr })
	tx.Interfaces.Put(&c)
	return nil
}

// roomFor refuses more addresses than the type of the interface's instance
// allows, or than any type does while it has none.
func roomFor(tx *model.Tx, i *secgroup.Interface) error {
	limits := Limits{Interfaces: 1, IPv4: maxAddresses, IPv6: maxAddresses}
	name := ""
	if i.Attachment != nil {
		name = tx.Instances.Get(i.Attachment.Instance).Type
		limits, _ = InstanceTypeLimits(name)
	}
	return limits.check(name, 1, len(i.Addresses), len(i.IPv6))
}

// UnassignAddresses takes addresses of one family from an interface. The primary
// IPv4 address stays as long as the interface.
//
// Errors: InvalidNetworkInterfaceID.NotFound, InvalidParameterValue,
// OperationNotPermitted.
func (s *Service) UnassignAddresses(ctx context.Context, caller Caller, iface string, f flow.Family, addrs []netip.Addr) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := ownInterface(tx, caller.Scope, iface)
		if err != nil {
			return err
		}
		i := *was
		left := slices.Clone(*held(&i, f))
		for n, addr := range addrs {
			at := slices.Index(left, addr)
			switch {
			case at < 0 && slices.Contains(addrs[:n], addr): // named twice
			case at < 0:
				return secgroup.Errorf("InvalidParameterValue", "Some of the specified addresses are not assigned to interface %s", iface)
			case at == 0 && f == flow.IPv4:
				return secgroup.Errorf("InvalidParameterValue", "Address %s is the primary address of interface %s and cannot be unassigned", addr, iface)
			default:
				left = slices.Delete(left, at, at+1)
			}
		}
		*held(&i, f) = left
		tx.Interfaces.Put(&i)
		return nil
	})
}
