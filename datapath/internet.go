// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Route says where what no interface of a network has is (section 1.11): on the
// internet, or behind an interface of the network, which gets the packets as they
// are. The longest route that covers a destination decides.
type Route struct {
	Prefix   netip.Prefix
	Internet bool
	// Via is the IPv4 address of the interface behind which it is; flows are tracked
	// then, whatever the rules (section 2.4). The zero Addr without Internet: the way
	// ends here.
	Via netip.Addr
}

// The ways that are no address.
const (
	wayNone     = 0
	wayInternet = 1
)

// way returns what the ways map holds for a route.
func (r Route) way() uint32 {
	switch {
	case r.Via.Is4():
		a := r.Via.As4()
		return binary.BigEndian.Uint32(a[:])
	case r.Internet:
		return wayInternet
	}
	return wayNone
}

// routes are those of one network: where they lead, as the ways map holds it.
type routes map[netip.Prefix]uint32

// publicState is an entry of the publics map.
type publicState struct {
	inside netip.Addr
	local  uint32 // id of the private address
}

// SetRoutes replaces the routes of a network, which it has none of at first. Each
// is one write: on the way from one set to another packets see some of both.
func (d *Datapath) SetRoutes(network string, want []Route) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.setRoutes(network, want); err != nil {
		return fmt.Errorf("set routes of %s: %w", network, err)
	}
	return nil
}

func (d *Datapath) setRoutes(network string, want []Route) error {
	n, err := d.names.number(vpcName, network)
	if err != nil {
		return err
	}
	now, next := d.ways[n], routes{}
	for _, r := range want {
		next[r.Prefix.Masked()] = r.way()
	}
	if now == nil {
		now = routes{}
		d.ways[n] = now
	}
	// What closes a way comes before what opens a wider one, and goes after it.
	put := func(open bool) error {
		for p, way := range next {
			if was, there := now[p]; (way != wayNone) != open || there && was == way {
				continue
			}
			key := wayKey(n, p)
			if err := d.HedgewardMaps.Ways.Put(&key, &way); err != nil {
				return fmt.Errorf("write route to %s: %w", p, asFull(err))
			}
			now[p] = way
		}
		return nil
	}
	remove := func(open bool) error {
		for p, way := range now {
			if _, stays := next[p]; stays || (way != wayNone) != open {
				continue
			}
			key := wayKey(n, p)
			if err := d.HedgewardMaps.Ways.Delete(&key); err != nil {
				return fmt.Errorf("delete route to %s: %w", p, err)
			}
			delete(now, p)
		}
		return nil
	}
	for _, step := range []error{put(false), put(true), remove(true), remove(false)} {
		if step != nil {
			return step
		}
	}
	if len(now) == 0 {
		delete(d.ways, n)
	}
	return nil
}

func wayKey(network uint32, p netip.Prefix) (k bpfobj.HedgewardRouteKey) {
	k.Table = network<<1 | uint32(familyOf(p.Addr()))
	k.Addr.Word = words(p.Addr())
	k.Prefixlen = 32 + uint32(p.Bits())
	return k
}

// internetHook is where what comes from the internet enters: the near end of the
// uplink.
var internetHook = hook{bpfobj.HedgewardProgFromInternet, ebpf.AttachTCXIngress, hooks[0].parent}

// uplinkPin names the uplink among the pins of interfaces.
const uplinkPin = "uplink"

// SetUplink makes a device the way to the internet: what is routed there leaves by
// it, and what enters by it is judged. 0 closes the way.
func (d *Datapath) SetUplink(ifindex int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ifindex != 0 {
		if err := d.linkHook(uplinkPin, ifindex, internetHook); err != nil {
			return fmt.Errorf("set the uplink: %w", err)
		}
	}
	if err := d.HedgewardMaps.Uplink.Put(uint32(0), uint32(ifindex)); err != nil {
		return fmt.Errorf("set the uplink: %w", err)
	}
	if ifindex == 0 {
		if err := d.unpin(uplinkPin, internetHook); err != nil {
			return fmt.Errorf("close the uplink: %w", err)
		}
	}
	return nil
}

// publics returns the public addresses of an interface, all of whose addresses
// have their ids.
func (i *Interface) publics(d *Datapath, s *slot) map[place]publicState {
	out := make(map[place]publicState)
	for private, public := range i.Public {
		home := d.addresses[place{vpc: s.vpc, addr: private}]
		out[place{addr: public}] = publicState{private, home.local}
	}
	if i.Internet {
		for _, p := range d.owned(s) {
			if p.addr.Is6() {
				out[place{addr: p.addr, bits: p.bits}] = publicState{p.addr, d.addresses[p].local}
			}
		}
	}
	return out
}

// unpublish takes from an interface the public addresses that i does not have.
func (d *Datapath) unpublish(s *slot, i *Interface) error {
	for p, was := range maps.Clone(s.public) {
		stays := p.addr.Is6() && i.Internet && i.has(p)
		if p.addr.Is4() {
			stays = i.Public[was.inside] == p.addr
		}
		if stays {
			continue
		}
		if p.addr.Is4() {
			if err := d.Published.Delete(was.local); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("take public address %s: %w", p, err)
			}
		}
		delete(s.public, p)
		if d.publics[p] != s {
			continue // somebody else's by now
		}
		key := p.key()
		if err := d.HedgewardMaps.Publics.Delete(&key); err != nil {
			return fmt.Errorf("take public address %s: %w", p, err)
		}
		delete(d.publics, p)
	}
	return nil
}

// publish gives an interface its public addresses: first packets to them are
// known, then they leave. An address that moves is the new interface's at once.
func (d *Datapath) publish(s *slot, want map[place]publicState) error {
	for p, next := range want {
		if was, there := s.public[p]; there && was == next && d.publics[p] == s {
			continue
		}
		key := p.key()
		value := bpfobj.HedgewardPublic{Slot: s.number + 1, Local: p.id(next.local)}
		value.Inside.Word = words(next.inside)
		if err := d.HedgewardMaps.Publics.Put(&key, &value); err != nil {
			return fmt.Errorf("give public address %s: %w", p, asFull(err))
		}
		s.public[p], d.publics[p] = next, s
		if p.addr.Is4() {
			public := bpfobj.HedgewardAddress{Word: words(p.addr)}
			if err := d.Published.Put(next.local, &public); err != nil {
				return fmt.Errorf("give public address %s: %w", p, asFull(err))
			}
		}
	}
	return nil
}

// adoptInternet reads what is pinned of public addresses and routes.
func (d *Datapath) adoptInternet() error {
	d.publics, d.ways = make(map[place]*slot), make(map[uint32]routes)
	byNumber := make(map[uint32]*slot)
	for _, s := range d.slots {
		byNumber[s.number+1] = s
	}
	var key bpfobj.HedgewardAddressKey
	var value bpfobj.HedgewardPublic
	var lost []bpfobj.HedgewardAddressKey
	it := d.HedgewardMaps.Publics.Iterate()
	for it.Next(&key, &value) {
		p, s := placeOf(key), byNumber[value.Slot]
		if s == nil {
			lost = append(lost, key)
			continue
		}
		s.public[p] = publicState{addrOf(value.Inside.Word, familyOf(p.addr)), value.Local &^ delegated}
		d.publics[p] = s
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read public addresses: %w", err)
	}
	for _, key := range lost {
		d.drop(d.HedgewardMaps.Publics.Delete(&key))
	}
	var way bpfobj.HedgewardRouteKey
	var leads uint32
	it = d.HedgewardMaps.Ways.Iterate()
	for it.Next(&way, &leads) {
		n := way.Table >> 1
		if d.ways[n] == nil {
			d.ways[n] = routes{}
		}
		d.ways[n][netip.PrefixFrom(addrOf(way.Addr.Word, familyOfNetwork(way.Table)), int(way.Prefixlen)-32)] = leads
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	return nil
}

// Public returns the public addresses of an interface by those that they stand
// for.
func (d *Datapath) Public(id string) []netip.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.slots[id]
	if s == nil {
		return nil
	}
	var out []netip.Addr
	for p := range s.public {
		if p.bits == 0 {
			out = append(out, p.addr)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
