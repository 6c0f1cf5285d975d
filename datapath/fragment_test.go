// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// sum is the internet checksum of b, which has an even length or is padded.
func sum(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// datagram returns a UDP header with a payload, as src sends it to dst.
func datagram(src, dst netip.AddrPort, payload []byte) []byte {
	u := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(u, src.Port())
	binary.BigEndian.PutUint16(u[2:], dst.Port())
	binary.BigEndian.PutUint16(u[4:], uint16(8+len(payload)))
	u = append(u, payload...)
	pseudo := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
	pseudo = append(pseudo, 0, 17, u[4], u[5])
	binary.BigEndian.PutUint16(u[6:], sum(append(pseudo, u...)))
	return u
}

// fragments cuts a datagram into frames of so many octets, the last first.
func fragments(src, dst netip.AddrPort, payload []byte, id uint16, size int) (out []bpftest.Frame) {
	whole := datagram(src, dst, payload)
	for at := 0; at < len(whole); at += size {
		more := uint16(0)
		if at+size < len(whole) {
			more = 1
		}
		part := whole[at:min(at+size, len(whole))]
		f := func(proto uint8, b []byte) bpftest.Frame {
			return bpftest.IP(src.Addr().String(), dst.Addr().String(), proto, b)
		}
		if src.Addr().Is6() {
			head := []byte{17, 0, 0, 0, 0, 0, byte(id >> 8), byte(id)}
			binary.BigEndian.PutUint16(head[2:], uint16(at)|more)
			out = append([]bpftest.Frame{f(44, append(head, part...))}, out...)
			continue
		}
		frame := f(17, part)
		ip := frame.Bytes[14:34]
		binary.BigEndian.PutUint16(ip[4:], id)
		binary.BigEndian.PutUint16(ip[6:], uint16(at/8)|more<<13)
		copy(ip[10:], []byte{0, 0})
		binary.BigEndian.PutUint16(ip[10:], sum(ip))
		out = append([]bpftest.Frame{frame}, out...)
	}
	return out
}

// transmit has an instance send frames as they are.
func transmit(t *testing.T, i *instance, frames []bpftest.Frame) {
	t.Helper()
	i.do(t, func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		dev, err := net.InterfaceByName("inst" + i.Device[len("host"):])
		if err != nil {
			return err
		}
		for _, f := range frames {
			copy(f.Bytes, datapath.RouterMAC)
			copy(f.Bytes[6:], i.MAC)
			if err := unix.Sendto(fd, f.Bytes, 0, &unix.SockaddrLinklayer{Ifindex: dev.Index}); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestFragmentsThroughSockets: PKT-I01, PKT-I02 and PKT-I05 with everything that is real. A
// datagram arrives whole at a socket whether its fragments are sent in order, by the
// kernel, or the other way round, by hand; one that no rule admits never does.
func TestFragmentsThroughSockets(t *testing.T) {
	rig := bpftest.NewWith(t, func(c *datapath.Config) { c.Testing = false })
	a := launch(t, rig, "eni-a", 1, "10.0.1.10", "2001:db8:1:1::a")
	b := launch(t, rig, "eni-b", 2, "10.0.1.20", "2001:db8:1:1::b")
	rig.SetPolicy(a.Interface, world(nil, outAll))
	rig.SetPolicy(b.Interface, world(rules{rule(17, 9, 9, "10.0.1.0/24"), rule(17, 9, 9, "2001:db8:1:1::/64")}, nil))

	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan error)
	go func() {
		rig.Enter(t) // the device is to be made where the others are
		held <- rig.HoldFragments(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-held; err != nil {
			t.Error(err)
		}
	})
	for rig.Holder() == 0 {
		select {
		case err := <-held:
			t.Fatalf("nobody holds fragments: %v", err)
		case <-time.After(time.Millisecond):
		}
	}

	payload := bytes.Repeat([]byte("0123456789abcdef"), 250)
	for n, ends := range [][2]string{{"10.0.1.10", "10.0.1.20"}, {"2001:db8:1:1::a", "2001:db8:1:1::b"}} {
		from, to := netip.AddrPortFrom(netip.MustParseAddr(ends[0]), 7), netip.AddrPortFrom(netip.MustParseAddr(ends[1]), 9)
		shut := netip.AddrPortFrom(to.Addr(), 10)
		socket, other := listen(t, b, to), listen(t, b, shut)
		a.do(t, func() error {
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write(payload)
			return err
		})
		receive(t, socket, payload, "in order")
		for id := range 20 {
			transmit(t, a, fragments(from, to, payload, uint16(1000*n+id), 1024))
			receive(t, socket, payload, "the last first")
		}
		transmit(t, a, fragments(from, shut, payload, uint16(1000*n+900), 1024))
		transmit(t, a, fragments(from, to, payload, uint16(1000*n+901), 1024))
		receive(t, socket, payload, "after one that is refused")
		other.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := other.Read(make([]byte, 8000)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d octets that no rule admits arrived: %v", n, err)
		}
	}
	if got := rig.Status(a.Interface).Packets[flow.Egress]; got[flow.ReasonFragHeld] == 0 || got[flow.ReasonFragNoContext] != 0 {
		t.Errorf("%d fragments were held, %d dropped for want of their first", got[flow.ReasonFragHeld], got[flow.ReasonFragNoContext])
	}
}

func listen(t *testing.T, i *instance, at netip.AddrPort) (c *net.UDPConn) {
	t.Helper()
	i.do(t, func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func receive(t *testing.T, c *net.UDPConn, want []byte, how string) {
	t.Helper()
	got := make([]byte, len(want)+1)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(got); err != nil || !bytes.Equal(got[:n], want) {
		t.Fatalf("%s: %d octets, %v; want %d", how, n, err, len(want))
	}
}

// TestOptionsBehindTheFragmentHeader is RFC 8200 section 4.5: with a header of options in
// front of the transport header, the fragments of a datagram name the options, and only
// the first says what follows.
func TestOptionsBehindTheFragmentHeader(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, world(rules{rule(17, 22, 22, h6+"/128")}, nil))
	options := []byte{17, 0, 1, 4, 0, 0, 0, 0}
	send := func(id byte, port uint16) (got [2]flow.Reason) {
		whole := append(options, datagram(netip.AddrPortFrom(netip.MustParseAddr(h6), 5), netip.AddrPortFrom(netip.MustParseAddr(a6), port), make([]byte, 32))...)
		for i, part := range [][]byte{whole[:24], whole[24:]} {
			head := []byte{60, 0, 0, byte(24*i) | byte(1-i), 0, 0, 0, id}
			got[i] = l.In(l.a, bpftest.IP(h6, a6, 44, append(head, part...))).Reason[flow.Ingress]
		}
		return got
	}
	if got := send(1, 22); got != [2]flow.Reason{byRule, byRule} {
		t.Errorf("of a datagram that a rule admits: %s", got)
	}
	if got := send(2, 23); got != [2]flow.Reason{noRule, noRule} {
		t.Errorf("of one that no rule admits: %s", got)
	}
	if f := l.Flows(l.a); len(f) != 1 || f[0].Packets[flow.Ingress] != 2 {
		t.Errorf("both fragments count for the flow: %+v", f)
	}
}
