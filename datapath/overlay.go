// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

// overlayHook is where what comes from other hosts enters: the VXLAN device.
var overlayHook = hook{bpfobj.HedgewardProgFromOverlay, ebpf.AttachTCXIngress, hooks[0].parent}

// overlayPin names the VXLAN device among the pins of interfaces.
const overlayPin = "overlay"

// SetOverlay makes a VXLAN device, which must take where to from each packet, the
// way to other hosts, and judges what comes by it. They reach this host at self,
// whose port is that of all hosts: no instance can send there by another way. 0
// closes the way.
func (d *Datapath) SetOverlay(ifindex int, self netip.AddrPort) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var value bpfobj.HedgewardTunnelEnd
	if ifindex != 0 {
		a := self.Addr()
		if !self.IsValid() || a.Is4In6() || a.Zone() != "" || self.Port() == 0 {
			return fmt.Errorf("set the way to other hosts: %s is no plain address with a port", self)
		}
		value = bpfobj.HedgewardTunnelEnd{Ifindex: uint32(ifindex), Family: uint32(familyOf(a)), Port: uint32(self.Port())}
		value.Self.Word = words(a)
		if err := d.linkHook(overlayPin, ifindex, overlayHook); err != nil {
			return fmt.Errorf("set the way to other hosts: %w", err)
		}
	}
	if err := d.HedgewardMaps.Overlay.Put(uint32(0), &value); err != nil {
		return fmt.Errorf("set the way to other hosts: %w", err)
	}
	if ifindex == 0 {
		if err := d.unpin(overlayPin, overlayHook); err != nil {
			return fmt.Errorf("close the way to other hosts: %w", err)
		}
	}
	return nil
}

// SetVNIs replaces the numbers between hosts by which packets come for a network,
// any one of those of a VPC. No two numbers are of one VPC.
func (d *Datapath) SetVNIs(want map[uint32]string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for vni, name := range want {
		network, err := d.names.number(vpcName, name)
		if err != nil {
			return err
		}
		if d.vnis[vni] == network {
			continue
		}
		if err := d.HedgewardMaps.Vnis.Put(vni, network); err != nil {
			return fmt.Errorf("take number %d for network %s: %w", vni, name, asFull(err))
		}
		d.vnis[vni] = network
	}
	for vni := range d.vnis {
		if _, stays := want[vni]; stays {
			continue
		}
		if err := d.HedgewardMaps.Vnis.Delete(vni); err != nil {
			return fmt.Errorf("forget number %d: %w", vni, err)
		}
		delete(d.vnis, vni)
	}
	return nil
}

// remote is an entry of the remotes map; the zero remote is none.
type remote struct {
	host     netip.Addr
	vni      uint32
	unrouted bool
}

func (a *Address) remote() remote {
	if !a.Host.IsValid() {
		return remote{}
	}
	return remote{a.Host, a.VNI, a.Unrouted}
}

// where is the inverse of remote.
func (a *Address) where(r remote) { a.Host, a.VNI, a.Unrouted = r.host, r.vni, r.unrouted }

// remoteUnrouted is REMOTE_UNROUTED of bpf/layout.h.
const remoteUnrouted = 1

// leaveRemote forgets where an address is unless that stays as it is.
func (d *Datapath) leaveRemote(p place, stays remote) error {
	was := d.remotes[p]
	if was == stays || was == (remote{}) {
		return nil
	}
	key := p.key()
	if err := d.HedgewardMaps.Remotes.Delete(&key); err != nil {
		return fmt.Errorf("forget the host of %s: %w", p, err)
	}
	delete(d.remotes, p)
	return nil
}

// putRemote says where an address is.
func (d *Datapath) putRemote(p place, r remote) error {
	if d.remotes[p] == r {
		return nil
	}
	key, value := p.key(), bpfobj.HedgewardRemote{Vni: r.vni}
	value.Host.Word = words(r.host)
	if r.unrouted {
		value.Flags = remoteUnrouted
	}
	if err := d.HedgewardMaps.Remotes.Put(&key, &value); err != nil {
		return fmt.Errorf("write the host of %s: %w", p, asFull(err))
	}
	d.remotes[p] = r
	return nil
}

// adoptOverlay reads what is pinned of other hosts.
func (d *Datapath) adoptOverlay() error {
	d.remotes, d.vnis = make(map[place]remote), make(map[uint32]uint32)
	var at bpfobj.HedgewardTunnelEnd
	if err := d.HedgewardMaps.Overlay.Lookup(uint32(0), &at); err != nil {
		return fmt.Errorf("read the way to other hosts: %w", err)
	}
	var key bpfobj.HedgewardAddressKey
	var value bpfobj.HedgewardRemote
	it := d.HedgewardMaps.Remotes.Iterate()
	for it.Next(&key, &value) {
		d.remotes[placeOf(key)] = remote{addrOf(value.Host.Word, flow.Family(at.Family)), value.Vni, value.Flags&remoteUnrouted != 0}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read addresses on other hosts: %w", err)
	}
	var vni, network uint32
	it = d.HedgewardMaps.Vnis.Iterate()
	for it.Next(&vni, &network) {
		d.vnis[vni] = network
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read numbers between hosts: %w", err)
	}
	return nil
}

// Strays counts the frames from other hosts that were for no interface of this one.
type Strays struct {
	Malformed   uint64 // no packet of IP
	VNI         uint64 // no VPC of this host has the number
	Destination uint64 // no interface of this host has the address
}

// Strays returns what came from other hosts for nobody.
func (d *Datapath) Strays() (out Strays, err error) {
	for n, to := range map[bpfobj.HedgewardStray]*uint64{
		bpfobj.HedgewardStraySTRAY_MALFORMED:   &out.Malformed,
		bpfobj.HedgewardStraySTRAY_VNI:         &out.VNI,
		bpfobj.HedgewardStraySTRAY_DESTINATION: &out.Destination,
	} {
		var perCPU []uint64
		if err := d.HedgewardMaps.Strays.Lookup(uint32(n), &perCPU); err != nil {
			return out, fmt.Errorf("read strays from other hosts: %w", err)
		}
		for _, v := range perCPU {
			*to += v
		}
	}
	return out, nil
}
