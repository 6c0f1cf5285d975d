// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// in6AddrGenNone keeps the kernel from giving a device a link-local address.
const in6AddrGenNone = 1

// wiring is one instance's interfaces, seen from both ends.
type wiring struct {
	id     string
	cfg    Config
	host   *netlink.Handle
	inside *namespace
}

// removeOthers deletes the interfaces of the instance that are not wanted.
func (w *wiring) removeOthers(wanted []Interface) error {
	keep := map[string]bool{}
	for _, i := range wanted {
		keep[DeviceName(i.ID)] = true
	}
	links, err := dump(w.inside.link.LinkList)
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range links {
		peer := w.hostEnd(l)
		if peer == nil || keep[peer.Attrs().Name] {
			continue
		}
		// By index: its interface may be another instance's by now, which makes a
		// device of the same name.
		if err := w.host.LinkDel(peer); err != nil && !absent(err) {
			return fmt.Errorf("delete %s: %w", peer.Attrs().Name, err)
		}
	}
	return nil
}

// hostEnd returns the host's end of a device in the instance if the pair is one
// of ours, otherwise nil.
func (w *wiring) hostEnd(l netlink.Link) netlink.Link {
	inner := l.Attrs()
	if l.Type() != "veth" || inner.NetNsID < 0 { // both ends inside
		return nil
	}
	peer, err := w.host.LinkByIndex(inner.ParentIndex)
	if err != nil || peer.Attrs().ParentIndex != inner.Index || !w.made(peer) {
		return nil
	}
	return peer
}

// made reports whether the driver made this host device. A process that ended
// right after creating one left it without its alias, but never without its
// hardware address.
func (w *wiring) made(l netlink.Link) bool {
	a := l.Attrs()
	if l.Type() != "veth" || !strings.HasPrefix(a.Name, devicePrefix) {
		return false
	}
	if a.Alias == "" {
		return bytes.Equal(a.HardwareAddr, w.cfg.RouterMAC)
	}
	iface, _, ok := parseDeviceMark(a.Alias)
	return ok && DeviceName(iface) == a.Name
}

// ensure brings one interface into line.
func (w *wiring) ensure(i Interface, attach Attach) error {
	name := DeviceName(i.ID)
	outer, inner, err := w.find(i)
	if err != nil {
		return err
	}
	if outer == nil {
		if outer, inner, err = w.create(i); err != nil {
			return err
		}
	}
	if err := w.configureHost(outer); err != nil {
		return err
	}
	if err := w.configureInside(inner, i); err != nil {
		return err
	}
	if err := attach(i.ID, name, outer.Attrs().Index); err != nil {
		err = fmt.Errorf("attach to %s: %w", name, err)
		if down := w.host.LinkSetDown(outer); down != nil {
			// Nothing judges this device: it must not stay.
			err = errors.Join(err, fmt.Errorf("take down %s: %w", name, down), deleteLink(w.host, name))
		}
		return err
	}
	if err := w.host.LinkSetUp(outer); err != nil {
		return fmt.Errorf("bring up %s: %w", name, err)
	}
	return nil
}

// find returns both ends of an interface that is there and sound. What is there
// and unsound (made by half, renamed, moved, of another instance) it deletes and
// returns nil, so that it is made anew. It never deletes what is not ours.
func (w *wiring) find(i Interface) (outer, inner netlink.Link, err error) {
	name := DeviceName(i.ID)
	outer, err = w.host.LinkByName(name)
	if absent(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find %s: %w", name, err)
	}
	if !w.made(outer) {
		return nil, nil, fmt.Errorf("host device %s exists and was not made by Hedgeward: "+
			"delete or rename it (ip link delete %s)", name, name)
	}
	iface, instance, marked := parseDeviceMark(outer.Attrs().Alias)
	if marked && iface != i.ID {
		return nil, nil, fmt.Errorf("host device %s belongs to interface %s, whose id ends like this one's: "+
			"create this interface anew", name, iface)
	}
	if marked && instance == w.id {
		inner, err = w.inside.link.LinkByIndex(outer.Attrs().ParentIndex)
		if err != nil && !absent(err) {
			return nil, nil, fmt.Errorf("find the other end of %s: %w", name, err)
		}
		if err == nil && inner.Attrs().Name == insideName(i.DeviceIndex) {
			if peer := w.hostEnd(inner); peer != nil && peer.Attrs().Index == outer.Attrs().Index {
				return outer, inner, nil
			}
		}
	}
	w.cfg.Log.Info("making an interface anew", "instance", w.id, "interface", i.ID, "device", name)
	return nil, nil, deleteLink(w.host, name)
}

// create makes the veth pair of an interface, both ends down.
func (w *wiring) create(i Interface) (outer, inner netlink.Link, err error) {
	name, eth := DeviceName(i.ID), insideName(i.DeviceIndex)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = name, w.cfg.RouterMAC, w.cfg.MTU
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerHardwareAddr, pair.PeerMTU = eth, i.MAC, uint32(w.cfg.MTU)
	pair.PeerNamespace = netlink.NsFd(w.inside.file.Fd())
	if err := w.host.LinkAdd(pair); err != nil {
		return nil, nil, fmt.Errorf("create %s with %s inside: %w", name, eth, err)
	}
	if outer, err = w.host.LinkByName(name); err != nil {
		return nil, nil, fmt.Errorf("find %s after creating it: %w", name, err)
	}
	if err = w.host.LinkSetAlias(outer, deviceMark(i.ID, w.id)); err != nil {
		return nil, nil, fmt.Errorf("mark %s: %w", name, err)
	}
	if inner, err = w.inside.link.LinkByName(eth); err != nil {
		return nil, nil, fmt.Errorf("find %s inside after creating it: %w", eth, err)
	}
	return outer, inner, nil
}

// configureHost corrects the host's end. It takes no part in the host's IPv6:
// no address, no router advertisements, no neighbour discovery of its own.
func (w *wiring) configureHost(outer netlink.Link) error {
	a := outer.Attrs()
	if err := w.host.LinkSetIP6AddrGenMode(outer, in6AddrGenNone); err != nil {
		return fmt.Errorf("set address generation of %s: %w", a.Name, err)
	}
	if err := setSysctl("net/ipv6/conf/"+a.Name+"/disable_ipv6", "1"); err != nil {
		return err
	}
	if !bytes.Equal(a.HardwareAddr, w.cfg.RouterMAC) {
		if err := w.host.LinkSetHardwareAddr(outer, w.cfg.RouterMAC); err != nil {
			return fmt.Errorf("set hardware address of %s: %w", a.Name, err)
		}
	}
	if a.MTU != w.cfg.MTU {
		if err := w.host.LinkSetMTU(outer, w.cfg.MTU); err != nil {
			return fmt.Errorf("set MTU of %s: %w", a.Name, err)
		}
	}
	return nil
}

// configureInside corrects the instance's end and brings it up. It has no
// carrier while the host's end is down.
func (w *wiring) configureInside(inner netlink.Link, i Interface) error {
	a := inner.Attrs()
	if !bytes.Equal(a.HardwareAddr, i.MAC) {
		if err := w.inside.link.LinkSetHardwareAddr(inner, i.MAC); err != nil {
			return fmt.Errorf("set hardware address of %s: %w", a.Name, err)
		}
	}
	if a.MTU != w.cfg.MTU {
		if err := w.inside.link.LinkSetMTU(inner, w.cfg.MTU); err != nil {
			return fmt.Errorf("set MTU of %s: %w", a.Name, err)
		}
	}
	// Taking it down would have removed its IPv6 addresses: up first.
	if a.Flags&net.FlagUp == 0 {
		if err := w.inside.link.LinkSetUp(inner); err != nil {
			return fmt.Errorf("bring up %s: %w", a.Name, err)
		}
	}
	return w.ensureAddresses(inner, i)
}

// hostDevices returns the host's ends of all interfaces, by instance and, for
// each, by name.
func hostDevices(host *netlink.Handle) (map[string][]FoundInterface, error) {
	links, err := dump(host.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list host devices: %w", err)
	}
	devices := map[string][]FoundInterface{}
	for _, l := range links {
		a := l.Attrs()
		iface, instance, ok := parseDeviceMark(a.Alias)
		if !ok || l.Type() != "veth" || a.Name != DeviceName(iface) {
			continue
		}
		devices[instance] = append(devices[instance], FoundInterface{
			ID: iface, Device: a.Name, Index: a.Index, Up: a.Flags&net.FlagUp != 0,
		})
	}
	for _, d := range devices {
		slices.SortFunc(d, func(a, b FoundInterface) int { return cmp.Compare(a.Device, b.Device) })
	}
	return devices, nil
}

// deleteLink deletes a device and with it its other end. One that is gone
// already is not an error.
func deleteLink(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkDel(l)
	}
	if err != nil && !absent(err) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// absent reports whether err says that there is no such device.
func absent(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.As(err, &notFound) || errors.Is(err, unix.ENODEV)
}

// dump repeats a listing that the kernel says was interrupted by a change.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	for {
		got, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return got, err
		}
	}
}
