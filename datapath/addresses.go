// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Address says which groups the owner of an address is in.
type Address struct {
	VPC       string
	Addr      netip.Addr
	Interface string   // id, if attached on this host; "" if not
	Groups    []string // ids; order and repetition do not matter
}

// place is an address within a VPC: two VPCs never share one (section 1.7).
type place struct {
	vpc  uint32
	addr netip.Addr
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
	key := addressKey(p.vpc, p.addr)
	var value bpfobj.HedgewardOwner
	if a.class != nil {
		value.Class = a.class.id
	}
	if a.slot != nil {
		value.Slot, value.Local = uint16(a.slot.number+1), a.local
	}
	if err := d.HedgewardMaps.Addresses.Put(&key, &value); err != nil {
		return fmt.Errorf("write address %s: %w", p.addr, asFull(err))
	}
	return nil
}

// PutAddress says who has an address and in which groups it is, replacing what
// was said before. The rules that name those groups hold for it from the next
// packet on. An address of an attached interface stays that interface's.
//
// After Open has adopted policies, set the policies of all interfaces anew
// before changing groups: the rules of adopted ones are not known here, so sets
// of groups that are new to them match none of their rules.
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
	vpc, err := d.names.number(vpcName, a.VPC)
	if err != nil {
		return err
	}
	p := place{vpc, a.Addr}
	old := d.addresses[p]
	if a.Interface != "" {
		s := d.slots[a.Interface]
		if s == nil {
			return fmt.Errorf("interface %s %w", a.Interface, ErrNotFound)
		}
		if old == nil || old.slot != s {
			return fmt.Errorf("not an address of interface %s", a.Interface)
		}
	}
	c, err := d.intern(a.Groups)
	if err != nil {
		return err
	}
	next := addressState{class: c, named: true}
	if old != nil {
		next.slot, next.local = old.slot, old.local
		if old.named && old.class == c {
			return nil
		}
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
	d.addresses[p] = &next
	return nil
}

// DeleteAddress forgets the groups of an address. One that is no attached
// interface's becomes unknown: no route leads there.
func (d *Datapath) DeleteAddress(vpc string, addr netip.Addr) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := place{d.names.byName[vpcName+vpc], addr}
	a := d.addresses[p]
	if a == nil || !a.named {
		return fmt.Errorf("delete address %s of %s: %w", addr, vpc, ErrNotFound)
	}
	next := *a
	next.class, next.named = nil, false
	if err := d.settle(p, next); err != nil {
		return fmt.Errorf("delete address %s of %s: %w", addr, vpc, err)
	}
	return nil
}

// settle writes or deletes an entry, whichever is left of it.
func (d *Datapath) settle(p place, next addressState) error {
	old := d.addresses[p]
	if next.named || next.slot != nil {
		if err := d.write(p, next); err != nil {
			return err
		}
		d.addresses[p] = &next
	} else {
		key := addressKey(p.vpc, p.addr)
		if err := d.HedgewardMaps.Addresses.Delete(&key); err != nil {
			return fmt.Errorf("delete address %s: %w", p.addr, err)
		}
		delete(d.addresses, p)
	}
	if old != nil && old.class != next.class {
		d.release(old.class)
	}
	return nil
}

// own makes an address a local interface's. It keeps its groups and, if it was
// the interface's before, its id; flows of another owner's time have another id
// and are found by nobody.
func (d *Datapath) own(s *slot, addr netip.Addr) (local uint32, err error) {
	p := place{s.vpc, addr}
	next := addressState{slot: s}
	if old := d.addresses[p]; old != nil {
		if old.slot == s {
			return old.local, nil
		}
		if old.slot != nil {
			return 0, fmt.Errorf("address %s is interface %s's", addr, old.slot.id)
		}
		next.class, next.named = old.class, old.named
	}
	if next.local, err = d.names.local(); err != nil {
		return 0, err
	}
	if err := d.write(p, next); err != nil {
		return 0, err
	}
	d.addresses[p] = &next
	return next.local, nil
}

// disown takes an address from the interface that has it. What PutAddress said
// of it stays.
func (d *Datapath) disown(p place) error {
	next := *d.addresses[p]
	next.slot, next.local = nil, 0
	return d.settle(p, next)
}

// owned returns the places of an interface's addresses.
func (d *Datapath) owned(s *slot) []place {
	var out []place
	for p, a := range d.addresses {
		if a.slot == s {
			out = append(out, p)
		}
	}
	return out
}

func (d *Datapath) adoptAddresses() error {
	d.addresses = make(map[place]*addressState)
	bySlot := make(map[uint32]*slot)
	for _, s := range d.slots {
		bySlot[s.number] = s
	}
	var key bpfobj.HedgewardAddressKey
	var value bpfobj.HedgewardOwner
	it := d.HedgewardMaps.Addresses.Iterate()
	for it.Next(&key, &value) {
		a := &addressState{class: d.classIDs[value.Class], local: value.Local}
		if value.Slot != 0 {
			a.slot = bySlot[uint32(value.Slot)-1]
		}
		// Whether it was named is not kept. Taking it as named is safe: who
		// reconciles deletes what nobody wants.
		a.named = a.class != nil || a.slot == nil
		if a.class != nil {
			a.class.refs++
		}
		f := familyOfNetwork(key.Network)
		d.addresses[place{key.Network >> 1, addrOf(key.Addr.Word, f)}] = a
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

// vpcOf returns the name of a numbered VPC.
func (d *Datapath) vpcOf(number uint32) string {
	for name, n := range d.names.byName {
		if v, ok := strings.CutPrefix(name, vpcName); ok && n == number {
			return v
		}
	}
	return ""
}
