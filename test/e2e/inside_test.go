// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// insideVariable makes this program the probe that runs inside an instance: it
// reads orders as JSON lines, carries them out side by side, and answers each
// with its number. It ends when its input does, so it lives as long as the test
// that started it, whatever becomes of the server.
const insideVariable = "HEDGEWARD_E2E_INSIDE"

// order is one thing to do inside an instance.
type order struct {
	Number  int
	Do      string // listen, dial, exchange, heard, ping, stream, halt, sink or counted
	Network string // listen, dial: tcp or udp
	Address string // where to; for heard, the sender's address
	Local   string // dial: local address and port, "" for any
	Socket  int    // exchange, heard, halt, counted: number of the order that opened it
	ID      int    // ping: the identifier that makes the flow
	Rate    int    // stream: datagrams a second
	Fresh   bool   // stream: every datagram is a flow of its own
	Want    int    // counted: how many to wait for
	Wait    time.Duration
}

// The outcomes of an order.
const (
	open    = "open"    // it was done, and an answer came
	shut    = "shut"    // nothing came back in time
	refused = "refused" // the other end answered that nobody listens
)

// answer is what became of an order: an outcome, or why it has none.
type answer struct {
	Number  int
	Outcome string
	Count   int // halt, counted: datagrams
	Error   string
}

// sockets is what a probe holds open.
type sockets struct {
	mu      sync.Mutex
	conns   map[int]net.Conn
	heard   map[int]*hearing
	streams map[int]*stream
	sinks   map[int]*sink
	out     *json.Encoder
}

// hearing is who has sent something to a UDP listener.
type hearing struct {
	mu    sync.Mutex
	from  []netip.Addr
	moved chan struct{} // closed and replaced whenever from grows
}

func inside() int {
	r := &sockets{conns: map[int]net.Conn{}, heard: map[int]*hearing{}, streams: map[int]*stream{}, sinks: map[int]*sink{}, out: json.NewEncoder(os.Stdout)}
	orders := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return 0
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
			return 1
		}
		go r.carryOut(o)
	}
}

func (r *sockets) carryOut(o order) {
	a := answer{Number: o.Number, Outcome: open}
	var err error
	switch o.Do {
	case "listen":
		err = r.listen(o)
	case "dial":
		err = r.dial(o)
	case "exchange":
		r.mu.Lock()
		conn := r.conns[o.Socket]
		r.mu.Unlock()
		err = exchange(conn, o.Wait)
	case "heard":
		r.mu.Lock()
		h := r.heard[o.Socket]
		r.mu.Unlock()
		err = h.await(netip.MustParseAddr(o.Address), o.Wait)
	case "ping":
		err = ping(o)
	case "stream":
		var s *stream
		if s, err = startStream(o); err == nil {
			keep(r, r.streams, o.Number, s)
		}
	case "halt":
		a.Count, err = kept(r, r.streams, o.Socket).halt()
	case "sink":
		var s *sink
		if s, err = startSink(o); err == nil {
			keep(r, r.sinks, o.Number, s)
		}
	case "counted":
		a.Count = kept(r, r.sinks, o.Socket).counted(o.Want, o.Wait)
	default:
		err = fmt.Errorf("unknown order %q", o.Do)
	}
	var timeout net.Error
	switch {
	case err == nil:
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		a.Outcome = refused
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		a.Outcome = shut
	default:
		a.Outcome, a.Error = "", err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.out.Encode(a); err != nil {
		os.Exit(1) // nobody listens any more
	}
}

// keep and kept hold what an order opened until another order asks for it.
func keep[T any](r *sockets, all map[int]T, number int, v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all[number] = v
}

func kept[T any](r *sockets, all map[int]T, number int) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return all[number]
}

// listen sends back whatever comes, over TCP connections or as UDP datagrams.
func (r *sockets) listen(o order) error {
	if o.Network == "udp" {
		conn, err := net.ListenPacket("udp", o.Address)
		if err != nil {
			return err
		}
		h := &hearing{moved: make(chan struct{})}
		r.mu.Lock()
		r.heard[o.Number] = h
		r.mu.Unlock()
		go h.serve(conn.(*net.UDPConn))
		return nil
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return nil
}

func (h *hearing) serve(conn *net.UDPConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		h.mu.Lock()
		h.from = append(h.from, from.Addr().Unmap())
		close(h.moved)
		h.moved = make(chan struct{})
		h.mu.Unlock()
		conn.WriteToUDPAddrPort(buf[:n], from)
	}
}

// await returns once something has come from an address.
func (h *hearing) await(from netip.Addr, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	for {
		h.mu.Lock()
		known, moved := slices.Contains(h.from, from), h.moved
		h.mu.Unlock()
		if known {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dial opens a connection and sees that the other end sends back what it gets.
// The connection stays.
func (r *sockets) dial(o order) error {
	d := net.Dialer{Timeout: o.Wait}
	if o.Local != "" {
		local, err := netip.ParseAddrPort(o.Local)
		if err != nil {
			return err
		}
		if o.Network == "udp" {
			d.LocalAddr = net.UDPAddrFromAddrPort(local)
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(local)
		}
	}
	conn, err := d.Dial(o.Network, o.Address)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.conns[o.Number] = conn
	r.mu.Unlock()
	return exchange(conn, o.Wait)
}

// exchange sends one line and waits until it has come back. What comes late from
// an earlier exchange is passed over.
func exchange(conn net.Conn, wait time.Duration) error {
	if conn == nil {
		return errors.New("no such connection")
	}
	deadline := time.Now().Add(wait)
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	line := fmt.Sprintf("%020d\n", deadline.UnixNano())
	if _, err := io.WriteString(conn, line); err != nil {
		return err
	}
	buf := make([]byte, len(line))
	for string(buf) != line {
		if _, err := io.ReadFull(conn, buf); err != nil {
			return err
		}
	}
	return nil
}

// ping sends one echo request with the given identifier and waits for its
// answer.
func ping(o order) error {
	to, err := netip.ParseAddr(o.Address)
	if err != nil {
		return err
	}
	network, request, reply := "ip4:icmp", byte(8), byte(0)
	if to.Is6() {
		network, request, reply = "ip6:ipv6-icmp", 128, 129
	}
	conn, err := net.DialIP(network, nil, &net.IPAddr{IP: to.AsSlice()})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(o.Wait)); err != nil {
		return err
	}
	message := make([]byte, 8, 16)
	message[0] = request
	binary.BigEndian.PutUint16(message[4:], uint16(o.ID))
	binary.BigEndian.PutUint16(message[6:], uint16(o.Number))
	message = append(message, "echo it!"...)
	if to.Is4() { // the kernel fills in that of ICMPv6
		binary.BigEndian.PutUint16(message[2:], checksum(message))
	}
	if _, err := conn.Write(message); err != nil {
		return err
	}
	buf := make([]byte, 128)
	for {
		n, _, err := conn.ReadFromIP(buf) // without the IPv4 header, unlike Read
		if err != nil {
			return err
		}
		got := buf[:n]
		if n >= 8 && got[0] == reply && string(got[4:8]) == string(message[4:8]) {
			return nil
		}
	}
}

// checksum is the Internet checksum of an even number of octets.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
