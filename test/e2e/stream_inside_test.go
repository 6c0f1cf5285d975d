// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A stream is datagrams at a steady rate, numbered from 1, and a sink counts how
// many of them came. Between the two every packet's fate is known, so a change of
// rules that loses or leaks a single one shows.

// streamHeader is a UDP header and the number of the datagram.
const streamHeader = 8 + 8

// stream sends until it is halted.
type stream struct {
	sent atomic.Int64
	stop chan struct{}
	done chan error // capacity 1
}

// fresh is the range of source ports of a stream whose every datagram is a flow
// of its own. A port comes again after two minutes at 300 datagrams a second, when
// its old flow is dead (docs/spec/packet-semantics.md section 3.6).
const (
	freshBase  = 20000
	freshPorts = 40000
)

// startStream sends o.Rate datagrams a second to o.Address: each from a source
// port of its own if o.Fresh, otherwise all from one.
func startStream(o order) (*stream, error) {
	to, err := netip.ParseAddrPort(o.Address)
	if err != nil {
		return nil, err
	}
	if o.Rate <= 0 {
		return nil, fmt.Errorf("stream at rate %d", o.Rate)
	}
	// A raw socket: the ports are ours to write.
	conn, err := net.DialIP("ip4:udp", nil, &net.IPAddr{IP: to.Addr().AsSlice()})
	if err != nil {
		return nil, err
	}
	s := &stream{stop: make(chan struct{}), done: make(chan error, 1)}
	go func() {
		defer conn.Close()
		s.done <- s.send(conn, to.Port(), o.Fresh, o.Rate)
	}()
	return s, nil
}

func (s *stream) send(conn *net.IPConn, port uint16, fresh bool, rate int) error {
	began, tick := time.Now(), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return nil
		case <-tick.C:
		}
		due := int64(time.Since(began).Seconds() * float64(rate))
		for s.sent.Load() < due {
			if err := s.one(conn, port, fresh); err != nil {
				return err
			}
		}
	}
}

func (s *stream) one(conn *net.IPConn, port uint16, fresh bool) error {
	number := s.sent.Load() + 1
	source := uint16(freshBase)
	if fresh {
		source += uint16(number % freshPorts)
	}
	m := make([]byte, streamHeader) // UDP over IPv4 needs no checksum
	binary.BigEndian.PutUint16(m[0:], source)
	binary.BigEndian.PutUint16(m[2:], port)
	binary.BigEndian.PutUint16(m[4:], streamHeader)
	binary.BigEndian.PutUint64(m[8:], uint64(number))
	for {
		_, err := conn.Write(m)
		switch {
		case err == nil:
			s.sent.Store(number)
			return nil
		case errors.Is(err, syscall.ENOBUFS): // not sent: the device's queue is full
			select {
			case <-s.stop:
				return nil
			case <-time.After(time.Millisecond):
			}
		default:
			return err
		}
	}
}

// halt ends the stream and returns how many datagrams it sent.
func (s *stream) halt() (int, error) {
	close(s.stop)
	err := <-s.done
	return int(s.sent.Load()), err
}

// sink counts the distinct datagrams of one stream.
type sink struct {
	mu    sync.Mutex
	came  map[uint64]bool
	moved chan struct{} // closed and replaced whenever came grows
}

// sinkBuffer is room for seconds of datagrams, so that a busy machine loses none
// of them after they were let in.
const sinkBuffer = 16 << 20

func startSink(o order) (*sink, error) {
	packets, err := net.ListenPacket("udp4", o.Address)
	if err != nil {
		return nil, err
	}
	conn := packets.(*net.UDPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var forced error
	if err := raw.Control(func(fd uintptr) {
		forced = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, sinkBuffer)
	}); err != nil || forced != nil {
		return nil, errors.Join(err, forced)
	}
	s := &sink{came: map[uint64]bool{}, moved: make(chan struct{})}
	go s.serve(conn)
	return s, nil
}

func (s *sink) serve(conn *net.UDPConn) {
	buf := make([]byte, 64)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n != streamHeader-8 {
			continue // not of a stream
		}
		s.mu.Lock()
		s.came[binary.BigEndian.Uint64(buf)] = true
		close(s.moved)
		s.moved = make(chan struct{})
		s.mu.Unlock()
	}
}

// counted returns how many datagrams have come once there are want of them, or
// when the time is up.
func (s *sink) counted(want int, wait time.Duration) int {
	timeout := time.After(wait)
	for {
		s.mu.Lock()
		n, moved := len(s.came), s.moved
		s.mu.Unlock()
		if n >= want {
			return n
		}
		select {
		case <-moved:
		case <-timeout:
			return n
		}
	}
}
