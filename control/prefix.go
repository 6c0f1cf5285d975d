// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The lengths of delegated prefixes (docs/spec/packet-semantics.md section 1.1).
const (
	delegatedIPv4 = 28
	delegatedIPv6 = 80
)

// delegatedBits returns the length of delegated prefixes of an address's family.
func delegatedBits(a netip.Addr) int {
	if a.Is4() {
		return delegatedIPv4
	}
	return delegatedIPv6
}

// heldPrefixes returns the interface's prefixes of a family, for reading and
// changing.
func heldPrefixes(i *secgroup.Interface, f flow.Family) *[]netip.Prefix {
	if f == flow.IPv6 {
		return &i.IPv6Prefixes
	}
	return &i.Prefixes
}

// slots returns how many addresses of each family an interface has in the eyes of
// its instance's type: a prefix counts like one.
func slots(i *secgroup.Interface) (ipv4, ipv6 int) {
	return len(i.Addresses) + len(i.Prefixes), len(i.IPv6) + len(i.IPv6Prefixes)
}

var (
	errNoFreePrefix = secgroup.Errorf("InsufficientCidrBlocks",
		"The specified subnet does not have enough free cidr blocks to satisfy the request.")
	errAddressInUse = secgroup.Errorf("InvalidIPAddress.InUse", "The specified address is already in use")
)

// delegate returns the wanted prefixes of a subnet's block, checked, and more free
// ones after them. own are addresses of the interface that is to get them, which
// need not be stored yet.
func delegate(tx *model.Tx, n *secgroup.Subnet, block netip.Prefix, own []netip.Addr, wanted []netip.Prefix, more int) ([]netip.Prefix, error) {
	if len(wanted)+more == 0 {
		return nil, nil
	}
	if len(own)+len(wanted)+more > maxAddresses {
		return nil, errManyAddresses
	}
	bits := delegatedBits(block.Addr())
	if block.Bits() > bits {
		return nil, errNoFreePrefix
	}
	used := map[netip.Prefix]bool{} // by an address inside, or whole
	use := func(addrs []netip.Addr) {
		for _, a := range addrs {
			around, _ := a.Prefix(bits)
			used[around] = true
		}
	}
	use(own)
	for i := range tx.Interfaces.By(model.BySubnet, n.ID) {
		use(i.Addresses)
		use(i.IPv6)
		for _, p := range slices.Concat(i.Prefixes, i.IPv6Prefixes) {
			used[p] = true
		}
	}
	var out []netip.Prefix
	for _, p := range wanted {
		switch {
		case p.Bits() != bits || p != p.Masked():
			return nil, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter prefix is invalid. Expecting a block of length /%d.", p, bits)
		case !block.Contains(p.Addr()):
			return nil, secgroup.Errorf("InvalidParameterValue", "Prefix %s does not fall within the subnet's address range", p)
		case reservedPrefix(block, p):
			return nil, secgroup.Errorf("InvalidParameterValue", "Prefix %s is in subnet's reserved address range", p)
		case slices.Contains(out, p):
			return nil, secgroup.Errorf("InvalidParameterValue", "Prefix %s is specified more than once", p)
		case used[p]:
			return nil, errAddressInUse
		}
		used[p] = true
		out = append(out, p)
	}
	for range more {
		p, ok := freePrefix(block, bits, used)
		if !ok {
			return nil, errNoFreePrefix
		}
		used[p] = true
		out = append(out, p)
	}
	return out, nil
}

// reservedPrefix reports whether a prefix in block holds an address that belongs
// to the network: the first and the last one do.
func reservedPrefix(block, p netip.Prefix) bool {
	return p.Addr() == block.Masked().Addr() || !block.Contains(lastOf(p).Next())
}

// lastOf returns the last address of a block.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As16()
	from := 128 - (p.Addr().BitLen() - p.Bits())
	for bit := from; bit < 128; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	if a := netip.AddrFrom16(b); p.Addr().Is6() {
		return a
	}
	return netip.AddrFrom16(b).Unmap()
}

// freePrefix returns a prefix of block that is neither reserved nor used, drawn
// at random as addresses are; ok is false when there is none.
func freePrefix(block netip.Prefix, bits int, used map[netip.Prefix]bool) (p netip.Prefix, ok bool) {
	size := uint64(1) << min(bits-block.Bits(), 32)
	if size <= 2 {
		return netip.Prefix{}, false
	}
	start := random() % size
	for n := range size {
		p = nthPrefix(block, bits, (start+n)%size)
		if !used[p] && !reservedPrefix(block, p) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// nthPrefix returns the n-th prefix of that length in block, counted from 0.
func nthPrefix(block netip.Prefix, bits int, n uint64) netip.Prefix {
	b := block.Masked().Addr().As16()
	last := 128 - (block.Addr().BitLen() - bits) // bits of b before the prefix's own
	for bit := last - 1; n > 0; bit-- {
		if n&1 == 1 {
			b[bit/8] |= 0x80 >> (bit % 8)
		}
		n >>= 1
	}
	a := netip.AddrFrom16(b)
	if !block.Addr().Is6() {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits)
}
