// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

func TestEnsureMakesInstance(t *testing.T) {
	r := newRig(t)
	s := r.spec(4, 5)
	states := map[string]bool{}
	var err error
	r.host.Do(func() {
		err = r.driver.Ensure(context.Background(), s, func(id, device string, ifindex int) error {
			states[id] = r.host.Device(t, device).Attrs().Flags&net.FlagUp != 0
			return r.attach(id, device, ifindex)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	r.check(s)
	for _, i := range s.Interfaces {
		if up, called := states[i.ID]; up || !called {
			t.Errorf("attach for %s: called %v, device up %v; want it called while down", i.ID, called, up)
		}
		outer := r.host.Device(t, DeviceName(i.ID))
		if got, err := addresses(r.host.Link, outer); err != nil || len(got) != 0 {
			t.Errorf("host device has addresses %v, %v", got, err)
		}
	}
	inside := r.inside(s.ID)
	inside.Do(func() {
		for path, value := range map[string]string{
			"net/ipv4/conf/all/rp_filter": "2", "net/ipv4/conf/eth0/rp_filter": "2",
			"net/ipv6/conf/eth0/accept_ra": "0", "net/ipv6/conf/eth1/accept_dad": "0",
		} {
			if got, err := os.ReadFile("/proc/sys/" + path); err != nil || strings.TrimSpace(string(got)) != value {
				t.Errorf("%s is %q, %v; want %s", path, got, err, value)
			}
		}
	})
	list, err := inside.Link.AddrList(inside.Device(t, "eth0"), netlink.FAMILY_V6)
	if err != nil || len(list) != 2 { // and link-local
		t.Fatalf("IPv6 addresses inside: %v, %v", list, err)
	}
	for _, a := range list {
		// The link-local one is the kernel's, which works on it in the background.
		if a.Flags&unix.IFA_F_TENTATIVE != 0 && !a.IP.IsLinkLocalUnicast() {
			t.Errorf("%s is still being checked for duplicates", a)
		}
	}
	found := r.list(s.ID)
	if len(found) != 1 || !found[0].Namespace || found[0].Hostname != s.Hostname || len(found[0].Interfaces) != 2 {
		t.Errorf("list: %+v", found)
	}
	if err := r.destroy(s.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat("/run/netns/hedgeward-" + s.ID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("namespace's name after destroy: %v", err)
	}
	if found := r.list(s.ID); len(found) != 0 {
		t.Errorf("list after destroy: %+v", found)
	}
	if links, err := r.host.Link.LinkList(); err != nil || len(links) != 1 {
		t.Errorf("host devices after destroy: %v, %v", links, err)
	}
	if err := r.destroy(s.ID); err != nil {
		t.Errorf("second destroy: %v", err)
	}
	checkThreads(t)
}

func TestEnsureAgainChangesNothing(t *testing.T) {
	r := newRig(t)
	s := r.spec(4, 5)
	r.mustEnsure(s)
	updates := make(chan netlink.LinkUpdate, 100)
	done := make(chan struct{})
	var err error
	r.host.Do(func() { err = netlink.LinkSubscribe(updates, done) })
	if err != nil {
		t.Fatal(err)
	}
	before := r.host.Device(t, DeviceName(s.Interfaces[0].ID)).Attrs().Index
	r.restart()
	r.attached = nil
	r.mustEnsure(s)
	r.check(s)
	if after := r.host.Device(t, DeviceName(s.Interfaces[0].ID)).Attrs().Index; after != before {
		t.Errorf("device made anew: index %d, was %d", after, before)
	}
	if want := []string{s.Interfaces[0].ID, s.Interfaces[1].ID}; !slices.Equal(r.attached, want) {
		t.Errorf("attach called for %v, want %v", r.attached, want)
	}
	close(done)
	for u := range updates {
		if u.Header.Type == unix.RTM_DELLINK || u.Attrs().Flags&net.FlagUp == 0 {
			t.Errorf("device %s went away or down", u.Attrs().Name)
		}
	}
}

func TestEnsureRepairs(t *testing.T) {
	r := newRig(t)
	s := r.spec(4, 5)
	// A secondary address, so that the order of addresses matters.
	s.Interfaces[0].Addresses = slices.Insert(s.Interfaces[0].Addresses, 1, netip.MustParsePrefix("10.9.0.40/24"))
	r.mustEnsure(s)
	outer := func() netlink.Link { return r.host.Device(t, DeviceName(s.Interfaces[0].ID)) }
	for name, damage := range map[string]func(in *testnet.NS, eth netlink.Link) error{
		"nothing":   func(*testnet.NS, netlink.Link) error { return nil },
		"host down": func(*testnet.NS, netlink.Link) error { return r.host.Link.LinkSetDown(outer()) },
		"host MTU":  func(*testnet.NS, netlink.Link) error { return r.host.Link.LinkSetMTU(outer(), 1400) },
		"host MAC": func(*testnet.NS, netlink.Link) error {
			return r.host.Link.LinkSetHardwareAddr(outer(), net.HardwareAddr{2, 1, 1, 1, 1, 1})
		},
		"host gone":   func(*testnet.NS, netlink.Link) error { return r.host.Link.LinkDel(outer()) },
		"no alias":    func(*testnet.NS, netlink.Link) error { return r.host.Link.LinkSetAlias(outer(), "") },
		"inside down": func(in *testnet.NS, eth netlink.Link) error { return in.Link.LinkSetDown(eth) },
		"inside gone": func(in *testnet.NS, eth netlink.Link) error { return in.Link.LinkDel(eth) },
		"inside MAC": func(in *testnet.NS, eth netlink.Link) error {
			return in.Link.LinkSetHardwareAddr(eth, net.HardwareAddr{2, 1, 1, 1, 1, 1})
		},
		"renamed": func(in *testnet.NS, eth netlink.Link) error {
			return errors.Join(in.Link.LinkSetDown(eth), in.Link.LinkSetName(eth, "wan"))
		},
		"moved away": func(in *testnet.NS, eth netlink.Link) error {
			return in.Link.LinkSetNsFd(eth, int(testnet.New(t).File.Fd()))
		},
		"moved out": func(in *testnet.NS, eth netlink.Link) error {
			return errors.Join(in.Link.LinkSetName(eth, "x0"), in.Link.LinkSetNsFd(eth, int(r.host.File.Fd())))
		},
		"no primary": func(in *testnet.NS, eth netlink.Link) error {
			return in.Link.AddrDel(eth, address(s.Interfaces[0].Addresses[0]))
		},
		"no secondary": func(in *testnet.NS, eth netlink.Link) error {
			return in.Link.AddrDel(eth, address(s.Interfaces[0].Addresses[1]))
		},
		"no IPv6": func(in *testnet.NS, eth netlink.Link) error {
			return in.Link.AddrDel(eth, address(s.Interfaces[0].Addresses[2]))
		},
		"no routes": func(in *testnet.NS, eth netlink.Link) error {
			routes, err := in.Link.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
			for _, route := range routes {
				err = errors.Join(err, in.Link.RouteDel(&route))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := r.inside(s.ID)
			if err := damage(in, in.Device(t, "eth0")); err != nil {
				t.Fatal(err)
			}
			if name != "nothing" && r.picture(s) == want(s) {
				t.Fatal("the damage does not show")
			}
			r.restart()
			if err := r.ensure(s); err != nil {
				t.Fatal(err)
			}
			if got := r.picture(s); got != want(s) {
				t.Errorf("got\n%s\nwant\n%s", got, want(s))
			}
		})
	}
}

func TestHotAttachAndDetach(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	r.mustEnsure(s)
	first := r.host.Device(t, DeviceName(s.Interfaces[0].ID)).Attrs().Index

	s.Interfaces = append(s.Interfaces, newInterface(3, 7))
	r.mustEnsure(s)
	r.check(s)

	moved := s
	moved.Interfaces = slices.Clone(s.Interfaces)
	moved.Interfaces[1].DeviceIndex = 1
	r.mustEnsure(moved)
	r.check(moved)

	s.Interfaces = s.Interfaces[:1]
	r.mustEnsure(s)
	r.check(s)
	if got := r.host.Device(t, DeviceName(s.Interfaces[0].ID)).Attrs().Index; got != first {
		t.Errorf("the interface that stayed was made anew: index %d, was %d", got, first)
	}
	if links, err := r.host.Link.LinkList(); err != nil || len(links) != 2 {
		t.Errorf("host devices: %v, %v", links, err)
	}

	// An interface that goes to another instance before the first one's driver
	// has heard of it.
	other := r.spec(6)
	other.Interfaces = append(other.Interfaces, s.Interfaces[0])
	other.Interfaces[1].DeviceIndex = 1
	r.mustEnsure(other)
	r.check(other)
	s.Interfaces = nil
	r.mustEnsure(s)
	r.check(s)
	r.check(other)
}

func TestAddressesFollowSpec(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	r.mustEnsure(s)
	in := r.inside(s.ID)
	in.Address(t, "eth0", "192.168.7.1/24") // by a program inside
	in.Route(t, "192.168.8.0/24", "", "eth0")

	before := s.Interfaces[0].Addresses
	s.Interfaces[0].Addresses = []netip.Prefix{
		netip.MustParsePrefix("10.9.0.44/24"), netip.MustParsePrefix("2001:db8:9::44/64"), netip.MustParsePrefix("2001:db8:9::45/64"),
	}
	s.Interfaces[0].Gateways = []netip.Addr{netip.MustParseAddr("10.9.0.254")}
	r.restart()
	r.mustEnsure(s)
	got, err := addresses(in.Link, in.Device(t, "eth0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(slices.Clone(s.Interfaces[0].Addresses), netip.MustParsePrefix("192.168.7.1/24")) {
		if !slices.Contains(got, p) {
			t.Errorf("%s is missing: %v", p, got)
		}
	}
	for _, p := range before {
		if slices.Contains(got, p) {
			t.Errorf("%s is still there: %v", p, got)
		}
	}
	picture := r.picture(s)
	if !strings.Contains(picture, "default via 10.9.0.254 eth0\n") || strings.Count(picture, "default") != 1 {
		t.Errorf("default routes:\n%s", picture)
	}
	if routes, err := in.Link.RouteGet(net.ParseIP("192.168.8.9")); err != nil || routes[0].Gw != nil {
		t.Errorf("the instance's own route: %v, %v", routes, err)
	}
}

func TestAttachFailureLeavesDeviceDown(t *testing.T) {
	r := newRig(t)
	s := r.spec(4, 5)
	up := func(i int) bool {
		return r.host.Device(t, DeviceName(s.Interfaces[i].ID)).Attrs().Flags&net.FlagUp != 0
	}
	s.FirstBoot, s.UserData = true, []byte("#!/bin/sh\n")
	for _, situation := range []string{"new", "running"} {
		r.refuse = s.Interfaces[0].ID
		err := r.ensure(s)
		if err == nil || !strings.Contains(err.Error(), s.Interfaces[0].ID) || !strings.Contains(err.Error(), "refused by the test") {
			t.Errorf("%s: error %v", situation, err)
		}
		if up(0) {
			t.Errorf("%s: the device that nothing judges is up", situation)
		}
		if !up(1) {
			t.Errorf("%s: the other interface was kept back", situation)
		}
		if _, err := os.Stat(r.driver.stateDir(s.ID) + "/" + userDataStart); situation == "new" && err == nil {
			t.Error("user data ran before the instance was whole")
		}
		r.refuse = ""
		r.mustEnsure(s)
		r.check(s)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	var err error
	r.host.Do(func() { err = r.driver.Ensure(cancelled, s, r.attach) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ensure with a cancelled context: %v", err)
	}
}

func TestForeignThingsAreLeftAlone(t *testing.T) {
	r := newRig(t)
	s, other := r.spec(4), r.spec(6)
	r.mustEnsure(other)

	// A host device with the name that ours would have.
	device := DeviceName(s.Interfaces[0].ID)
	testnet.Pair(t, testnet.End{NS: r.host, Name: device}, testnet.End{NS: testnet.New(t), Name: "eth0"})
	err := r.ensure(s)
	if err == nil || !strings.Contains(err.Error(), "not made by Hedgeward") {
		t.Errorf("foreign device: %v", err)
	}
	if err := r.destroy(s.ID); err != nil {
		t.Error(err)
	}
	r.host.Device(t, device)

	// One of ours for an interface whose id ends alike.
	twin := s
	twin.Interfaces = []Interface{other.Interfaces[0]}
	twin.Interfaces[0].ID = "eni-f" + other.Interfaces[0].ID[5:]
	if other.Interfaces[0].ID[4] == 'f' {
		twin.Interfaces[0].ID = "eni-0" + other.Interfaces[0].ID[5:]
	}
	if err := r.ensure(twin); err == nil || !strings.Contains(err.Error(), "belongs to interface "+other.Interfaces[0].ID) {
		t.Errorf("twin: %v", err)
	}
	if err := r.destroy(s.ID); err != nil {
		t.Error(err)
	}
	r.check(other)

	// A namespace with the name that ours would have.
	foreign := testnet.New(t)
	if err := bindName(foreign, s.ID); err != nil {
		t.Fatal(err)
	}
	err = r.ensure(s)
	if err == nil || !strings.Contains(err.Error(), "not made by Hedgeward") {
		t.Errorf("ensure: foreign namespace: %v", err)
	}
	if err := r.destroy(s.ID); err == nil || !strings.Contains(err.Error(), "not made by Hedgeward") {
		t.Errorf("destroy: foreign namespace: %v", err)
	}
	if found := r.list(s.ID); len(found) != 0 {
		t.Errorf("list: %+v", found)
	}
	if _, err := Exec(context.Background(), s.ID, []string{"true"}, nil, nil, nil); err == nil {
		t.Error("exec entered a foreign namespace")
	}
	r.inside(s.ID) // still there
	if err := removeName(s.ID); err != nil {
		t.Fatal(err)
	}
}

// bindName gives a namespace an instance's name, unmarked.
func bindName(n *testnet.NS, id string) (err error) {
	unlock, err := lockNamespaceDir()
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.WriteFile(namespacePath(id), nil, 0o444); err != nil {
		return err
	}
	n.Do(func() { err = unix.Mount("/proc/thread-self/ns/net", namespacePath(id), "", unix.MS_BIND, "") })
	return err
}

func TestLeftoversAreAdopted(t *testing.T) {
	r := newRig(t)

	// The process ended while it made the namespace.
	s := r.spec(4)
	unlock, err := lockNamespaceDir()
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := os.WriteFile(namespacePath(s.ID), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if found := r.list(s.ID); len(found) != 1 || found[0].Namespace {
		t.Errorf("list: %+v", found)
	}
	if _, err := Exec(context.Background(), s.ID, []string{"true"}, nil, nil, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("exec: %v", err)
	}
	r.mustEnsure(s)
	r.check(s)

	// ... while it made an interface: a device without its alias.
	half := newInterface(1, 5)
	ns, err := openNamespace(s.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	w := &wiring{id: s.ID, cfg: r.driver.cfg, host: r.host.Link, inside: ns}
	outer, _, err := w.create(half)
	if err == nil {
		err = r.host.Link.LinkSetAlias(outer, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	r.restart()
	r.mustEnsure(s) // not wanted any more
	r.check(s)
	if _, err := r.host.Link.LinkByName(DeviceName(half.ID)); err == nil {
		t.Error("half an interface stays")
	}

	// ... while the instance ran: another process finds and removes it all.
	r.restart()
	found := r.list(s.ID)
	if len(found) != 1 || !found[0].Namespace || len(found[0].Interfaces) != 1 || found[0].Interfaces[0].ID != s.Interfaces[0].ID {
		t.Fatalf("list: %+v", found)
	}
	if err := r.destroy(found[0].ID); err != nil {
		t.Error(err)
	}

	// A device's other end was moved out of the instance.
	away := r.spec(6)
	r.mustEnsure(away)
	eth := r.inside(away.ID).Device(t, "eth0")
	if err := r.inside(away.ID).Link.LinkSetNsFd(eth, int(testnet.New(t).File.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := r.destroy(away.ID); err != nil {
		t.Error(err)
	}
	if found := r.list(away.ID); len(found) != 0 {
		t.Errorf("list: %+v", found)
	}

	// The namespace's name was removed by hand while something still holds the
	// namespace, so that the device is still there.
	s2 := r.spec(7)
	r.mustEnsure(s2)
	hold := r.inside(s2.ID)
	if err := removeName(s2.ID); err != nil {
		t.Fatal(err)
	}
	if found := r.list(s2.ID); len(found) != 1 || found[0].Namespace || len(found[0].Interfaces) != 1 {
		t.Errorf("list: %+v", found)
	}
	r.mustEnsure(s2)
	r.check(s2)
	if links, err := hold.Link.LinkList(); err != nil || len(links) != 1 {
		t.Errorf("devices in the old namespace: %v, %v", links, err)
	}
	checkThreads(t)
}

func TestPacketsWithoutPrograms(t *testing.T) {
	r := newRig(t)
	a, b := r.spec(4), r.spec(5)
	r.mustEnsure(a)
	r.mustEnsure(b)
	r.host.Bridge(t, "br0", DeviceName(a.Interfaces[0].ID), DeviceName(b.Interfaces[0].ID))
	from, to := r.inside(a.ID), r.inside(b.ID)
	for _, p := range b.Interfaces[0].Addresses {
		tcp := to.ServeTCP(t, netip.AddrPortFrom(p.Addr(), 0).String())
		udp := to.ServeUDP(t, netip.AddrPortFrom(p.Addr(), 0).String())
		for _, err := range []error{from.TCP(tcp, soon), from.UDP(udp, soon), from.Ping(p.Addr(), soon)} {
			if err != nil {
				t.Error(err)
			}
		}
	}
}
