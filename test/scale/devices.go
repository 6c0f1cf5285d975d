// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/test/faults/lanes"
)

// Of the devices, the first ones have a guest behind them, on one bridge.
const talking = 4

const (
	openPort = 7000 // allowed all through a run
	shutPort = 7001 // forbidden all through
)

func deviceName(n int) string { return fmt.Sprintf("hws%d", n) }
func farName(n int) string    { return fmt.Sprintf("hwf%d", n) }

func makeBridge() error {
	b := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "hwbridge"}}
	return errors.Join(netlink.LinkAdd(b), netlink.LinkSetUp(b))
}

// makeDevice makes a veth, down.
func makeDevice(n int) error {
	v := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: deviceName(n)}, PeerName: farName(n)}
	if err := netlink.LinkAdd(v); err != nil {
		return fmt.Errorf("make device %d: %w", n, err)
	}
	return nil
}

// dropDevices removes the devices, with what is attached to them: the kernel is much
// faster at that than at taking the programs off one by one.
func (m *machine) dropDevices() error {
	var failed error
	for n := range m.devices {
		if d, err := netlink.LinkByName(deviceName(n)); err == nil {
			failed = errors.Join(failed, netlink.LinkDel(d))
		}
	}
	return failed
}

// guest is a machine behind a device: a thread in a network namespace of its own.
type guest struct {
	address string
	do      chan func()
}

// newGuest puts a machine behind an enforced device and brings it up.
func newGuest(n int, i *attach.Interface) (*guest, error) {
	g := &guest{address: i.Addresses[0], do: make(chan func())}
	ready := make(chan error, 1)
	thread := make(chan int, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine, and with it the namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		thread <- unix.Gettid()
		ready <- err
		for f := range g.do {
			f()
		}
	}()
	tid := <-thread
	if err := <-ready; err != nil {
		return nil, err
	}
	port, err := netlink.LinkByName(deviceName(n))
	if err != nil {
		return nil, err
	}
	bridge, err := netlink.LinkByName("hwbridge")
	if err != nil {
		return nil, err
	}
	far, err := netlink.LinkByName(farName(n))
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return nil, err
	}
	err = errors.Join(netlink.LinkSetMaster(port, bridge), netlink.LinkSetUp(port), netlink.LinkSetHardwareAddr(far, mac), netlink.LinkSetNsPid(far, tid))
	if err != nil {
		return nil, err
	}
	g.run(func() {
		var nic netlink.Link
		if nic, err = netlink.LinkByName(farName(n)); err != nil {
			return
		}
		address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(g.address), Mask: net.CIDRMask(16, 32)}}
		err = errors.Join(netlink.AddrAdd(nic, address), netlink.LinkSetUp(nic))
	})
	return g, err
}

// run runs f on the guest's thread.
func (g *guest) run(f func()) {
	done := make(chan struct{})
	g.do <- func() { defer close(done); f() }
	<-done
}

// startLanes sends numbered datagrams from each guest to each other, to the open port
// and to the shut one. A lane that ends early is one that sends less.
func startLanes(guests []*guest) (*lanes.Lanes, error) {
	ends := make([]lanes.Guest, len(guests))
	for i, g := range guests {
		ends[i] = lanes.Guest{Address: g.address, Run: g.run}
	}
	return lanes.Start(lanes.Config{Open: openPort, Shut: shutPort, Every: 5 * time.Millisecond, Failed: func(string, error) {}}, ends)
}
