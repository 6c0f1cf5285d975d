// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Places is where instances are seen by the local services
// (docs/spec/packet-semantics.md section 4.1): networks overlap, so each interface
// of the host has an address of this block there.
var Places = netip.MustParsePrefix("100.64.0.0/10")

// ResolverThere is where the resolver is asked there by those who asked at the
// address that it has in their VPC.
var ResolverThere = netip.AddrFrom4([4]byte{169, 254, 169, 252})

// ServicesLink leads what enters by a device from local services to instances,
// until it is closed.
type ServicesLink struct {
	d    *Datapath
	link link.Link // nil: the program is a filter of the device, and goes with it
}

// ServeBy makes a device the way to the local services that Configure says the host
// has: exempt packets leave by it, and what enters by it goes to the interface at
// whose place it is addressed.
func (d *Datapath) ServeBy(ifindex int) (*ServicesLink, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &ServicesLink{d: d}
	prog := d.progs.FromServices
	var err error
	s.link, err = link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: prog, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, link.ErrNotSupported) {
		s.link = nil
		err = linkClsact(ifindex, hook{name: bpfobj.HedgewardProgFromServices, parent: netlink.HANDLE_MIN_INGRESS}, prog)
	}
	if err != nil {
		return nil, fmt.Errorf("attach to the device of local services: %w", err)
	}
	next := d.settings
	next.Services = uint32(ifindex)
	if err := d.putSettings(next); err != nil {
		return nil, errors.Join(err, s.detach())
	}
	return s, nil
}

func (s *ServicesLink) detach() error {
	if s.link == nil {
		return nil
	}
	return s.link.Close()
}

// Close ends the way: exempt packets are dropped from now on.
func (s *ServicesLink) Close() error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	next := s.d.settings
	next.Services = 0
	return errors.Join(s.d.putSettings(next), s.detach())
}

// InterfaceAt returns the id of the interface whose place an address in Places
// says, "" for none.
func (d *Datapath) InterfaceAt(a netip.Addr) string {
	if !Places.Contains(a) {
		return ""
	}
	b := a.As4()
	place := uint32(b[1]&0x3f)<<16 | uint32(b[2])<<8 | uint32(b[3])
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, s := range d.slots {
		if s.number == place {
			return id
		}
	}
	return ""
}
