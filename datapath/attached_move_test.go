// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
)

// programsOn counts the programs at a device of this thread's namespace, by tcx or
// clsact.
func programsOn(t *testing.T, device netlink.Link) (count int) {
	t.Helper()
	for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
		found, err := link.QueryPrograms(link.QueryOptions{Target: device.Attrs().Index, Attach: at})
		check(t, err)
		count += len(found.Programs)
	}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if found, err := netlink.FilterList(device, parent); err == nil { // none without a qdisc
			count += len(found)
		}
	}
	return count
}

// TestADeviceThatMovesAwayIsForgottenAndJudgedWhenItIsBack moves an enforced device to
// another network namespace, which takes a clsact qdisc off it and leaves programs of
// tcx on it. Whether it is detached meanwhile, as when its going was heard of, or only
// attached again when it is back, nothing of ours is left where it went, and it is
// judged from when it is attached again (section 4.8).
func TestADeviceThatMovesAwayIsForgottenAndJudgedWhenItIsBack(t *testing.T) {
	for name, mode := range attachModes {
		for _, heard := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", heard of", false: ", not heard of"}[heard], func(t *testing.T) {
				rig := bpftest.NewWith(t, func(c *datapath.Config) { c.Testing, c.Attach = false, mode })
				here, err := netns.Get()
				check(t, err)
				defer here.Close()
				away, err := netns.New()
				check(t, err)
				defer away.Close()
				check(t, netns.Set(here))
				as := bpftest.Interface("eni-a", "10.0.1.10")
				as.Attached, as.RouterAddresses = true, nil
				a := launchAs(t, rig, as, 1)
				a.Interface = rig.Attach(a.Interface)
				device, err := netlink.LinkByIndex(a.Ifindex)
				check(t, err)
				host := &netlink.Addr{IPNet: &net.IPNet{IP: net.IP{10, 0, 1, 1}, Mask: net.CIDRMask(24, 32)}}
				up := func() {
					check(t, netlink.AddrAdd(device, host))
					check(t, netlink.LinkSetUp(device))
				}
				up()
				for _, port := range []uint16{80, 81} {
					echo(t, a, netip.AddrPortFrom(a.Addresses[0], port).String())
				}
				tool := &instance{ns: here}
				judged := func(when string) {
					t.Helper()
					rig.SetPolicy(a.Interface, world(rules{rule(6, 80, 80, "10.0.1.1/32")}, outAll))
					connects(t, tool, "10.0.1.10:80", true, when)
					connects(t, tool, "10.0.1.10:81", false, when)
				}
				judged("before")

				check(t, netlink.LinkSetNsFd(device, int(away)))
				if heard {
					check(t, rig.Datapath.Detach("eni-a"))
				}
				check(t, netns.Set(away))
				moved, err := netlink.LinkByName(a.Device)
				check(t, err)
				if n := programsOn(t, moved); heard && n != 0 {
					t.Errorf("given up, %d programs are on it where it went", n)
				}
				if moved.Attrs().Flags&net.FlagUp != 0 {
					t.Error("it came up by itself where it went: packets pass before its new holder wants it")
				}
				check(t, netlink.LinkSetNsFd(moved, int(here)))
				check(t, netns.Set(here))

				device, err = netlink.LinkByName(a.Device)
				check(t, err)
				if device.Attrs().Flags&net.FlagUp != 0 {
					t.Error("it came back up: packets pass before it is attached")
				}
				a.Ifindex = device.Attrs().Index
				a.Interface = rig.Attach(a.Interface)
				if n := programsOn(t, device); n != 2 {
					t.Errorf("back, it has %d programs, want one for each direction", n)
				}
				up()
				judged("back")
			})
		}
	}
}
