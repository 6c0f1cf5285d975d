// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ServicesMAC is the hardware address of the services' end of their device.
var ServicesMAC = net.HardwareAddr{0x02, 0x48, 0x47, 0x00, 0x00, 0x03}

const servicesFar = "eth0" // the services' end, in their namespace

// ServicesRoom is a network namespace for the local services of a host, with one
// device that leads to instances. Both go with this process: nothing is left of a
// room that nobody holds.
type ServicesRoom struct {
	Ifindex int // of the host's end
	ns      *os.File
}

// NewServicesRoom makes a room with these addresses, from which a block of
// instances is reached. It opens nothing to the host: the host's end has no
// address.
func NewServicesRoom(addresses []netip.Prefix, instances netip.Prefix) (*ServicesRoom, error) {
	fail := func(err error) (*ServicesRoom, error) { return nil, fmt.Errorf("room for local services: %w", err) }
	room := &ServicesRoom{}
	err := onThread(func() (bool, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return false, fmt.Errorf("new network namespace: %w", err)
		}
		var err error
		room.ns, err = os.Open("/proc/thread-self/ns/net")
		return false, err
	})
	if err != nil {
		return fail(err)
	}
	if err := room.furnish(addresses, instances); err != nil {
		return fail(errors.Join(err, room.Close()))
	}
	return room, nil
}

func (r *ServicesRoom) furnish(addresses []netip.Prefix, instances netip.Prefix) error {
	host, err := hostHandle()
	if err != nil {
		return err
	}
	defer host.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = fmt.Sprintf("hwserve%d", os.Getpid()), RouterMAC
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerHardwareAddr = servicesFar, ServicesMAC
	pair.PeerNamespace = netlink.NsFd(r.ns.Fd())
	if err := host.LinkAdd(pair); err != nil {
		return fmt.Errorf("create %s: %w", attrs.Name, err)
	}
	near, err := host.LinkByName(attrs.Name)
	if err != nil {
		return fmt.Errorf("find %s after creating it: %w", attrs.Name, err)
	}
	r.Ifindex = near.Attrs().Index
	err = within(r.ns, func() error {
		far, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer far.Close()
		inner, err := far.LinkByName(servicesFar)
		if err != nil {
			return fmt.Errorf("find %s: %w", servicesFar, err)
		}
		// Nobody answers ARP there, and nobody needs to.
		if err := far.LinkSetARPOff(inner); err != nil {
			return fmt.Errorf("turn ARP off: %w", err)
		}
		for _, a := range addresses {
			if err := far.AddrAdd(inner, address(a)); err != nil {
				return fmt.Errorf("add address %s: %w", a, err)
			}
		}
		if err := far.LinkSetUp(inner); err != nil {
			return fmt.Errorf("bring %s up: %w", servicesFar, err)
		}
		return ensureRoutes(far, netlink.Route{LinkIndex: inner.Attrs().Index, Scope: netlink.SCOPE_LINK}, []netip.Prefix{instances})
	})
	if err != nil {
		return err
	}
	if err := host.LinkSetIP6AddrGenMode(near, in6AddrGenNone); err != nil {
		return fmt.Errorf("set address generation of %s: %w", attrs.Name, err)
	}
	if err := host.LinkSetUp(near); err != nil {
		return fmt.Errorf("bring %s up: %w", attrs.Name, err)
	}
	return nil
}

// Within runs fn on a thread in the room: sockets that it opens stay there.
func (r *ServicesRoom) Within(fn func() error) error { return within(r.ns, fn) }

// Close gives the room up. It is gone once its sockets are closed, too.
func (r *ServicesRoom) Close() error { return r.ns.Close() }
