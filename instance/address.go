// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// routeProtocol marks the routes inside that the driver made (the kernel
	// gives it no meaning).
	routeProtocol = 72
	// routeMetric leaves room for routes that programs inside prefer to ours.
	routeMetric = 1024

	addressFiles = ".addresses" // ending of the files that ensureAddresses keeps
)

// ensureAddresses gives the instance's end its addresses and takes away those
// that an earlier call gave it and that are no longer wanted. Which those are is
// written down in the instance's folder: before Linux 5.18 the kernel does not
// keep who added an address, and what programs inside added is theirs.
func (w *wiring) ensureAddresses(inner netlink.Link, i Interface) error {
	present, err := addresses(w.inside.link, inner)
	if err != nil {
		return err
	}
	given, err := w.givenAddresses(i.ID)
	if err != nil {
		return err
	}
	// Noted before they are added as well, so that no interruption forgets one.
	if err := w.noteAddresses(i.ID, append(slices.Clone(i.Addresses), given...)); err != nil {
		return err
	}
	// The kernel takes the first IPv4 address that it is given for the primary
	// one. If that one is missing, the others must be added again after it.
	first := slices.IndexFunc(i.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() })
	reorder := first >= 0 && !slices.Contains(present, i.Addresses[first])
	for _, p := range slices.Clone(present) {
		if slices.Contains(i.Addresses, p) {
			if !reorder || !p.Addr().Is4() {
				continue
			}
		} else if !slices.Contains(given, p) {
			continue
		}
		if err := w.inside.link.AddrDel(inner, address(p)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s: %w", p, err)
		}
		present = slices.DeleteFunc(present, func(q netip.Prefix) bool { return q == p })
	}
	for _, p := range i.Addresses {
		if slices.Contains(present, p) {
			continue
		}
		if err := w.inside.link.AddrAdd(inner, address(p)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s: %w", p, err)
		}
	}
	return w.noteAddresses(i.ID, i.Addresses)
}

// address returns p as netlink wants it. Duplicate address detection would keep
// an IPv6 address out of use for a second, and it is the control plane that
// makes addresses unique.
func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{
		IP:   p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// addresses returns what a device has, in the kernel's order.
func addresses(h *netlink.Handle, l netlink.Link) ([]netip.Prefix, error) {
	list, err := dump(func() ([]netlink.Addr, error) { return h.AddrList(l, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
	}
	var present []netip.Prefix
	for _, a := range list {
		present = append(present, prefix(a.IPNet))
	}
	return present, nil
}

// prefix returns n as a netip.Prefix, invalid for nil.
func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	ip, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), bits)
}

func (w *wiring) addressFile(interfaceID string) string {
	return filepath.Join(w.cfg.StateDir, "instances", w.id, interfaceID+addressFiles)
}

// givenAddresses returns what ensureAddresses noted last.
func (w *wiring) givenAddresses(interfaceID string) ([]netip.Prefix, error) {
	text, err := os.ReadFile(w.addressFile(interfaceID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read noted addresses: %w", err)
	}
	var given []netip.Prefix
	for _, line := range strings.Fields(string(text)) {
		// A line that a full disk cut short names no address of ours.
		if p, err := netip.ParsePrefix(line); err == nil {
			given = append(given, p)
		}
	}
	return given, nil
}

// noteAddresses writes down what the driver gave the interface, unless that is
// what the note says already.
func (w *wiring) noteAddresses(interfaceID string, given []netip.Prefix) error {
	var text strings.Builder
	for i, p := range given {
		if !slices.Contains(given[:i], p) {
			fmt.Fprintln(&text, p)
		}
	}
	path := w.addressFile(interfaceID)
	if old, err := os.ReadFile(path); err == nil && string(old) == text.String() {
		return nil
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("note addresses: %w", err)
	}
	return nil
}

// forgetAddresses deletes the notes of an instance that has no interfaces any
// more.
func (n *Netns) forgetAddresses(id string) error {
	notes, err := filepath.Glob(filepath.Join(n.stateDir(id), "*"+addressFiles))
	for _, note := range notes {
		err = errors.Join(err, os.Remove(note))
	}
	if err != nil {
		return fmt.Errorf("instance %s: forget addresses: %w", id, err)
	}
	return nil
}

// defaultRoute is a default route as the driver makes it.
type defaultRoute struct {
	gateway netip.Addr
	link    int // ifindex inside
}

// ensureDefaultRoutes makes one default route per family, through the first of
// the interfaces that has a gateway of that family, and removes those it made
// earlier and that are not wanted.
func (w *wiring) ensureDefaultRoutes(interfaces []Interface) error {
	for family, is4 := range map[int]bool{netlink.FAMILY_V4: true, netlink.FAMILY_V6: false} {
		var wanted defaultRoute
		for _, i := range interfaces {
			at := slices.IndexFunc(i.Gateways, func(g netip.Addr) bool { return g.Is4() == is4 })
			if at < 0 {
				continue
			}
			l, err := w.inside.link.LinkByName(insideName(i.DeviceIndex))
			if err != nil {
				return fmt.Errorf("find %s for the default route: %w", insideName(i.DeviceIndex), err)
			}
			wanted = defaultRoute{i.Gateways[at], l.Attrs().Index}
			break
		}
		if err := w.ensureDefaultRoute(family, wanted); err != nil {
			return err
		}
	}
	return nil
}

// ensureDefaultRoute brings the default route of one family into line. The zero
// route means none.
func (w *wiring) ensureDefaultRoute(family int, wanted defaultRoute) error {
	routes, err := dump(func() ([]netlink.Route, error) {
		return w.inside.link.RouteListFiltered(family, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	there := false
	for _, r := range routes {
		gateway, _ := netip.AddrFromSlice(r.Gw)
		if (defaultRoute{gateway.Unmap(), r.LinkIndex}) == wanted {
			there = true
			continue
		}
		if err := w.inside.link.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove default route through %s: %w", gateway, err)
		}
	}
	if there || !wanted.gateway.IsValid() {
		return nil
	}
	bits := wanted.gateway.BitLen()
	err = w.inside.link.RouteAdd(&netlink.Route{
		Dst:       &net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)},
		Gw:        wanted.gateway.AsSlice(),
		LinkIndex: wanted.link,
		Protocol:  routeProtocol,
		Priority:  routeMetric,
		Flags:     int(netlink.FLAG_ONLINK), // also where the subnet is one address long
	})
	if err != nil && !errors.Is(err, unix.EEXIST) { // or a program inside has its own
		return fmt.Errorf("add default route through %s: %w", wanted.gateway, err)
	}
	return nil
}
