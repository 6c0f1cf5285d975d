// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

// RouterMAC is the Ethernet address that every instance sees as its router's.
// The host-side device of a managed instance must carry it.
var RouterMAC = net.HardwareAddr{0x02, 0x48, 0x47, 0x00, 0x00, 0x01}

// Interface is a network interface as the programs need to know it.
type Interface struct {
	ID      string           // at most 31 bytes; no dots and slashes, for it names pins
	VPC     string           // for people
	Network string           // what its packets can reach, see Address; at most 29 bytes; VPC when empty
	Ifindex int              // of the host-side device
	Device  string           // its name, for people
	MAC     net.HardwareAddr // the instance's

	// Addresses are all addresses of the interface, the primary ones first.
	Addresses []netip.Addr

	// Prefixes are delegated: every address in them is the interface's. IPv4 /28,
	// IPv6 /80.
	Prefixes []netip.Prefix

	// Public are the public IPv4 addresses that stand for addresses of the
	// interface, by those; Internet makes its IPv6 addresses and prefixes public,
	// too (section 1.11).
	Public   map[netip.Addr]netip.Addr
	Internet bool

	// RouterAddresses are the subnet's router, at most one per family. It
	// answers echo, and nobody else may speak for it.
	RouterAddresses []netip.Addr

	// VPCPrefixes are the blocks of the VPC: ARP and neighbour discovery for
	// addresses in them are answered. At most 12.
	VPCPrefixes []netip.Prefix

	// Subnets are all subnets of the VPC: nobody may send from the addresses of
	// their routers, or to their broadcast addresses.
	Subnets []netip.Prefix

	// Subnet is the IPv4 subnet, whose last address is a broadcast address.
	// Zero: unknown, then packets there have no route.
	Subnet netip.Prefix

	// SourceDestCheck drops packets that are not from or to Addresses (5).
	// The zero value is off: set it unless the interface forwards for others.
	SourceDestCheck bool

	// Attached says that somebody else made the device: packets are judged there and
	// go on where its maker has them go (section 4.8). RouterAddresses, VPCPrefixes,
	// Subnets, Public and Internet mean nothing then. Own turns such a device round: it
	// is a NIC of the host itself. Neither changes while the interface is attached.
	Attached, Own bool

	// Instance owns the interface and shares its allowance among all it owns; ""
	// stands for one of its own. Allowance is how many flows it may track at
	// once (section 3.8); zero is DefaultAllowance. The last Attach of an
	// instance's interface says it for all.
	Instance  string // at most 31 bytes
	Allowance int

	// Tracking holds the idle times of section 3.7; zero is the default.
	Tracking struct{ TCPEstablished, UDP, UDPStream time.Duration }
}

// slot is an attached interface's place in the interfaces map.
type slot struct {
	id     string
	number uint32
	vpc    uint32             // number of its network
	self   uint32             // id of transit traffic in flow keys
	places map[place]struct{} // that lead to it: its addresses in its network, and in others
	public map[place]publicState

	allowance *allowance // of its instance
}

// Attach brings an interface into force, or an attached one up to date. A new
// one is closed (no_policy) until SetPolicy, and from then on its addresses are
// reachable. The device may still be down. On error an interface that was not
// attached before is not attached.
func (d *Datapath) Attach(i Interface) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := i.validate(); err != nil {
		return fmt.Errorf("attach interface %s: %w", i.ID, err)
	}
	isNew := d.slots[i.ID] == nil
	if err := d.attach(&i); err != nil {
		err = fmt.Errorf("attach interface %s to %s: %w", i.ID, i.Device, err)
		if isNew && d.slots[i.ID] != nil {
			d.drop(d.detach(d.slots[i.ID]))
		}
		return err
	}
	return nil
}

// has reports whether a place is of an address or a prefix of the interface.
func (i *Interface) has(p place) bool {
	if p.bits == 0 {
		return slices.Contains(i.Addresses, p.addr)
	}
	return slices.Contains(i.Prefixes, netip.PrefixFrom(p.addr, p.bits))
}

func (i *Interface) validate() error {
	switch {
	case i.ID == "" || len(i.ID) > maxName || strings.ContainsAny(i.ID, "./"):
		return fmt.Errorf("id %q is empty, too long, or has a dot or slash", i.ID)
	case len(i.Instance) > maxName:
		return fmt.Errorf("instance %q is longer than %d bytes", i.Instance, maxName)
	case i.Own && !i.Attached:
		return fmt.Errorf("a NIC of the host was made by somebody else")
	case len(i.MAC) != 6:
		return fmt.Errorf("MAC address %q has not six bytes", i.MAC)
	case i.Ifindex <= 0:
		return fmt.Errorf("no device")
	case len(i.VPCPrefixes) > vpcPrefixes:
		return fmt.Errorf("%d VPC prefixes, at most %d are possible", len(i.VPCPrefixes), vpcPrefixes)
	}
	for _, p := range i.Prefixes {
		if p.Bits() != delegatedBits(p.Addr()) || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("%s is no prefix to delegate", p)
		}
	}
	for private, public := range i.Public {
		if !private.Is4() || !public.Is4() || !slices.Contains(i.Addresses, private) {
			return fmt.Errorf("%s cannot stand for %s", public, private)
		}
	}
	for _, a := range slices.Concat(i.Addresses, i.RouterAddresses) {
		if !a.IsValid() || a.Zone() != "" || a.Is4In6() {
			return fmt.Errorf("%s is not a plain address", a)
		}
	}
	return nil
}

func (d *Datapath) attach(i *Interface) error {
	flags := uint32(interfaceUsed)
	if i.SourceDestCheck {
		flags |= interfaceCheck
	}
	if i.Attached {
		flags |= interfaceAttached
		i.RouterAddresses, i.VPCPrefixes, i.Public, i.Internet = nil, nil, nil, false
	}
	if i.Own {
		flags |= interfaceOwn
	}
	network := i.Network
	if network == "" {
		network = i.VPC
	}
	vpc, err := d.names.number(vpcName, network)
	if err != nil {
		return err
	}
	s := d.slots[i.ID]
	if s == nil {
		if s, err = d.takeSlot(i, vpc); err != nil {
			return err
		}
	}
	if err := d.share(s, i.Instance, i.Allowance); err != nil {
		return err
	}
	for name, other := range d.slots {
		if rec := d.record(other.number); other != s && rec.Ifindex == uint32(i.Ifindex) {
			return fmt.Errorf("interface %s is attached to that device", name)
		}
	}

	rec := bpfobj.HedgewardInterface{
		Flags: flags, Ifindex: uint32(i.Ifindex), Self: s.self, Place: s.number,
		Timeout: d.timeouts(i), Allowance: s.allowance.number,
	}
	copy(rec.Mac[:], i.MAC)
	cString(rec.Id[:], i.ID)
	cString(rec.VpcName[:], i.VPC)
	cString(rec.Device[:], i.Device)
	cString(rec.Instance[:], s.allowance.instance)
	for _, a := range slices.Backward(i.RouterAddresses) {
		if a.Is4() {
			rec.Router4 = words(a)[0]
		} else {
			rec.Router6.Word = words(a)
		}
	}
	if b, ok := broadcastOf(i.Subnet); ok {
		rec.Broadcast4 = words(b)[0]
	}
	for n, p := range i.VPCPrefixes {
		if p.Addr().Is4() && rec.Resolver4 == 0 { // the primary block
			rec.Resolver4 = words(resolverOf(p))[0]
		}
		v := &rec.VpcPrefix[n]
		v.Addr.Word, v.Mask.Word = words(p.Masked().Addr()), mask(p)
		v.Family = uint32(familyOf(p.Addr())) + 1
	}

	if !i.Attached {
		if err := d.reserve(vpc, i.VPCPrefixes, i.Subnets); err != nil {
			return fmt.Errorf("reserve the addresses of the VPC: %w", err)
		}
	}

	// The addresses that lead to it, then the record, then the device. Of
	// addresses that stay, nothing changes. Into another network they go ahead,
	// with the ids that their flows have.
	left, err := d.move(s, vpc)
	if err != nil {
		return err
	}
	if err := d.unpublish(s, i); err != nil {
		return err
	}
	for _, p := range d.owned(s) {
		if !i.has(p) {
			if err := d.disown(p); err != nil {
				return err
			}
		}
	}
	for _, p := range i.Prefixes {
		if _, err := d.own(s, p.Addr(), p.Bits()); err != nil {
			return err
		}
	}
	for _, a := range slices.Backward(i.Addresses) {
		local, err := d.own(s, a, 0)
		if err != nil {
			return err
		}
		if a.Is4() {
			rec.Addr4, rec.Local4 = words(a)[0], local
		} else {
			rec.Addr6.Word, rec.Local6 = words(a), local
		}
	}
	if err := d.publish(s, i.publics(d, s)); err != nil {
		return err
	}
	rec.Vpc = d.networkOf(s)
	now := d.record(s.number)
	const kind = interfaceAttached | interfaceOwn
	if now.Flags&interfaceUsed != 0 && (now.Flags^flags)&kind != 0 {
		return fmt.Errorf("it is attached to device %d in another way; detach it first", now.Ifindex)
	}
	if old := now.Ifindex; old != 0 && old != rec.Ifindex {
		if err := d.unlink(s.id, int(old)); err != nil {
			return err
		}
	}
	writeRecord(now, &rec)
	for _, p := range left {
		if err := d.leave(p); err != nil {
			return err
		}
	}
	if err := d.HedgewardMaps.Slots.Put(rec.Ifindex, s.number); err != nil {
		return fmt.Errorf("write device %d: %w", rec.Ifindex, asFull(err))
	}
	return d.link(s.id, i.Ifindex, hooksOf(flags))
}

// writeRecord copies everything but the policy in force and its revision.
func writeRecord(to, from *bpfobj.HedgewardInterface) {
	const first = unsafe.Offsetof(to.Policy) + unsafe.Sizeof(to.Policy)
	from.Revision = to.Revision
	size := unsafe.Sizeof(*to) - first
	copy(
		unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(to), first)), size),
		unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(from), first)), size),
	)
}

func mask(p netip.Prefix) [4]uint32 {
	b := net.CIDRMask(p.Bits(), p.Addr().BitLen())
	a, _ := netip.AddrFromSlice(b)
	return words(a)
}

// takeSlot gives an interface a free slot, with counters at zero: the one where
// the programs look first for its device, or the lowest.
func (d *Datapath) takeSlot(i *Interface, vpc uint32) (*slot, error) {
	if len(d.freeSlots) == 0 {
		if err := d.reclaim(); err != nil {
			return nil, err
		}
	}
	if len(d.freeSlots) == 0 {
		return nil, fmt.Errorf("no room for more than %d interfaces: %w", d.HedgewardMaps.Interfaces.MaxEntries(), errFull)
	}
	self, err := d.names.local()
	if err != nil {
		return nil, err
	}
	at := len(d.freeSlots) - 1
	first := uint32(i.Ifindex) & slotMask(d.HedgewardMaps.Interfaces.MaxEntries())
	if n := slices.Index(d.freeSlots, first); n >= 0 {
		at = n
	}
	s := &slot{id: i.ID, number: d.freeSlots[at], vpc: vpc, self: self, places: make(map[place]struct{}), public: make(map[place]publicState)}
	if err := d.zeroCounters(s.number); err != nil {
		return nil, err
	}
	d.freeSlots = slices.Delete(d.freeSlots, at, at+1)
	d.slots[i.ID] = s
	return s, nil
}

// slotMask is what of a device's number is its slot, where that is free.
func slotMask(slots uint32) uint32 { return 1<<(bits.Len32(slots)-1) - 1 }

// Detach takes an interface out of force: its device is no longer judged (the
// caller takes it down first), its addresses are nobody's here, and its flows
// can be reached by no packet any more.
func (d *Datapath) Detach(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.slots[id]
	if s == nil {
		return fmt.Errorf("detach interface %s: %w", id, ErrNotFound)
	}
	if err := d.detach(s); err != nil {
		return fmt.Errorf("detach interface %s: %w", id, err)
	}
	return nil
}

func (d *Datapath) detach(s *slot) error {
	rec := d.record(s.number)
	old := PolicyID(atomic.SwapUint32(&rec.Policy, 0))
	if err := d.unlink(s.id, int(rec.Ifindex)); err != nil {
		return err
	}
	if err := d.unpublish(s, &Interface{}); err != nil {
		return err
	}
	for _, p := range d.owned(s) {
		if err := d.disown(p); err != nil {
			return err
		}
	}
	if rec.Ifindex != 0 {
		d.drop(d.HedgewardMaps.Slots.Delete(rec.Ifindex))
	}
	delete(d.slots, s.id)
	d.dropAdopted(old)
	if s.allowance != nil {
		d.dropLocal(s.self, s)
		d.leaveShare(s)
	}
	// A program may still hold the record: it is closed, and goes to another
	// interface only when nobody can be reading it.
	writeRecord(rec, &bpfobj.HedgewardInterface{})
	d.retire(func() {
		atomic.StoreUint64(&rec.Revision, 0)
		d.freeSlots = append(d.freeSlots, s.number)
		slices.Sort(d.freeSlots)
		slices.Reverse(d.freeSlots)
	})
	return nil
}

// adopt rebuilds what this process needs to know from the pinned maps.
func (d *Datapath) adopt() (err error) {
	if d.names, err = loadNumbers(d.HedgewardMaps.Names); err != nil {
		return err
	}
	if err := d.grace.wait(); err != nil {
		return err
	}
	d.slots = make(map[string]*slot)
	d.allowances = make(map[string]*allowance)
	d.reserved = make(map[uint32]map[netip.Addr]uint16)
	taken := make(map[uint32]bool)
	d.used(func(number uint32, rec *bpfobj.HedgewardInterface) {
		id := goString(rec.Id[:])
		d.slots[id] = &slot{id: id, number: number, vpc: rec.Vpc &^ delegates, self: rec.Self, places: make(map[place]struct{}), public: make(map[place]publicState)}
		d.adoptShare(d.slots[id], rec)
		taken[number] = true
	})
	for n := d.HedgewardMaps.Interfaces.MaxEntries(); n > 0; n-- {
		if !taken[n-1] {
			d.freeSlots = append(d.freeSlots, n-1)
		}
	}
	if err := d.adoptLocals(); err != nil {
		return err
	}
	if err := d.adoptHandles(); err != nil {
		return err
	}
	if err := d.adoptPolicies(); err != nil {
		return err
	}
	if err := d.adoptClasses(); err != nil {
		return err
	}
	if err := d.adoptAddresses(); err != nil {
		return err
	}
	if err := d.adoptInternet(); err != nil {
		return err
	}
	return d.adoptOverlay()
}

func familyOfNetwork(network uint32) flow.Family { return flow.Family(network & 1) }
