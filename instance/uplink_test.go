// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

func TestDelegatedPrefixesAreTheInstances(t *testing.T) { // PKT-A20
	r := newRig(t)
	s := r.spec(4)
	s.Interfaces[0].Prefixes = []netip.Prefix{netip.MustParsePrefix("10.9.0.64/28"), netip.MustParsePrefix("2001:db8:9:0:5::/80")}
	r.mustEnsure(s)
	in := r.inside(s.ID)
	answers := func(addr string) bool {
		routes, err := in.Link.RouteGet(net.ParseIP(addr))
		return err == nil && routes[0].Type == 2 // RTN_LOCAL
	}
	for addr, want := range map[string]bool{
		"10.9.0.64": true, "10.9.0.70": true, "10.9.0.79": true, "10.9.0.80": false,
		"2001:db8:9:0:5::": true, "2001:db8:9:0:5:ffff:0:1": true, "2001:db8:9:0:6::1": false,
	} {
		if answers(addr) != want {
			t.Errorf("%s is the instance's: %v, want %v", addr, !want, want)
		}
	}
	s.Interfaces[0].Prefixes = s.Interfaces[0].Prefixes[:1]
	r.restart()
	r.mustEnsure(s)
	if !answers("10.9.0.70") || answers("2001:db8:9:0:5::1") || !answers("10.9.0.4") || !answers("127.0.0.1") {
		t.Error("taking a prefix away took the wrong addresses away")
	}
}

// far returns what the far end of an uplink has.
func far(t *testing.T, ns *testnet.NS) (addrs, routes []netip.Prefix) {
	t.Helper()
	l := ns.Device(t, FarDevice)
	addrs, err := addresses(ns.Link, l)
	if err != nil {
		t.Fatal(err)
	}
	list, err := dump(func() ([]netlink.Route, error) {
		return ns.Link.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		routes = append(routes, prefix(r.Dst))
	}
	return addrs, routes
}

func TestUplink(t *testing.T) {
	r, internet := newRig(t), testnet.New(t)
	u := Uplink{
		Namespace: filepath.Join("/proc/self/fd", fmt.Sprint(internet.File.Fd())),
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/16")}, Routes: []netip.Prefix{netip.MustParsePrefix("fd00:1::/56")},
	}
	var attached []int
	attach := func(device string, ifindex int) error {
		l, err := r.host.Link.LinkByName(device)
		if err != nil {
			return err
		}
		if len(attached) == 0 && l.Attrs().Flags&net.FlagUp != 0 {
			t.Error("the near end is up before anything judges it")
		}
		attached = append(attached, ifindex)
		return nil
	}
	ensure := func() {
		t.Helper()
		var err error
		r.host.Do(func() { err = r.driver.EnsureUplink(u, attach) })
		if err != nil {
			t.Fatal(err)
		}
	}
	ensure()
	r.restart()
	u.Routes = []netip.Prefix{netip.MustParsePrefix("fd00:2::/56")}
	ensure()
	if len(attached) != 2 || attached[0] != attached[1] {
		t.Errorf("attached to %v, want one device twice", attached)
	}
	addrs, routes := far(t, internet)
	if !slices.Equal(addrs, u.Addresses) || !slices.Equal(routes, u.Routes) {
		t.Errorf("the far end has %v and routes %v", addrs, routes)
	}
	l := internet.Device(t, FarDevice)
	if a := l.Attrs(); a.Flags&net.FlagUp == 0 || a.RawFlags&0x80 == 0 || a.HardwareAddr.String() != FarMAC.String() { // IFF_NOARP
		t.Errorf("the far end is %+v", a)
	}

	other := NewNetns(Config{StateDir: t.TempDir()})
	r.host.Do(func() {
		if err := other.EnsureUplink(u, attach); err == nil {
			t.Error("two installations share one far end")
		}
		if removed, err := other.RemoveUplink(); err != nil || len(removed) != 0 {
			t.Errorf("another installation removed %v, %v", removed, err)
		}
		if removed, err := r.driver.RemoveUplink(); err != nil || len(removed) != 1 {
			t.Errorf("removed %v, %v", removed, err)
		}
	})
	if _, err := internet.Link.LinkByName(FarDevice); err == nil {
		t.Error("the far end is still there")
	}
}

func TestUnpluggedUplink(t *testing.T) {
	r, internet := newRig(t), testnet.New(t)
	attach := func(string, int) error { return nil }
	state := func(name string) (up, there bool) {
		l, err := r.host.Link.LinkByName(name)
		return err == nil && l.Attrs().Flags&net.FlagUp != 0, err == nil
	}
	r.host.Do(func() {
		if err := r.driver.EnsureUplink(Uplink{Unplugged: true}, attach); err != nil {
			t.Fatal(err)
		}
	})
	farEnd := r.driver.farDevice(Uplink{Unplugged: true})
	if up, _ := state(r.driver.nearDevice()); !up {
		t.Error("the near end is down")
	}
	if up, there := state(farEnd); up || !there {
		t.Errorf("the far end is up %v, there %v", up, there)
	}
	r.host.Do(func() {
		u := Uplink{Namespace: filepath.Join("/proc/self/fd", fmt.Sprint(internet.File.Fd()))}
		if err := r.driver.EnsureUplink(u, attach); err != nil {
			t.Fatal(err)
		}
	})
	if _, there := state(farEnd); there || internet.Device(t, FarDevice) == nil {
		t.Error("plugging it in left the far end where it was")
	}
}

func TestUplinkThatNothingJudgesGoes(t *testing.T) {
	r, internet := newRig(t), testnet.New(t)
	u := Uplink{Namespace: filepath.Join("/proc/self/fd", fmt.Sprint(internet.File.Fd()))}
	r.host.Do(func() {
		if err := r.driver.EnsureUplink(u, func(string, int) error { return fmt.Errorf("refused by the test") }); err == nil {
			t.Error("an uplink without programs is made")
		}
		if _, err := r.host.Link.LinkByName(r.driver.nearDevice()); err == nil {
			t.Error("the near end is still there")
		}
	})
}
