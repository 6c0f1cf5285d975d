// SPDX-License-Identifier: Apache-2.0

package control

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Addressing is what addresses an interface is to have. The zero Addressing is
// one IPv4 address, and one IPv6 address if the subnet gives them to new
// interfaces.
type Addressing struct {
	Primary   netip.Addr   // IPv4; zero for any free one
	Secondary []netip.Addr // IPv4
	MoreIPv4  int          // further IPv4 addresses, any free ones
	IPv6      []netip.Addr
	MoreIPv6  *int // IPv6 addresses, any free ones; nil with no IPv6 leaves it to the subnet

	Delegated [flow.NumFamilies]Delegation
}

// Delegation is what prefixes of one family an interface is to have.
type Delegation struct {
	Prefixes []netip.Prefix
	More     int // further ones, any free ones
}

// fixed reports whether a particular address is asked for: only one interface
// can have it.
func (a *Addressing) fixed() bool {
	return a.Primary.IsValid() || len(a.Secondary) > 0 || len(a.IPv6) > 0 ||
		len(a.Delegated[flow.IPv4].Prefixes) > 0 || len(a.Delegated[flow.IPv6].Prefixes) > 0
}

// Prefixed reports whether there are to be delegated prefixes.
func (a *Addressing) Prefixed() bool {
	return slices.ContainsFunc(a.Delegated[:], func(d Delegation) bool { return len(d.Prefixes)+d.More > 0 })
}

// maxAddresses is the number of addresses per family that an interface can have
// while no instance type limits it further.
const maxAddresses = 50

var (
	errNoIPv4Block = secgroup.Errorf("InvalidParameterValue", "The subnet does not have an IPv4 CIDR block associated")
	errNoIPv6Block = secgroup.Errorf("InvalidParameterValue", "The subnet does not have an IPv6 CIDR block associated")
)

var errManyAddresses = secgroup.Errorf("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")

// addresses chooses the addresses of a new interface in subnet, the IPv4 primary
// first. Nothing in the subnet and not the same address twice: addresses are
// unique in a VPC (docs/spec/ec2-api.md section 5.1).
func addresses(tx *model.Tx, subnet *secgroup.Subnet, a *Addressing) (ipv4, ipv6 []netip.Addr, err error) {
	if !subnet.CIDR.IsValid() {
		if a.Primary.IsValid() || len(a.Secondary) > 0 || a.MoreIPv4 > 0 {
			return nil, nil, errNoIPv4Block
		}
	} else {
		wanted := a.Secondary
		if a.Primary.IsValid() {
			wanted = slices.Concat([]netip.Addr{a.Primary}, a.Secondary)
		}
		more := a.MoreIPv4
		if !a.Primary.IsValid() {
			more++
		}
		if ipv4, err = fromBlock(tx, subnet.VPC, subnet.CIDR, wanted, more, a.Delegated[flow.IPv4].Prefixes); err != nil {
			return nil, nil, err
		}
		if !a.Primary.IsValid() { // the chosen ones come last
			first := len(a.Secondary)
			ipv4[0], ipv4[first] = ipv4[first], ipv4[0]
		}
	}
	more := 0
	switch {
	case a.MoreIPv6 != nil:
		more = *a.MoreIPv6
	case len(a.IPv6) == 0 && subnet.IPv6 != nil && (subnet.AssignIPv6OnCreate || subnet.IPv6Native):
		more = 1
	}
	if more == 0 && len(a.IPv6) == 0 {
		return ipv4, nil, nil
	}
	if subnet.IPv6 == nil {
		return nil, nil, errNoIPv6Block
	}
	ipv6, err = fromBlock(tx, subnet.VPC, subnet.IPv6.Prefix, a.IPv6, more, a.Delegated[flow.IPv6].Prefixes)
	return ipv4, ipv6, err
}

// delegations chooses the prefixes of a new interface that has the addresses.
func delegations(tx *model.Tx, subnet *secgroup.Subnet, a *Addressing, i *secgroup.Interface) (err error) {
	for _, f := range []flow.Family{flow.IPv4, flow.IPv6} {
		d := a.Delegated[f]
		if len(d.Prefixes)+d.More == 0 {
			continue
		}
		block, err := blockOf(subnet, f)
		if err != nil {
			return err
		}
		if *heldPrefixes(i, f), err = delegate(tx, subnet, block, *held(i, f), d.Prefixes, d.More); err != nil {
			return err
		}
	}
	return nil
}

// fromBlock returns the wanted addresses, checked, and more free ones after
// them, which are in none of the prefixes that the interface is to have, too.
func fromBlock(tx *model.Tx, vpc string, block netip.Prefix, wanted []netip.Addr, more int, avoid []netip.Prefix) ([]netip.Addr, error) {
	if len(wanted)+more > maxAddresses {
		return nil, errManyAddresses
	}
	var out []netip.Addr
	for _, a := range wanted {
		switch {
		case !block.Contains(a):
			return nil, secgroup.Errorf("InvalidParameterValue", "Address %s does not fall within the subnet's address range", a)
		case reserved(block, a):
			return nil, secgroup.Errorf("InvalidParameterValue", "Address %s is in subnet's reserved address range", a)
		case slices.Contains(out, a):
			return nil, secgroup.Errorf("InvalidParameterValue", "Address %s is specified more than once", a)
		case taken(tx, vpc, a):
			return nil, errAddressInUse
		}
		out = append(out, a)
	}
	for range more {
		a, ok := drawAddress(block, func(a netip.Addr) bool {
			return !slices.Contains(out, a) && !taken(tx, vpc, a) && !slices.ContainsFunc(avoid, func(p netip.Prefix) bool { return p.Contains(a) })
		})
		if !ok {
			return nil, errNoFreeAddress
		}
		out = append(out, a)
	}
	return out, nil
}

var errNoFreeAddress = secgroup.Errorf("InsufficientFreeAddressesInSubnet",
	"The specified subnet does not have enough free addresses to satisfy the request.")

// The first four addresses of a block and its last belong to the network.
const (
	reservedFirst = 4
	reservedLast  = 1
)

// reserved reports whether a, an address of block, belongs to the network.
func reserved(block netip.Prefix, a netip.Addr) bool {
	for n := range uint64(reservedFirst) {
		if a == nth(block, n) {
			return true
		}
	}
	return !block.Contains(a.Next())
}

// probes is how often drawAddress guesses before it searches. A block that is
// seven eighths full defeats all guesses once in ten draws.
const probes = 16

// drawAddress returns an address of block that is not reserved and free. It draws
// at random, as EC2's addresses look, and searches from a random place when the
// block is nearly full. ok is false when the block is full.
func drawAddress(block netip.Prefix, isFree func(netip.Addr) bool) (a netip.Addr, ok bool) {
	free := func(n uint64) bool {
		a = nth(block, reservedFirst+n)
		return isFree(a)
	}
	// Of an IPv6 block only the last 63 bits vary: no store holds so many.
	bits := min(block.Addr().BitLen()-block.Bits(), 63)
	size := uint64(1) << bits
	if size <= reservedFirst+reservedLast {
		return netip.Addr{}, false
	}
	size -= reservedFirst + reservedLast
	for range probes {
		if free(random() % size) {
			return a, true
		}
	}
	start := random() % size
	for n := range size {
		if free((start + n) % size) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

func random() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// nth returns the n-th address of block, counted from 0; n fits the block.
func nth(block netip.Prefix, n uint64) netip.Addr {
	b := block.Masked().Addr().As16()
	low := binary.BigEndian.Uint64(b[8:])
	binary.BigEndian.PutUint64(b[8:], low+n)
	if a := netip.AddrFrom16(b); block.Addr().Is6() {
		return a
	}
	return netip.AddrFrom16(b).Unmap()
}

// taken reports whether an interface of the VPC has the address, by itself or in a
// delegated prefix.
func taken(tx *model.Tx, vpc string, a netip.Addr) bool {
	around, _ := a.Prefix(delegatedBits(a))
	return tx.Interfaces.Has(model.ByAddress, model.AddressValue(vpc, a.String())) ||
		tx.Interfaces.Has(model.ByPrefix, model.AddressValue(vpc, around.String()))
}

// freeMAC returns a locally administered hardware address that is unique in the
// VPC.
func freeMAC(tx *model.Tx, vpc string) string {
	for {
		var b [5]byte
		rand.Read(b[:])
		mac := fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
		if !tx.Interfaces.Has(model.ByMAC, model.AddressValue(vpc, mac)) {
			return mac
		}
	}
}
