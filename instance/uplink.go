// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Uplink is the way from the VPCs to the internet: a pair of devices. On the near
// end sit the programs that translate and judge. The far end, FarDevice, is an
// ordinary device: the routing and the firewall of the namespace that it is in
// decide what becomes of packets.
type Uplink struct {
	// Namespace is where the far end is: a name that `ip netns` shows, a path, or
	// "" for the host's own.
	Namespace string
	// Addresses of the far end, with the lengths of the blocks that are reached
	// over it. The first of a family is the source of what the namespace itself
	// sends there.
	Addresses []netip.Prefix
	// Routes are further blocks that are reached over it.
	Routes []netip.Prefix
	// Unplugged leaves the far end down, in the host's namespace and without
	// addresses: nothing leaves. Packets between public addresses of this host
	// need no more.
	Unplugged bool
}

// FarDevice is the name of the far end of an uplink that is plugged in.
const FarDevice = "hw-internet"

// FarMAC is its hardware address. It asks for no others: every frame that it
// sends reaches the programs.
var FarMAC = net.HardwareAddr{0x02, 0x48, 0x47, 0x00, 0x00, 0x02}

// nearDevice is the name of the near end: all installations of a machine have
// theirs in the host's namespace.
func (n *Netns) nearDevice() string {
	sum := sha256.Sum256([]byte(filepath.Clean(n.cfg.StateDir)))
	return "hwgw" + hex.EncodeToString(sum[:4])
}

// farDevice is the name of the far end. Those that are not plugged in are all in
// the host's namespace.
func (n *Netns) farDevice(u Uplink) string {
	if u.Unplugged {
		return "hwup" + strings.TrimPrefix(n.nearDevice(), "hwgw")
	}
	return FarDevice
}

// uplinkMark is the alias of both ends.
func (n *Netns) uplinkMark() string { return owner + " uplink " + n.nearDevice() }

// EnsureUplink brings the uplink into line: it makes it if need be, calls attach
// while the near end is down if it is new, and corrects what differs. Addresses
// and routes of the far end that it did not put there stay.
func (n *Netns) EnsureUplink(u Uplink, attach func(device string, ifindex int) error) error {
	fail := func(err error) error { return fmt.Errorf("uplink to the internet: %w", err) }
	host, err := hostHandle()
	if err != nil {
		return fail(err)
	}
	defer host.Close()
	space, far, err := openUplinkNamespace(u.Namespace)
	if err != nil {
		return fail(err)
	}
	defer space.Close()
	defer far.Close()
	outer, inner, err := n.findUplink(host, far, n.farDevice(u))
	if err != nil {
		return fail(err)
	}
	if outer == nil {
		if outer, inner, err = n.createUplink(host, far, space, n.farDevice(u)); err != nil {
			return fail(err)
		}
	}
	w := &wiring{cfg: n.settings(), host: host}
	if err := w.configureHost(outer); err != nil {
		return fail(err)
	}
	if !u.Unplugged {
		if err := configureFar(far, space, inner, u); err != nil {
			return fail(err)
		}
	}
	if err := attach(outer.Attrs().Name, outer.Attrs().Index); err != nil {
		// Nothing judges this device: it must not stay.
		return fail(errors.Join(fmt.Errorf("attach to %s: %w", outer.Attrs().Name, err), deleteLink(host, outer.Attrs().Name)))
	}
	if err := host.LinkSetUp(outer); err != nil {
		return fail(fmt.Errorf("bring up %s: %w", outer.Attrs().Name, err))
	}
	return nil
}

// RemoveUplink deletes the uplink, both ends, and returns the name of the near one;
// none if there was none.
func (n *Netns) RemoveUplink() (removed []string, err error) {
	host, err := hostHandle()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	near, err := host.LinkByName(n.nearDevice())
	if absent(err) || err == nil && near.Attrs().Alias != n.uplinkMark() {
		return nil, nil
	}
	if err == nil {
		err = deleteLink(host, near.Attrs().Name)
	}
	if err != nil {
		return nil, fmt.Errorf("remove the uplink to the internet: %w", err)
	}
	return []string{near.Attrs().Name}, nil
}

// openUplinkNamespace opens the namespace of the far end.
func openUplinkNamespace(name string) (*os.File, *netlink.Handle, error) {
	path := "/proc/thread-self/ns/net"
	switch {
	case strings.Contains(name, "/"):
		path = name
	case name != "":
		path = filepath.Join(namespaceDir, name)
	}
	space, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open network namespace %q: %w", name, err)
	}
	var far *netlink.Handle
	err = within(space, func() (err error) {
		far, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		space.Close()
		return nil, nil, err
	}
	return space, far, nil
}

// findUplink returns both ends of the uplink if it is there and whole. One with
// its far end elsewhere it deletes and returns nil, so that it is made anew.
func (n *Netns) findUplink(host, far *netlink.Handle, farName string) (outer, inner netlink.Link, err error) {
	outer, err = host.LinkByName(n.nearDevice())
	if err != nil && !absent(err) {
		return nil, nil, fmt.Errorf("find %s: %w", n.nearDevice(), err)
	}
	inner, farErr := far.LinkByName(farName)
	switch {
	case farErr != nil && !absent(farErr):
		return nil, nil, fmt.Errorf("find %s: %w", farName, farErr)
	case err == nil && outer.Attrs().Alias != "" && outer.Attrs().Alias != n.uplinkMark():
		return nil, nil, fmt.Errorf("device %s exists and was not made by Hedgeward: delete or rename it", n.nearDevice())
	case err == nil && farErr == nil && outer.Attrs().Alias == n.uplinkMark() && inner.Attrs().Alias == n.uplinkMark():
		return outer, inner, nil
	case err == nil:
		if err := deleteLink(host, n.nearDevice()); err != nil {
			return nil, nil, err
		}
		_, farErr = far.LinkByName(farName)
	}
	if farErr == nil {
		return nil, nil, fmt.Errorf("device %s exists there already: another installation uses this namespace, choose another one", farName)
	}
	return nil, nil, nil
}

// createUplink makes the pair, both ends down.
func (n *Netns) createUplink(host, far *netlink.Handle, space *os.File, farName string) (outer, inner netlink.Link, err error) {
	attrs := netlink.NewLinkAttrs()
	mtu := n.settings().MTU
	attrs.Name, attrs.HardwareAddr, attrs.MTU = n.nearDevice(), n.cfg.RouterMAC, mtu
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerHardwareAddr, pair.PeerMTU = farName, FarMAC, uint32(mtu)
	pair.PeerNamespace = netlink.NsFd(space.Fd())
	if err := host.LinkAdd(pair); err != nil {
		return nil, nil, fmt.Errorf("create %s with %s: %w", n.nearDevice(), farName, err)
	}
	if outer, err = host.LinkByName(n.nearDevice()); err != nil {
		return nil, nil, fmt.Errorf("find %s after creating it: %w", n.nearDevice(), err)
	}
	if inner, err = far.LinkByName(farName); err != nil {
		return nil, nil, fmt.Errorf("find %s after creating it: %w", farName, err)
	}
	if err = far.LinkSetAlias(inner, n.uplinkMark()); err == nil {
		err = host.LinkSetAlias(outer, n.uplinkMark())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("mark %s and %s: %w", n.nearDevice(), farName, err)
	}
	return outer, inner, nil
}

// configureFar corrects the far end and what is reached over it, and brings it
// up.
func configureFar(far *netlink.Handle, space *os.File, inner netlink.Link, u Uplink) error {
	if err := far.LinkSetIP6AddrGenMode(inner, in6AddrGenNone); err != nil {
		return fmt.Errorf("set address generation of %s: %w", FarDevice, err)
	}
	err := within(space, func() error { return setSysctl("net/ipv6/conf/"+FarDevice+"/accept_ra", "0") })
	if err != nil {
		return err
	}
	// Nobody answers ARP or neighbour discovery there, and nobody needs to.
	if err := far.LinkSetARPOff(inner); err != nil {
		return fmt.Errorf("turn ARP off on %s: %w", FarDevice, err)
	}
	if err := far.LinkSetUp(inner); err != nil {
		return fmt.Errorf("bring up %s: %w", FarDevice, err)
	}
	present, err := addresses(far, inner)
	if err != nil {
		return err
	}
	for _, a := range u.Addresses {
		if slices.Contains(present, a) {
			continue
		}
		if err := far.AddrAdd(inner, address(a)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s to %s: %w", a, FarDevice, err)
		}
	}
	return ensureRoutes(far, netlink.Route{LinkIndex: inner.Attrs().Index, Scope: netlink.SCOPE_LINK}, u.Routes)
}

// ensureRoutes makes routes like one for the blocks, and removes those that an
// earlier call made for others.
func ensureRoutes(h *netlink.Handle, like netlink.Route, blocks []netip.Prefix) error {
	like.Protocol = routeProtocol
	by := uint64(netlink.RT_FILTER_PROTOCOL | netlink.RT_FILTER_OIF)
	if like.Table != 0 {
		by |= netlink.RT_FILTER_TABLE
	}
	routes, err := dump(func() ([]netlink.Route, error) { return h.RouteListFiltered(netlink.FAMILY_ALL, &like, by) })
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	var present []netip.Prefix
	for _, r := range routes {
		to := prefix(r.Dst)
		if slices.Contains(blocks, to) {
			present = append(present, to)
			continue
		}
		if to.Bits() <= 0 {
			continue // a default route: ensureDefaultRoute's
		}
		if err := h.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route to %s: %w", to, err)
		}
	}
	for _, to := range blocks {
		if slices.Contains(present, to) {
			continue
		}
		r := like
		r.Dst = &net.IPNet{IP: to.Masked().Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), to.Addr().BitLen())}
		if to.Addr().Is6() && r.Scope == netlink.SCOPE_LINK {
			r.Scope = 0 // IPv6 knows no scopes
		}
		if err := h.RouteAdd(&r); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add route to %s: %w", to, err)
		}
	}
	return nil
}
