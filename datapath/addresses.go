// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Address says which groups the owner of an address is in, as one network sees
// it. A network is what some interfaces can reach: their VPC, and through it what
// their routes lead to. The owner's interface may itself be in another network.
type Address struct {
	VPC       string // the network
	Addr      netip.Addr
	Bits      int      // of the delegated prefix that begins at Addr and is meant whole: 28 or 80; 0: Addr alone
	Interface string   // id, if attached on this host; "" if not
	Groups    []string // ids; order and repetition do not matter

	// Host is where the host is reached on which an interface has the address, if
	// that is another one: packets go there, and are taken from nowhere else. VNI is
	// the number of that interface's VPC between hosts. Unrouted: it may send to the
	// network, which knows no way to it.
	Host     netip.Addr
	VNI      uint32
	Unrouted bool

	// Turning is set while policies are about to change with the groups: the
	// policies that are there now go on seeing the groups that the address has
	// now, and those that are added later see Groups, so that an interface's
	// switch from one to the other is the only step that its packets see. When
	// all interfaces are switched, put the address again without it.
	Turning bool
}

// place is an address within a network: two of them never share one
// (section 1.7). One address of an interface has a place in every network that
// reaches it.
type place struct {
	vpc  uint32
	addr netip.Addr
	bits int // see Address
}

// delegatedBits returns the length of the delegated prefixes of a family
// (section 1.1).
func delegatedBits(a netip.Addr) int {
	if a.Is4() {
		return 28
	}
	return 80
}

// sameAddress reports whether two places are of one address, as two networks see
// it.
func (p place) sameAddress(q place) bool { return p.addr == q.addr && p.bits == q.bits }

func (p place) String() string {
	if p.bits == 0 {
		return p.addr.String()
	}
	return netip.PrefixFrom(p.addr, p.bits).String()
}

// Marks of bpf/layout.h.
const (
	delegates = 1 << 31 // in a record's network: some prefix is somebody's there
	prefixKey = 1 << 31 // in a key's network: of a prefix
	delegated = 1 << 31 // in an owner's id: of a prefix
)

// key returns the place's key in the addresses map.
func (p place) key() bpfobj.HedgewardAddressKey {
	key := addressKey(p.vpc, p.addr)
	if p.bits != 0 {
		key.Network |= prefixKey
	}
	return key
}

// placeOf is the place of a key.
func placeOf(key bpfobj.HedgewardAddressKey) place {
	p := place{vpc: key.Network &^ prefixKey >> 1, addr: addrOf(key.Addr.Word, familyOfNetwork(key.Network))}
	if key.Network&prefixKey != 0 {
		p.bits = delegatedBits(p.addr)
	}
	return p
}

// id returns an id as an owner's entry shows it.
func (p place) id(local uint32) uint32 {
	if p.bits != 0 {
		local |= delegated
	}
	return local
}

// addressState is an entry of the addresses map. An address is there because an
// attached interface has it, because PutAddress named it, or both.
type addressState struct {
	class *class // nil: no groups
	named bool   // by PutAddress
	slot  *slot  // whose address it is; nil if not on this host
	local uint32 // id in flow keys; 0 if not on this host
}

// write brings the entry of a place into the map: one write, so that a packet
// sees the old owner and groups or the new ones.
func (d *Datapath) write(p place, a addressState) error {
	key := p.key()
	var value bpfobj.HedgewardOwner
	if a.class != nil {
		value.Class = a.class.id
	}
	if a.slot != nil {
		value.Slot, value.Local = uint16(a.slot.number+1), p.id(a.local)
	}
	if err := d.HedgewardMaps.Addresses.Put(&key, &value); err != nil {
		return fmt.Errorf("write address %s: %w", p, asFull(err))
	}
	if p.bits == 0 {
		delete(d.reserved[p.vpc], p.addr)
	}
	return nil
}

// PutAddress says who has an address and in which groups it is, replacing what
// was said before. The rules that name those groups hold for it from the next
// packet on. An address of an attached interface stays that interface's.
//
// The rules of policies that Open has adopted are not known here, so sets of
// groups that are new to them match none of their rules: change groups only
// Turning, and set the policies of all interfaces anew.
func (d *Datapath) PutAddress(a Address) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.putAddress(a); err != nil {
		return fmt.Errorf("put address %s of %s: %w", a.Addr, a.VPC, err)
	}
	return nil
}

func (d *Datapath) putAddress(a Address) error {
	if !a.Addr.IsValid() || a.Addr.Zone() != "" || a.Addr.Is4In6() {
		return fmt.Errorf("not a plain address")
	}
	if a.Bits != 0 && (a.Bits != delegatedBits(a.Addr) || netip.PrefixFrom(a.Addr, a.Bits).Masked().Addr() != a.Addr) {
		return fmt.Errorf("not a prefix of %d bits", delegatedBits(a.Addr))
	}
	vpc, err := d.names.number(vpcName, a.VPC)
	if err != nil {
		return err
	}
	p := place{vpc, a.Addr, a.Bits}
	// Whose the address is and where from its packets come are two writes: between
	// them they come from nowhere.
	where := a.remote()
	if err := d.leaveRemote(p, where); err != nil {
		return err
	}
	if a.Unrouted {
		if old := d.addresses[p]; old != nil && old.named {
			if err := d.unname(p, old); err != nil {
				return err
			}
		}
		return d.putRemote(p, where)
	}
	if err := d.putOwner(p, a); err != nil {
		return err
	}
	return d.putRemote(p, where)
}

// putOwner brings the groups of an address into force, and whose it is here.
func (d *Datapath) putOwner(p place, a Address) error {
	old := d.addresses[p]
	next := addressState{named: true}
	if old.isOf(p) {
		next.slot, next.local = old.slot, old.local
	}
	var err error
	if a.Interface != "" {
		s := d.slots[a.Interface]
		if s == nil {
			return fmt.Errorf("interface %s %w", a.Interface, ErrNotFound)
		}
		home := d.addresses[place{s.vpc, a.Addr, a.Bits}]
		if home == nil || home.slot != s || next.slot != nil && next.slot != s {
			return fmt.Errorf("not an address of interface %s", a.Interface)
		}
		next.slot, next.local = s, home.local // one id, wherever its packets come from
	}
	var c *class
	if a.Turning {
		var from *class
		if old != nil {
			from = old.class
		}
		c, err = d.turn(from, a.Groups)
	} else {
		c, err = d.intern(a.Groups)
	}
	if err != nil {
		return err
	}
	next.class = c
	if old != nil && *old == next {
		return nil
	}
	if c != nil {
		c.refs++
	}
	if err := d.write(p, next); err != nil {
		d.release(c)
		return err
	}
	if old != nil {
		d.release(old.class)
	}
	d.set(p, &next)
	return nil
}

// isOf reports whether a place is an address of an interface of its own network.
func (a *addressState) isOf(p place) bool { return a != nil && a.slot != nil && a.slot.vpc == p.vpc }

// set notes what a place is, nil for nothing.
func (d *Datapath) set(p place, next *addressState) {
	if old := d.addresses[p]; old != nil && old.slot != nil {
		delete(old.slot.places, p)
	}
	if p.bits != 0 {
		d.countPrefix(p, next != nil)
	}
	if next == nil {
		delete(d.addresses, p)
		return
	}
	d.addresses[p] = next
	if next.slot != nil {
		next.slot.places[p] = struct{}{}
	}
}

// countPrefix has the interfaces of a network look for prefixes while there are
// any.
func (d *Datapath) countPrefix(p place, there bool) {
	was := d.addresses[p] != nil
	switch {
	case there && !was:
		d.prefixes[p.vpc]++
	case !there && was:
		d.prefixes[p.vpc]--
	default:
		return
	}
	for _, s := range d.slots {
		if s.vpc == p.vpc {
			atomic.StoreUint32(&d.record(s.number).Vpc, d.networkOf(s))
		}
	}
}

// networkOf returns the network of an interface as its record has it.
func (d *Datapath) networkOf(s *slot) uint32 {
	if d.prefixes[s.vpc] > 0 {
		return s.vpc | delegates
	}
	return s.vpc
}

// DeleteAddress forgets the groups of an address. One that is no attached
// interface's becomes unknown: no route leads there.
func (d *Datapath) DeleteAddress(vpc string, addr netip.Addr) error { return d.forget(vpc, addr, 0) }

// DeletePrefix is DeleteAddress for a delegated prefix.
func (d *Datapath) DeletePrefix(vpc string, p netip.Prefix) error {
	return d.forget(vpc, p.Addr(), p.Bits())
}

func (d *Datapath) forget(vpc string, addr netip.Addr, bits int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := place{d.names.byName[vpcName+vpc], addr, bits}
	a, there := d.addresses[p], d.remotes[p] != remote{}
	if !there && (a == nil || !a.named) {
		return fmt.Errorf("delete address %s of %s: %w", p, vpc, ErrNotFound)
	}
	err := d.leaveRemote(p, remote{})
	if err == nil && a != nil && a.named {
		err = d.unname(p, a)
	}
	if err != nil {
		return fmt.Errorf("delete address %s of %s: %w", p, vpc, err)
	}
	return nil
}

// unname takes back what PutAddress said of an address's owner.
func (d *Datapath) unname(p place, a *addressState) error {
	next := *a
	next.class, next.named = nil, false
	if !a.isOf(p) {
		next.slot, next.local = nil, 0
	}
	return d.settle(p, next)
}

// settle writes or deletes an entry, whichever is left of it.
func (d *Datapath) settle(p place, next addressState) error {
	old := d.addresses[p]
	if next.named || next.slot != nil {
		if err := d.write(p, next); err != nil {
			return err
		}
		d.set(p, &next)
	} else {
		key := p.key()
		if err := d.HedgewardMaps.Addresses.Delete(&key); err != nil {
			return fmt.Errorf("delete address %s: %w", p, err)
		}
		d.set(p, nil)
	}
	if old != nil && old.class != next.class {
		d.release(old.class)
	}
	return nil
}

// own makes an address a local interface's. It keeps its groups and, if it was
// the interface's before, its id; flows of another owner's time have another id
// and are found by nobody.
func (d *Datapath) own(s *slot, addr netip.Addr, bits int) (local uint32, err error) {
	p := place{s.vpc, addr, bits}
	next := addressState{slot: s}
	if old := d.addresses[p]; old != nil {
		if old.slot == s {
			return old.local, nil
		}
		if old.isOf(p) {
			return 0, fmt.Errorf("address %s is interface %s's", p, old.slot.id)
		}
		next.class, next.named = old.class, old.named
	}
	if next.local, err = d.names.local(); err != nil {
		return 0, err
	}
	if err := d.putLocal(next.local, s); err != nil {
		return 0, err
	}
	if err := d.write(p, next); err != nil {
		d.dropLocal(next.local, s)
		return 0, err
	}
	d.set(p, &next)
	return next.local, nil
}

// disown takes an address from the interface that has it, in all networks. What
// PutAddress said of its groups stays.
func (d *Datapath) disown(p place) error {
	s, id := d.addresses[p].slot, d.addresses[p].local
	for _, q := range slices.Collect(maps.Keys(s.places)) {
		if !q.sameAddress(p) {
			continue
		}
		next := *d.addresses[q]
		next.slot, next.local = nil, 0
		if err := d.settle(q, next); err != nil {
			return err
		}
	}
	d.dropLocal(id, s)
	return nil
}

// owned returns the places of an interface's addresses in its own network.
func (d *Datapath) owned(s *slot) []place {
	var out []place
	for p := range s.places {
		if p.vpc == s.vpc {
			out = append(out, p)
		}
	}
	return out
}

// move gives an interface's addresses a place in another network, which becomes
// its own, with the ids they have. It returns the places that they had before:
// leave them once the record says the same.
func (d *Datapath) move(s *slot, network uint32) (left []place, err error) {
	if s.vpc == network {
		return nil, nil
	}
	left = d.owned(s)
	for _, p := range left {
		to := place{network, p.addr, p.bits}
		next := addressState{slot: s, local: d.addresses[p].local}
		if old := d.addresses[to]; old != nil {
			if old.isOf(to) {
				return nil, fmt.Errorf("address %s is interface %s's", p, old.slot.id)
			}
			next.class, next.named = old.class, old.named
		}
		if err := d.write(to, next); err != nil {
			return nil, err
		}
		d.set(to, &next)
	}
	s.vpc = network
	return left, nil
}

// leave forgets a place in a network that its interface has left, unless
// PutAddress said that the address is to be reached from there.
func (d *Datapath) leave(p place) error {
	a := d.addresses[p]
	if a == nil || a.named || a.isOf(p) {
		return nil
	}
	next := *a
	next.slot, next.local = nil, 0
	return d.settle(p, next)
}

func (d *Datapath) adoptAddresses() error {
	d.addresses, d.prefixes = make(map[place]*addressState), make(map[uint32]int)
	bySlot := make(map[uint32]*slot)
	for _, s := range d.slots {
		bySlot[s.number] = s
	}
	var key bpfobj.HedgewardAddressKey
	var value bpfobj.HedgewardOwner
	it := d.HedgewardMaps.Addresses.Iterate()
	for it.Next(&key, &value) {
		p := placeOf(key)
		if value.Slot >= reservedFirst {
			d.noteReserved(p.vpc, p.addr, value.Slot)
			continue
		}
		a := &addressState{class: d.classIDs[value.Class], local: value.Local &^ delegated}
		if value.Slot != 0 {
			a.slot = bySlot[uint32(value.Slot)-1]
		}
		// Whether it was named is not kept. Taking it as named is safe: who
		// reconciles deletes what nobody wants.
		a.named = a.class != nil || !a.isOf(p)
		if a.class != nil {
			a.class.refs++
		}
		d.set(p, a)
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read addresses: %w", err)
	}
	for _, c := range d.classIDs {
		if c.refs == 0 {
			c.refs = 1
			d.release(c)
		}
	}
	return nil
}

// vpcOf returns the name of a numbered network.
func (d *Datapath) vpcOf(number uint32) string {
	for name, n := range d.names.byName {
		if v, ok := strings.CutPrefix(name, vpcName); ok && n == number {
			return v
		}
	}
	return ""
}
