// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// ServeTCP answers connections to the address ("10.0.0.1:80", port 0 for any)
// with what they send, until the test ends. It returns the address in use.
func (n *NS) ServeTCP(t testing.TB, address string) netip.AddrPort {
	t.Helper()
	var listener net.Listener
	var err error
	n.Do(func() { listener, err = net.Listen("tcp", address) })
	if err != nil {
		t.Fatalf("listen in %s: %v", n.Name, err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{} // guarded by mu; nil once the test has ended
	running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if open == nil {
				c.Close()
			} else {
				open[c] = true
				running.Go(func() {
					_, _ = io.Copy(c, c)
					c.Close()
				})
			}
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		open = nil
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// ServeUDP answers datagrams to the address with themselves until the test ends.
// It returns the address in use.
func (n *NS) ServeUDP(t testing.TB, address string) netip.AddrPort {
	t.Helper()
	var conn net.PacketConn
	var err error
	n.Do(func() { conn, err = net.ListenPacket("udp", address) })
	if err != nil {
		t.Fatalf("listen in %s: %v", n.Name, err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buffer := make([]byte, 1<<16)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = conn.WriteTo(buffer[:size], from)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		running.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Dial opens a connection ("tcp", "udp") from inside the namespace. The source
// may be the zero value.
func (n *NS) Dial(network string, from, to netip.AddrPort, timeout time.Duration) (conn net.Conn, err error) {
	dialer := net.Dialer{Timeout: timeout}
	if from.IsValid() {
		if network == "udp" {
			dialer.LocalAddr = net.UDPAddrFromAddrPort(from)
		} else {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
	}
	n.Do(func() { conn, err = dialer.Dial(network, to.String()) })
	return conn, err
}

// TCP reports, as nil, that a connection to an echo service is made and carries
// data both ways within the timeout.
func (n *NS) TCP(to netip.AddrPort, timeout time.Duration) error {
	return n.probe("tcp", to, timeout)
}

// UDP reports, as nil, that one datagram to an echo service is answered within
// the timeout.
func (n *NS) UDP(to netip.AddrPort, timeout time.Duration) error {
	return n.probe("udp", to, timeout)
}

func (n *NS) probe(network string, to netip.AddrPort, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	conn, err := n.Dial(network, netip.AddrPort{}, to, timeout)
	if err != nil {
		return fmt.Errorf("from %s: %w", n.Name, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(end); err != nil {
		return err
	}
	return Echo(conn)
}

// Echo reports, as nil, that an echo service answers on an open connection. The
// connection's deadline bounds it.
func Echo(conn net.Conn) error {
	sent := fmt.Appendf(nil, "probe %d", serial.Add(1))
	if _, err := conn.Write(sent); err != nil {
		return fmt.Errorf("send to %s: %w", conn.RemoteAddr(), err)
	}
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil {
		return fmt.Errorf("answer of %s: %w", conn.RemoteAddr(), err)
	}
	if !bytes.Equal(got, sent) {
		return fmt.Errorf("answer of %s: sent %q, got %q", conn.RemoteAddr(), sent, got)
	}
	return nil
}

// Ping reports, as nil, that an ICMP or ICMPv6 echo request is answered within
// the timeout.
func (n *NS) Ping(to netip.Addr, timeout time.Duration) error {
	network, request, reply := "ip4:icmp", byte(8), byte(0)
	if to.Is6() {
		network, request, reply = "ip6:ipv6-icmp", 128, 129
	}
	var conn net.Conn
	var err error
	n.Do(func() { conn, err = net.DialTimeout(network, to.String(), timeout) })
	if err != nil {
		return fmt.Errorf("ping from %s: %w", n.Name, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	message := binary.BigEndian.AppendUint16([]byte{request, 0, 0, 0}, uint16(os.Getpid()))
	message = binary.BigEndian.AppendUint16(message, uint16(serial.Add(1)))
	if to.Is4() { // for ICMPv6 the kernel computes it
		binary.BigEndian.PutUint16(message[2:], checksum(message))
	}
	if _, err := conn.Write(message); err != nil {
		return fmt.Errorf("ping %s from %s: %w", to, n.Name, err)
	}
	buffer := make([]byte, 1500)
	for { // a raw socket sees all ICMP messages from there
		size, _, err := conn.(*net.IPConn).ReadFrom(buffer) // unlike Read, without the IPv4 header
		if err != nil {
			return fmt.Errorf("ping %s from %s: %w", to, n.Name, err)
		}
		if size >= 8 && buffer[0] == reply && bytes.Equal(buffer[4:8], message[4:]) {
			return nil
		}
	}
}

// checksum is that of RFC 1071 over an even number of bytes.
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
