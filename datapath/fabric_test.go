// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// instance is a network namespace behind an attached interface.
type instance struct {
	datapath.Interface
	ns netns.NsHandle
}

// do runs f on a thread that is in the instance.
func (i *instance) do(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with f
		if err := netns.Set(i.ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// launch makes an instance with its addresses (the last byte of the MAC is n),
// attaches it while its device is down, and brings it up.
func launch(t *testing.T, rig *bpftest.Rig, id string, n byte, addresses ...string) *instance {
	t.Helper()
	return launchAs(t, rig, bpftest.Interface(id, addresses...), n)
}

// launchAs is launch with an interface that differs from the usual.
func launchAs(t *testing.T, rig *bpftest.Rig, as datapath.Interface, n byte) *instance {
	t.Helper()
	here, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	i := &instance{Interface: as}
	i.MAC = net.HardwareAddr{2, 0, 0, 0, 1, n}
	i.Device, i.Ifindex = rig.Device()
	host, err := netlink.LinkByIndex(i.Ifindex)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := netlink.LinkByName("inst" + i.Device[len("host"):])
	if err != nil {
		t.Fatal(err)
	}
	if i.ns, err = netns.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.ns.Close() })
	if err := netns.Set(here); err != nil {
		t.Fatal(err)
	}
	i.Interface = rig.Attach(i.Interface)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if !i.Attached {
		check(netlink.LinkSetHardwareAddr(host, datapath.RouterMAC))
	}
	check(netlink.LinkSetNsFd(peer, int(i.ns)))
	inside, err := netlink.NewHandleAt(i.ns)
	check(err)
	defer inside.Close()
	check(inside.LinkSetHardwareAddr(peer, i.MAC))
	check(inside.LinkSetUp(peer))
	lo, err := inside.LinkByName("lo")
	check(err)
	check(inside.LinkSetUp(lo))
	check(netlink.LinkSetUp(host))
	for _, a := range i.Addresses {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}}
		if a.Is6() {
			addr.Flags = 0x02 // IFA_F_NODAD: usable at once
		}
		check(inside.AddrAdd(peer, addr))
	}
	for _, r := range i.RouterAddresses {
		check(inside.RouteAdd(&netlink.Route{LinkIndex: peer.Attrs().Index, Gw: r.AsSlice()}))
	}
	return i
}

// echo listens in an instance and sends every line back until the test ends.
func echo(t *testing.T, i *instance, addr string) {
	t.Helper()
	var l net.Listener
	i.do(t, func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
}

func dial(t *testing.T, i *instance, addr string, timeout time.Duration) (conn net.Conn, err error) {
	t.Helper()
	i.do(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		return nil
	})
	return conn, err
}

func say(t *testing.T, c net.Conn, line string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	got, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || got != line+"\n" {
		t.Fatalf("answer %q, %v", got, err)
	}
}

// TestFabric has real sockets talk through the programs: neighbour resolution is
// answered, both gates are asked, both families work, a restart of the process
// and a change of rules leave a tracked connection alone.
func TestFabric(t *testing.T) {
	for name, mode := range map[string]datapath.AttachMode{"auto": datapath.AttachAuto, "clsact": datapath.AttachClsact} {
		t.Run(name, func(t *testing.T) {
			rig := bpftest.NewWith(t, func(c *datapath.Config) { c.Testing, c.Attach = false, mode })
			a := launch(t, rig, "eni-a", 1, "10.0.1.10", "2001:db8:1:1::a")
			b := launch(t, rig, "eni-b", 2, "10.0.1.20", "2001:db8:1:1::b")
			rig.SetGroups("eni-b", "10.0.1.20", "sg-b")
			rig.SetGroups("eni-b", "2001:db8:1:1::b", "sg-b")
			web := policy.Source{flow.Ingress: {{ID: "r", Protocol: 6, From: 80, To: 80, Peer: policy.Peer{Group: "sg-b"}}}}
			out := policy.Source{flow.Egress: {
				{ID: "4", Protocol: policy.All, Peer: cidr("0.0.0.0/0")},
				{ID: "6", Protocol: policy.All, Peer: cidr("::/0")},
			}}
			rig.SetPolicy(a.Interface, web)
			for _, addr := range []string{"10.0.1.10", "2001:db8:1:1::a"} {
				echo(t, a, netip.AddrPortFrom(netip.MustParseAddr(addr), 80).String())
				echo(t, a, netip.AddrPortFrom(netip.MustParseAddr(addr), 81).String())
			}
			if _, err := dial(t, b, "10.0.1.10:80", 300*time.Millisecond); err == nil {
				t.Error("connected before the first policy of the client")
			}
			rig.SetPolicy(b.Interface, out)
			for _, addr := range []string{"10.0.1.10", "2001:db8:1:1::a"} {
				c, err := dial(t, b, netip.AddrPortFrom(netip.MustParseAddr(addr), 80).String(), 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				say(t, c, "hello")
				if _, err := dial(t, b, netip.AddrPortFrom(netip.MustParseAddr(addr), 81).String(), 200*time.Millisecond); err == nil {
					t.Error("connected to a port without a rule")
				}
				rig.SetPolicy(a.Interface, policy.Source{})
				say(t, c, "after the rule is gone")
				if err := rig.Close(); err != nil {
					t.Fatal(err)
				}
				say(t, c, "with nobody at the wheel")
				rig.Open()
				rig.Attach(a.Interface)
				rig.Attach(b.Interface)
				say(t, c, "after the restart")
				if _, err := dial(t, b, netip.AddrPortFrom(netip.MustParseAddr(addr), 80).String(), 200*time.Millisecond); err == nil {
					t.Error("connected without a rule")
				}
				rig.SetPolicy(a.Interface, web)
			}
			if got := rig.Status(a.Interface).Packets[flow.Ingress]; got[flow.ReasonNoRule] == 0 {
				t.Errorf("no denied packet was counted: %v", got)
			}
		})
	}
}
