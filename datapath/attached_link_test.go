// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// The ways to put programs on a device.
var attachModes = map[string]datapath.AttachMode{"auto": datapath.AttachAuto, "clsact": datapath.AttachClsact}

// check ends the test on an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connects reports whether a machine gets an answer from an address.
func connects(t *testing.T, from *instance, to string, want bool, when string) {
	t.Helper()
	patience := 250 * time.Millisecond
	if want {
		patience = 5 * time.Second
	}
	c, err := dial(t, from, to, patience)
	if err == nil {
		say(t, c, "hello")
		c.Close()
	}
	if (err == nil) != want {
		t.Errorf("%s: connection to %s: %v, want it %v", when, to, err, want)
	}
}

// TestContainersOnABridge enforces veths that a container tool has on its bridge:
// the bridge forwards as it always does, each device judges, and a device that is
// given back is the tool's again (section 4.8).
func TestContainersOnABridge(t *testing.T) {
	for name, mode := range attachModes {
		t.Run(name, func(t *testing.T) {
			rig := bpftest.NewWith(t, func(c *datapath.Config) { c.Testing, c.Attach = false, mode })
			bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
			check(t, netlink.LinkAdd(bridge))
			check(t, netlink.AddrAdd(bridge, &netlink.Addr{IPNet: &net.IPNet{IP: net.IP{10, 0, 1, 1}, Mask: net.CIDRMask(24, 32)}}))
			check(t, netlink.LinkSetUp(bridge))
			contain := func(id string, n byte, addresses ...string) *instance {
				as := bpftest.Interface(id, addresses...)
				as.Attached, as.RouterAddresses = true, nil
				i := launchAs(t, rig, as, n)
				port, err := netlink.LinkByIndex(i.Ifindex)
				check(t, err)
				check(t, netlink.LinkSetMaster(port, bridge))
				for _, a := range i.Addresses {
					echo(t, i, netip.AddrPortFrom(a, 80).String())
					echo(t, i, netip.AddrPortFrom(a, 81).String())
				}
				return i
			}
			a := contain("eni-a", 1, "10.0.1.10", "2001:db8:1:1::a")
			b := contain("eni-b", 2, "10.0.1.20", "2001:db8:1:1::b")
			c := contain("eni-c", 3, "10.0.1.30")
			here, err := netns.Get()
			check(t, err)
			defer here.Close()
			tool := &instance{ns: here} // the host of the containers
			for _, address := range []string{"10.0.1.20", "2001:db8:1:1::b"} {
				rig.SetGroups("eni-b", address, "sg-b")
			}
			connects(t, b, "10.0.1.10:80", false, "closed")
			rig.SetPolicy(a.Interface, policy.Source{flow.Ingress: {{ID: "r", Protocol: 6, From: 80, To: 80, Peer: policy.Peer{Group: "sg-b"}}}})
			rig.SetPolicy(b.Interface, world(nil, rules{rule(6, 80, 81, "0.0.0.0/0"), rule(6, 80, 81, "::/0")}))
			rig.SetPolicy(c.Interface, world(rules{rule(6, 80, 80, "10.0.1.1/32")}, outAll))

			for _, address := range []string{"10.0.1.10", "[2001:db8:1:1::a]"} {
				connects(t, b, address+":80", true, "a member")
				connects(t, b, address+":81", false, "another port")
			}
			connects(t, c, "10.0.1.10:80", false, "no member")
			connects(t, a, "10.0.1.20:80", false, "no egress rule")
			connects(t, tool, "10.0.1.30:80", true, "from the host")
			connects(t, tool, "10.0.1.10:80", false, "from the host, who is no member")

			// A live connection outlives its rule, the process, and the next one.
			live, err := dial(t, b, "10.0.1.10:80", 5*time.Second)
			check(t, err)
			defer live.Close()
			rig.SetPolicy(a.Interface, policy.Source{})
			check(t, rig.Close())
			say(t, live, "with nobody at the wheel")
			connects(t, b, "10.0.1.10:80", false, "without a rule")
			rig.Open()
			for _, i := range []*instance{a, b, c} {
				rig.Attach(i.Interface)
			}
			say(t, live, "after the restart")
			if s := rig.Status(a.Interface); s.Packets[flow.Ingress][flow.ReasonNoRule] == 0 {
				t.Errorf("nothing was refused: %v", s.Packets[flow.Ingress])
			}

			// Given back, everything passes that the bridge lets pass.
			check(t, rig.Datapath.Detach("eni-a"))
			connects(t, c, "10.0.1.10:81", true, "given back")
			connects(t, c, "10.0.1.20:80", false, "another is still enforced")
		})
	}
}

// TestANICOfTheHostItself turns the device round: what the host sends is egress, what
// comes to it is ingress, and neighbours find each other unasked (section 4.8).
func TestANICOfTheHostItself(t *testing.T) {
	for name, mode := range attachModes {
		t.Run(name, func(t *testing.T) {
			rig := bpftest.NewWith(t, func(c *datapath.Config) { c.Testing, c.Attach = false, mode })
			here, err := netns.Get()
			check(t, err)
			defer here.Close()
			host := &instance{Interface: bpftest.Interface("eni-own", "10.0.1.10", "2001:db8:1:1::a"), ns: here}
			device, index := rig.Device()
			nic, err := netlink.LinkByIndex(index)
			check(t, err)
			other := &instance{Interface: bpftest.Interface("other", "10.0.1.20", "2001:db8:1:1::b", "10.0.1.21")}
			other.ns, err = netns.New()
			check(t, err)
			defer other.ns.Close()
			check(t, netns.Set(here))
			wire, err := netlink.LinkByName("inst" + device[len("host"):])
			check(t, err)
			check(t, netlink.LinkSetNsFd(wire, int(other.ns)))
			far, err := netlink.NewHandleAt(other.ns)
			check(t, err)
			defer far.Close()
			near, err := netlink.NewHandleAt(here)
			check(t, err)
			defer near.Close()
			for _, end := range []struct {
				at   *netlink.Handle
				link netlink.Link
				of   *instance
			}{{near, nic, host}, {far, wire, other}} {
				for _, a := range end.of.Addresses {
					bits := map[bool]int{false: 24, true: 64}[a.Is6()]
					addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}}
					if a.Is6() {
						addr.Flags = 0x02 // IFA_F_NODAD: usable at once
					}
					check(t, end.at.AddrAdd(end.link, addr))
				}
				check(t, end.at.LinkSetUp(end.link))
			}
			lo, err := near.LinkByName("lo")
			check(t, err)
			check(t, near.LinkSetUp(lo))
			for _, i := range []*instance{host, other} {
				for _, a := range i.Addresses {
					echo(t, i, netip.AddrPortFrom(a, 22).String())
					echo(t, i, netip.AddrPortFrom(a, 80).String())
				}
			}
			connects(t, other, "10.0.1.10:80", true, "before anybody enforces it")
			open, err := dial(t, other, "10.0.1.10:80", 5*time.Second)
			check(t, err)
			defer open.Close()

			own := host.Interface
			own.Attached, own.Own, own.RouterAddresses = true, true, nil
			own.Device, own.Ifindex, own.MAC = device, index, nic.Attrs().HardwareAddr
			own = rig.Attach(own)
			connects(t, other, "10.0.1.10:22", false, "closed")
			connects(t, host, "10.0.1.20:80", false, "closed")
			rig.SetGroups("", "10.0.1.21", "sg-other")
			rig.SetPolicy(own, policy.Source{
				flow.Ingress: {{ID: "4", Protocol: 6, From: 22, To: 22, Peer: cidr("10.0.1.20/32")}, {ID: "6", Protocol: 6, From: 22, To: 22, Peer: cidr("2001:db8::/32")}},
				flow.Egress:  {{ID: "o", Protocol: 6, From: 80, To: 80, Peer: policy.Peer{Group: "sg-other"}}},
			})
			for _, address := range []string{"10.0.1.10", "[2001:db8:1:1::a]"} {
				connects(t, other, address+":22", true, "admitted")
				connects(t, other, address+":80", false, "not admitted")
			}
			connects(t, host, "10.0.1.21:80", true, "to a member")
			connects(t, host, "10.0.1.20:80", false, "to others")
			connects(t, host, "10.0.1.10:80", true, "to itself, which crosses no device")

			// A raw frame that the sender gives out for an admitted packet.
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
			check(t, err)
			defer unix.Close(fd)
			raw := tcp("10.0.1.10:9", "10.0.1.21:80", "S").SourceMAC(own.MAC).With(12, 0x81, 0)
			err = unix.Sendto(fd, raw.Bytes, 0, &unix.SockaddrLinklayer{Ifindex: index, Protocol: unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8})
			if !errors.Is(err, unix.ENOBUFS) { // how a socket learns that its frame was dropped
				t.Errorf("a frame with a tag as an admitted packet: %v", err)
			}

			s := rig.Status(own)
			if n := s.Packets[flow.Egress][flow.ReasonEthertype]; n != 1 {
				t.Errorf("%d frames with a tag were found: %v", n, s.Packets[flow.Egress])
			}
			if s.Packets[flow.Ingress][flow.ReasonNoRule] == 0 || s.Packets[flow.Egress][flow.ReasonNoRule] == 0 {
				t.Errorf("nothing was refused: %v", s.Packets)
			}
			for _, reason := range []flow.Reason{flow.ReasonSpoofMAC, flow.ReasonSpoofIP, flow.ReasonSpoofARP, flow.ReasonNotMine} {
				if n := s.Packets[flow.Egress][reason] + s.Packets[flow.Ingress][reason]; n != 0 {
					t.Errorf("%d packets of the host itself were %s", n, reason)
				}
			}
			check(t, rig.Datapath.Detach("eni-own"))
			say(t, open, "given back")
			connects(t, other, "10.0.1.10:80", true, "given back")
		})
	}
}
