// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
)

// Machine plays a virtual machine behind a tap of the host's: a namespace, whose
// device eth0 is carried to the tap frame by frame, as a hypervisor does.
type Machine struct {
	*NS
	Stop func() // and the tap goes, as with the machine's process
}

// NewMachine makes a tap on the host, which stays down, and a machine behind it, up,
// with a MAC address and addresses ("10.0.0.2/24"). Both are gone when the test ends.
func NewMachine(t testing.TB, host *NS, tap string, mac net.HardwareAddr, addresses ...string) *Machine {
	t.Helper()
	m := &Machine{NS: New(t)}
	outside, inside := host.tap(t, tap, nil), m.tap(t, "eth0", mac)
	for _, a := range addresses {
		m.Address(t, "eth0", a)
	}
	m.Up(t, "eth0")
	var running sync.WaitGroup
	carry := func(to io.Writer, from io.Reader) {
		frame := make([]byte, 1<<16)
		for {
			n, err := from.Read(frame)
			if err != nil {
				return // stopped, or the device is deleted
			}
			_, _ = to.Write(frame[:n]) // a device that is down takes none
		}
	}
	running.Go(func() { carry(outside, inside) })
	running.Go(func() { carry(inside, outside) })
	m.Stop = sync.OnceFunc(func() {
		outside.Close()
		inside.Close()
		running.Wait()
	})
	t.Cleanup(m.Stop)
	return m
}

// tap makes a tap that lives as long as its file.
func (n *NS) tap(t testing.TB, name string, mac net.HardwareAddr) *os.File {
	t.Helper()
	link := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: name, HardwareAddr: mac}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_NO_PI, Queues: 1, NonPersist: true,
	}
	var err error
	n.Do(func() { err = netlink.LinkAdd(link) })
	if err != nil {
		t.Fatalf("make tap %s in %s: %v", name, n.Name, err)
	}
	if mac != nil {
		if err := n.Link.LinkSetHardwareAddr(n.Device(t, name), mac); err != nil {
			t.Fatalf("give tap %s in %s its MAC address: %v", name, n.Name, err)
		}
	}
	return link.Fds[0]
}
