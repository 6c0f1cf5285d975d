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
	Further   int  // addresses, any free ones
	Reassign  bool // take Addresses and prefixes from the interfaces that have them as secondary ones
	Delegation
}

// Assigned is what an interface got: what was named, then what was chosen.
type Assigned struct {
	Addresses []netip.Addr
	Prefixes  []netip.Prefix
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

// AssignAddresses gives an interface further addresses and prefixes, whatever its
// instance does, and returns them. What it has already is none more
// (docs/spec/ec2-api.md section 5.5).
//
// Errors: InvalidNetworkInterfaceID.NotFound, InvalidParameterValue,
// InvalidIPAddress.InUse, InsufficientFreeAddressesInSubnet,
// InsufficientCidrBlocks, PrivateIpAddressLimitExceeded, OperationNotPermitted.
func (s *Service) AssignAddresses(ctx context.Context, caller Caller, iface string, a Assignment) (assigned Assigned, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := ownInterface(tx, caller.Scope, iface)
		if err != nil {
			return err
		}
		subnet := tx.Subnets.Get(was.Subnet)
		block, err := blockOf(subnet, a.Family)
		if err != nil {
			return err
		}
		i := *was
		has, hasPrefixes := *held(&i, a.Family), *heldPrefixes(&i, a.Family)
		addrs, err := news(a.Addresses, has, a.Reassign, func(addr netip.Addr) error { return takeAway(tx, caller.Scope, &i, addr) })
		if err != nil {
			return err
		}
		prefixes, err := news(a.Prefixes, hasPrefixes, a.Reassign, func(p netip.Prefix) error { return takePrefix(tx, caller.Scope, &i, p) })
		if err != nil {
			return err
		}
		added, err := fromBlock(tx, i.VPC, block, addrs, a.Further, prefixes)
		if err != nil {
			return err
		}
		*held(&i, a.Family) = slices.Concat(has, added)
		delegated, err := delegate(tx, subnet, block, *held(&i, a.Family), prefixes, a.More)
		if err != nil {
			return err
		}
		*heldPrefixes(&i, a.Family) = slices.Concat(hasPrefixes, delegated)
		if err := roomFor(tx, &i); err != nil {
			return err
		}
		assigned = Assigned{slices.Concat(a.Addresses, added[len(addrs):]), slices.Concat(a.Prefixes, delegated[len(prefixes):])}
		tx.Interfaces.Put(&i)
		return nil
	})
	if err != nil {
		return Assigned{}, err
	}
	return assigned, nil
}

// news returns what of wanted an interface does not have yet. With reassign it
// first takes that from where it is.
func news[T comparable](wanted, has []T, reassign bool, take func(T) error) ([]T, error) {
	var out []T
	for _, w := range wanted {
		if slices.Contains(has, w) {
			continue
		}
		if out = append(out, w); reassign {
			if err := take(w); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// ownerOf returns the other interface of the VPC that an index names, nil for
// none, if the scope may change it.
func ownerOf(tx *model.Tx, scope secgroup.Scope, to *secgroup.Interface, index, text string) (*secgroup.Interface, error) {
	for owner := range tx.Interfaces.By(index, model.AddressValue(to.VPC, text)) {
		return ownInterface(tx, scope, owner.ID)
	}
	return nil, nil
}

// takePrefix takes a delegated prefix from the other interface of the VPC that has
// it, if one does.
func takePrefix(tx *model.Tx, scope secgroup.Scope, to *secgroup.Interface, p netip.Prefix) error {
	owner, err := ownerOf(tx, scope, to, model.ByPrefix, p.String())
	if owner == nil {
		return err
	}
	c := *owner
	for _, f := range []flow.Family{flow.IPv4, flow.IPv6} {
		held := heldPrefixes(&c, f)
		*held = slices.DeleteFunc(slices.Clone(*held), func(q netip.Prefix) bool { return q == p })
	}
	tx.Interfaces.Put(&c)
	return nil
}

// takeAway takes a secondary IPv4 address from the other interface of the VPC that
// has it, if one does.
func takeAway(tx *model.Tx, scope secgroup.Scope, to *secgroup.Interface, addr netip.Addr) error {
	owner, err := ownerOf(tx, scope, to, model.ByAddress, addr.String())
	if owner == nil {
		return err
	}
	if owner.Addresses[0] == addr {
		return secgroup.Errorf("InvalidParameterValue", "Address %s is the primary address of interface %s and cannot be reassigned", addr, owner.ID)
	}
	c := *owner
	c.Addresses = slices.DeleteFunc(slices.Clone(c.Addresses), func(a netip.Addr) bool { return a == addr })
	freeElasticIP(tx, c.ID, addr)
	tx.Interfaces.Put(&c)
	return nil
}

// roomFor refuses more addresses than the type of the interface's instance
// allows, or than any type does while it has none.
func roomFor(tx *model.Tx, i *secgroup.Interface) error {
	limits := secgroup.InstanceLimits{Interfaces: 1, IPv4: maxAddresses, IPv6: maxAddresses}
	name := ""
	if i.Attachment != nil && i.Claimed() == nil {
		name = tx.Instances.Get(i.Attachment.Instance).Type
		limits, _ = secgroup.InstanceTypeLimits(name)
	}
	ipv4, ipv6 := slots(i)
	return checkLimits(limits, name, 1, ipv4, ipv6)
}

// UnassignAddresses takes addresses and prefixes of one family from an interface.
// The primary IPv4 address stays as long as the interface; a public address that
// stood for one is free again.
//
// Errors: InvalidNetworkInterfaceID.NotFound, InvalidParameterValue,
// OperationNotPermitted.
func (s *Service) UnassignAddresses(ctx context.Context, caller Caller, iface string, f flow.Family, gone Assigned) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := ownInterface(tx, caller.Scope, iface)
		if err != nil {
			return err
		}
		i := *was
		if has := *held(&i, f); f == flow.IPv4 && len(has) > 0 && slices.Contains(gone.Addresses, has[0]) {
			return secgroup.Errorf("InvalidParameterValue", "Address %s is the primary address of interface %s and cannot be unassigned", has[0], iface)
		}
		if *held(&i, f), err = without(*held(&i, f), gone.Addresses, "addresses", iface); err != nil {
			return err
		}
		if *heldPrefixes(&i, f), err = without(*heldPrefixes(&i, f), gone.Prefixes, "prefixes", iface); err != nil {
			return err
		}
		for _, addr := range gone.Addresses {
			freeElasticIP(tx, i.ID, addr)
		}
		tx.Interfaces.Put(&i)
		return nil
	})
}

// without returns has without gone, all of which must be there.
func without[T comparable](has, gone []T, noun, iface string) ([]T, error) {
	left := slices.DeleteFunc(slices.Clone(has), func(one T) bool { return slices.Contains(gone, one) })
	if slices.ContainsFunc(gone, func(one T) bool { return !slices.Contains(has, one) }) {
		return nil, secgroup.Errorf("InvalidParameterValue", "Some of the specified %s are not assigned to interface %s", noun, iface)
	}
	return left, nil
}
