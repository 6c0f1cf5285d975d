// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"net/netip"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Instead of a slot plus one in the addresses map: what an address is that no
// interface can have, as bpf/layout.h has it.
const (
	reservedRouter    = 0xfffd
	reservedResolver  = 0xfffe
	reservedBroadcast = 0xffff
	reservedFirst     = reservedRouter
)

// reserve brings the reserved addresses of a network into line with the blocks and
// subnets of its VPC (docs/spec/packet-semantics.md sections 4.1 and 4.3): routers
// and broadcast addresses of all subnets, base + 2 of all IPv4 blocks. The last
// interface that was attached in the network says what they are.
func (d *Datapath) reserve(network uint32, blocks, subnets []netip.Prefix) error {
	want := make(map[netip.Addr]uint16)
	for _, s := range subnets {
		want[s.Masked().Addr().Next()] = reservedRouter
		if b, ok := broadcastOf(s); ok {
			want[b] = reservedBroadcast
		}
	}
	for _, b := range blocks {
		if b.Addr().Is4() {
			want[resolverOf(b)] = reservedResolver
		}
	}
	for a, kind := range d.reserved[network] {
		if want[a] == kind {
			continue
		}
		key := addressKey(network, a)
		if err := d.HedgewardMaps.Addresses.Delete(&key); err != nil {
			return asFull(err)
		}
		delete(d.reserved[network], a)
	}
	for a, kind := range want {
		if d.reserved[network][a] == kind || d.addresses[place{vpc: network, addr: a}] != nil {
			continue // whoever has it, has it
		}
		key := addressKey(network, a)
		if err := d.HedgewardMaps.Addresses.Put(&key, &bpfobj.HedgewardOwner{Slot: kind}); err != nil {
			return asFull(err)
		}
		d.noteReserved(network, a, kind)
	}
	return nil
}

// resolverOf returns the address in a block at which DNS answers if the block is the
// VPC's primary one.
func resolverOf(block netip.Prefix) netip.Addr { return block.Masked().Addr().Next().Next() }

// noteReserved notes what the map says.
func (d *Datapath) noteReserved(network uint32, a netip.Addr, kind uint16) {
	if d.reserved[network] == nil {
		d.reserved[network] = make(map[netip.Addr]uint16)
	}
	d.reserved[network][a] = kind
}

// broadcastOf returns the last address of an IPv4 subnet that has one.
func broadcastOf(s netip.Prefix) (netip.Addr, bool) {
	if !s.IsValid() || !s.Addr().Is4() || s.Bits() >= 31 {
		return netip.Addr{}, false
	}
	b := s.Masked().Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|(1<<(32-s.Bits())-1))
	return netip.AddrFrom4(b), true
}
