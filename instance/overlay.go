// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Overlay is the network between hosts as one of them has it: a VXLAN device that
// takes where to from each packet.
type Overlay struct {
	Address netip.Addr // by which other hosts reach this one; some device of the host has it
	Port    int        // UDP, the same on all hosts; zero means 4789 (RFC 7348)
}

// AddrPort returns the address with the port that is used.
func (o Overlay) AddrPort() netip.AddrPort {
	return netip.AddrPortFrom(o.Address, uint16(cmp.Or(o.Port, vxlanPort)))
}

// What VXLAN adds to a packet of an instance: its Ethernet header, and those of
// VXLAN, UDP and IP.
const (
	overhead4 = 14 + 8 + 8 + 20
	overhead6 = 14 + 8 + 8 + 40
)

// leastMTU is what every link takes that IPv6 passes (RFC 8200).
const leastMTU = 1280

const vxlanPort = 4789

// overlayDevice is the name of the VXLAN device: all installations of a machine
// have theirs in the host's namespace.
func (n *Netns) overlayDevice() string {
	return "hwvx" + strings.TrimPrefix(n.nearDevice(), "hwgw")
}

func (n *Netns) overlayMark() string { return owner + " overlay " + n.overlayDevice() }

// EnsureOverlay brings the device into line with o: it makes it if need be and
// calls attach, which puts the program on it that judges every frame, before it is
// up. If attach fails the device is deleted. Interfaces are from then on as long as
// fits between hosts; changed reports whether those that are there must be ensured
// again for it.
func (n *Netns) EnsureOverlay(o Overlay, attach func(device string, ifindex int) error) (changed bool, err error) {
	fail := func(err error) (bool, error) { return false, fmt.Errorf("network between hosts: %w", err) }
	host, err := hostHandle()
	if err != nil {
		return fail(err)
	}
	defer host.Close()
	mtu, err := overlayMTU(host, o.Address)
	if err != nil {
		return fail(err)
	}
	dev, err := n.findOverlay(host, o)
	if err != nil {
		return fail(err)
	}
	if dev == nil {
		if dev, err = n.createOverlay(host, o, mtu); err != nil {
			return fail(err)
		}
	}
	a := dev.Attrs()
	if a.MTU != mtu {
		if err := host.LinkSetMTU(dev, mtu); err != nil {
			return fail(fmt.Errorf("set MTU of %s: %w", a.Name, err))
		}
	}
	if err := attach(a.Name, a.Index); err != nil {
		// Nothing judges this device: it must not stay.
		return fail(errors.Join(fmt.Errorf("attach to %s: %w", a.Name, err), deleteLink(host, a.Name)))
	}
	if err := host.LinkSetUp(dev); errors.Is(err, unix.EADDRINUSE) {
		return fail(fmt.Errorf("UDP port %d is taken: choose another one for all hosts", cmp.Or(o.Port, vxlanPort)))
	} else if err != nil {
		return fail(fmt.Errorf("bring up %s: %w", a.Name, err))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	changed, n.mtu = n.mtu != mtu, mtu
	return changed, nil
}

// overlayMTU returns how long the packets of instances may be: what the device
// takes that has the host's address, less what VXLAN adds.
func overlayMTU(host *netlink.Handle, address netip.Addr) (int, error) {
	all, err := dump(func() ([]netlink.Addr, error) { return host.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return 0, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range all {
		if ip, _ := netip.AddrFromSlice(a.IP); ip.Unmap() != address {
			continue
		}
		dev, err := host.LinkByIndex(a.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("find the device of %s: %w", address, err)
		}
		overhead := overhead4
		if address.Is6() {
			overhead = overhead6
		}
		takes, name := dev.Attrs().MTU, dev.Attrs().Name
		if takes-overhead < leastMTU {
			return 0, fmt.Errorf("device %s takes packets of %d bytes at most: %d are needed", name, takes, leastMTU+overhead)
		}
		return takes - overhead, nil
	}
	return 0, fmt.Errorf("no device of this host has the address %s: give one of its own with --underlay", address)
}

// findOverlay returns the device if it is there and as it should be, nil if it is
// not. One that is ours and otherwise it deletes.
func (n *Netns) findOverlay(host *netlink.Handle, o Overlay) (netlink.Link, error) {
	name := n.overlayDevice()
	dev, err := host.LinkByName(name)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	vxlan, ok := dev.(*netlink.Vxlan)
	mark := dev.Attrs().Alias
	ours := mark == n.overlayMark()
	if ours && ok && vxlan.FlowBased && vxlan.Port == cmp.Or(o.Port, vxlanPort) {
		return dev, nil
	}
	// A process that ended right after creating it left it down and without a mark.
	byHalf := mark == "" && ok && vxlan.FlowBased && dev.Attrs().Flags&net.FlagUp == 0
	if !ours && !byHalf {
		return nil, fmt.Errorf("device %s exists and was not made by Hedgeward: delete or rename it", name)
	}
	return nil, deleteLink(host, name)
}

// createOverlay makes the device, down.
func (n *Netns) createOverlay(host *netlink.Handle, o Overlay, mtu int) (netlink.Link, error) {
	name := n.overlayDevice()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	dev := &netlink.Vxlan{LinkAttrs: attrs, FlowBased: true, Port: cmp.Or(o.Port, vxlanPort)}
	if err := host.LinkAdd(dev); errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("another VXLAN device has UDP port %d: choose another one for all hosts", dev.Port)
	} else if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	made, err := host.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find %s after creating it: %w", name, err)
	}
	if err := host.LinkSetIP6AddrGenMode(made, in6AddrGenNone); err != nil {
		return nil, fmt.Errorf("set address generation of %s: %w", name, err)
	}
	if err := setSysctl("net/ipv6/conf/"+name+"/disable_ipv6", "1"); err != nil {
		return nil, err
	}
	if err := host.LinkSetAlias(made, n.overlayMark()); err != nil {
		return nil, fmt.Errorf("mark %s: %w", name, err)
	}
	return made, nil
}

// RemoveOverlay deletes the device and returns its name; none if there was none.
func (n *Netns) RemoveOverlay() (removed []string, err error) {
	host, err := hostHandle()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	dev, err := host.LinkByName(n.overlayDevice())
	if absent(err) || err == nil && dev.Attrs().Alias != n.overlayMark() {
		return nil, nil
	}
	if err == nil {
		err = deleteLink(host, n.overlayDevice())
	}
	if err != nil {
		return nil, fmt.Errorf("remove the network between hosts: %w", err)
	}
	return []string{n.overlayDevice()}, nil
}
