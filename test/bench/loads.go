// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// workload is a kind of traffic.
type workload string

const (
	requests    workload = "TCP request/response, 1 byte" // on one connection
	connections workload = "TCP connect-request-close"
	bulk        workload = "TCP bulk, 64 KiB writes"
	packets     workload = "UDP packets of one flow, 64 bytes"
	newFlows    workload = "UDP new flows, one packet each"
	denied      workload = "UDP packets denied"
)

// Ports that the rules of every contender admit; those of newFlows differ by
// round, so that no flow of an earlier one is met again.
const (
	requestPort    = 7001
	connectionPort = 7002
	bulkPort       = 7003
	packetPort     = 7004
	firstNewPort   = 20000
	lastNewPort    = 20999
	deniedPort     = 9
)

const payload = 64 // bytes of a datagram

func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // there is no such kernel
	}
	return t.Nano()
}

// patience bounds every wait, so that a lost packet ends a measurement and not
// the run.
var patience = unix.NsecToTimeval(5e9)

// service is a server at work on its own thread.
type service struct {
	stopping atomic.Bool
	done     chan struct{}
	got      outcome
	err      error
}

// stop waits until the service has seen what there is to see.
func (s *service) stop() (outcome, error) {
	if s == nil {
		return outcome{}, fmt.Errorf("nothing is being served")
	}
	s.stopping.Store(true)
	<-s.done
	return s.got, s.err
}

// serve starts to serve a workload; the sockets are there when it returns.
func serve(o order) (*service, error) {
	to, err := socketAddress(o.To, o.Port)
	if err != nil {
		return nil, err
	}
	kind := unix.SOCK_STREAM
	if o.Kind == packets || o.Kind == newFlows {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := listen(fd, kind, to); err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &service{done: make(chan struct{})}
	answer := map[workload]func(*service, int, order) (outcome, error){
		requests: answerRequests, connections: answerRequests, bulk: swallow, packets: count, newFlows: count,
	}[o.Kind]
	go func() {
		defer close(s.done)
		defer unix.Close(fd)
		s.got, s.err = pinned(func() (outcome, error) {
			return counted(func() (outcome, error) { return answer(s, fd, o) })
		})
	}()
	return s, nil
}

func listen(fd, kind int, at unix.Sockaddr) error {
	wake := unix.NsecToTimeval(20e6) // how often a waiting server sees that it shall stop
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wake); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if kind == unix.SOCK_DGRAM {
		// No packet is lost because the reader's turn comes late.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 512<<20); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, at); err != nil {
		return err
	}
	if kind == unix.SOCK_STREAM {
		return unix.Listen(fd, 128)
	}
	return nil
}

// load sends a workload and says how that went from the sender's side.
func load(o order) (outcome, error) {
	to, err := socketAddress(o.To, o.Port)
	if err != nil {
		return outcome{}, err
	}
	return map[workload]func(order, unix.Sockaddr) (outcome, error){
		requests: ask, connections: connectAndAsk, bulk: pour, packets: send, denied: send, newFlows: sendNew,
	}[o.Kind](o, to)
}

func socketAddress(addr string, port int) (unix.Sockaddr, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet4{Port: port, Addr: a.As4()}, nil
}

// again reports whether a wait ended without anything having come.
func again(err error) bool { return err == unix.EAGAIN || err == unix.EINTR }

// percentile returns the p-th of sorted values.
func percentile(sorted []int64, p int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func (o *outcome) latencies(took []int64) {
	slices.Sort(took)
	o.P50, o.P99 = percentile(took, 50), percentile(took, 99)
}
