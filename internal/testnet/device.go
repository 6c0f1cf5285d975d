// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// End is one end of a pair of devices.
type End struct {
	NS        *NS
	Name      string           // unique in its namespace
	MAC       net.HardwareAddr // nil for a random one
	Addresses []string         // "10.0.0.1/24", "2001:db8::1/64"
}

// UniqueName returns a device name that no other test process uses at the same
// time, for devices in the host's namespace.
func UniqueName(prefix string) string {
	name := fmt.Sprintf("%s%x-%x", prefix, os.Getpid(), serial.Add(1))
	if len(name) >= unix.IFNAMSIZ {
		panic("device name " + name + " is too long")
	}
	return name
}

// Pair makes a veth pair with its addresses and brings both ends up. It is gone
// when the test ends.
func Pair(t testing.TB, a, b End) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = a.Name, a.MAC
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerHardwareAddr = b.Name, b.MAC
	pair.PeerNamespace = netlink.NsFd(b.NS.File.Fd())
	a.NS.add(t, pair)
	for _, end := range []End{a, b} {
		for _, address := range end.Addresses {
			end.NS.Address(t, end.Name, address)
		}
		end.NS.Up(t, end.Name)
	}
}

// Bridge makes an ordinary bridge over the given devices, up. It forwards at
// once: no spanning tree.
func (n *NS) Bridge(t testing.TB, name string, ports ...string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	n.add(t, &netlink.Bridge{LinkAttrs: attrs})
	bridge := n.Device(t, name)
	for _, port := range ports {
		if err := n.Link.LinkSetMaster(n.Device(t, port), bridge); err != nil {
			t.Fatalf("put %s under bridge %s in %s: %v", port, name, n.Name, err)
		}
	}
	n.Up(t, name)
}

// add makes a device and deletes it when the test ends.
func (n *NS) add(t testing.TB, link netlink.Link) {
	t.Helper()
	name := link.Attrs().Name
	if err := n.Link.LinkAdd(link); err != nil {
		t.Fatalf("create %s %s in %s: %v", link.Type(), name, n.Name, err)
	}
	t.Cleanup(func() {
		if l, err := n.Link.LinkByName(name); err == nil {
			if err := n.Link.LinkDel(l); err != nil {
				t.Errorf("delete %s in %s: %v", name, n.Name, err)
			}
		}
	})
}

// Device returns a device as it is now.
func (n *NS) Device(t testing.TB, name string) netlink.Link {
	t.Helper()
	link, err := n.Link.LinkByName(name)
	if err != nil {
		t.Fatalf("find %s in %s: %v", name, n.Name, err)
	}
	return link
}

// Up brings a device up.
func (n *NS) Up(t testing.TB, name string) {
	t.Helper()
	if err := n.Link.LinkSetUp(n.Device(t, name)); err != nil {
		t.Fatalf("bring up %s in %s: %v", name, n.Name, err)
	}
}

// Address adds an address, usable at once, to a device.
func (n *NS) Address(t testing.TB, device, address string) {
	t.Helper()
	a, err := netlink.ParseAddr(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	if strings.Contains(address, ":") {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := n.Link.AddrAdd(n.Device(t, device), a); err != nil {
		t.Fatalf("add %s to %s in %s: %v", address, device, n.Name, err)
	}
}

// Route adds a route to a prefix, through a gateway ("" for none) on a device.
func (n *NS) Route(t testing.TB, to, gateway, device string) {
	t.Helper()
	dst := netip.MustParsePrefix(to)
	route := &netlink.Route{
		LinkIndex: n.Device(t, device).Attrs().Index,
		Dst: &net.IPNet{
			IP:   dst.Addr().AsSlice(),
			Mask: net.CIDRMask(dst.Bits(), dst.Addr().BitLen()),
		},
	}
	if gateway != "" {
		route.Gw = net.ParseIP(gateway)
		route.Flags = int(netlink.FLAG_ONLINK)
	}
	if err := n.Link.RouteAdd(route); err != nil {
		t.Fatalf("add route to %s in %s: %v", to, n.Name, err)
	}
}
