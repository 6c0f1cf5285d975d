// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/test/faults/history"
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

// lanes are numbered datagrams between all guests.
type lanes struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	all     []*history.Lane
	sockets []net.Conn
}

// startLanes sends from each guest to each other, one datagram every 5 ms to the
// open port and to the shut one.
func startLanes(guests []*guest) (*lanes, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &lanes{cancel: cancel}
	for _, to := range guests {
		for _, port := range []int{openPort, shutPort} {
			var sink *net.UDPConn
			var err error
			to.run(func() { sink, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port}) })
			if err != nil {
				return l, err
			}
			l.sockets = append(l.sockets, sink)
			bySender := map[string]*history.Lane{}
			for _, from := range guests {
				if from == to {
					continue
				}
				lane := &history.Lane{Name: fmt.Sprintf("%s to %s port %d", from.address, to.address, port), Open: port == openPort}
				bySender[from.address] = lane
				l.all = append(l.all, lane)
				var conn net.Conn
				from.run(func() { conn, err = net.Dial("udp4", net.JoinHostPort(to.address, fmt.Sprint(port))) })
				if err != nil {
					return l, err
				}
				l.sockets = append(l.sockets, conn)
				l.running.Go(func() { send(ctx, conn, lane) })
			}
			l.running.Go(func() { receive(sink, bySender) })
		}
	}
	return l, nil
}

func send(ctx context.Context, conn net.Conn, lane *history.Lane) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := uint32(1); ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, n)); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		lane.Sent = append(lane.Sent, n)
	}
}

func receive(sink *net.UDPConn, bySender map[string]*history.Lane) {
	b := make([]byte, 16)
	for {
		n, from, err := sink.ReadFromUDP(b)
		if err != nil {
			return
		}
		if lane := bySender[from.IP.String()]; lane != nil && n == 4 {
			lane.Received = append(lane.Received, binary.BigEndian.Uint32(b))
		}
	}
}

// stop ends the lanes once what is under way has come.
func (l *lanes) stop() []history.Lane {
	l.cancel()
	<-time.After(500 * time.Millisecond)
	for _, s := range l.sockets {
		s.Close()
	}
	l.running.Wait()
	out := make([]history.Lane, len(l.all))
	for i, lane := range l.all {
		out[i] = *lane
	}
	return out
}
