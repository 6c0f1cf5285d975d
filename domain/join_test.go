// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// controller is a domain controller on loopback whose directory answers with
// context, and the resolver that knows it.
type controller struct {
	ports
	resolver netip.AddrPort
}

// rootEntry is an answer as controllers write it, with lengths of four bytes.
func rootEntry(context string) []byte {
	long := func(tag byte, parts ...[]byte) []byte {
		body := []byte{}
		for _, p := range parts {
			body = append(body, p...)
		}
		return append([]byte{tag, 0x84, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	attribute := func(name, value string) []byte {
		return long(tagSequence, tlv(tagOctets, []byte(name)), long(tagSet, tlv(tagOctets, []byte(value))))
	}
	return long(tagSequence, tlv(tagInteger, []byte{1}), long(tagEntry, tlv(tagOctets),
		long(tagSequence, attribute("dnsHostName", "dc1.corp.example.com"), attribute("defaultnamingcontext", context))))
}

func newController(t *testing.T, context string, names map[uint16][]byte) *controller {
	t.Helper()
	c := &controller{}
	tcp := func(serve func(net.Conn)) uint16 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				serve(conn)
				conn.Close()
			}
		}()
		return netip.MustParseAddrPort(l.Addr().String()).Port()
	}
	udp := func(at string, answer func(query []byte) []byte) netip.AddrPort {
		conn, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		go func() {
			query := make([]byte, 512)
			for {
				n, from, err := conn.ReadFrom(query)
				if err != nil {
					return
				}
				conn.WriteTo(answer(query[:n]), from)
			}
		}()
		return netip.MustParseAddrPort(conn.LocalAddr().String())
	}
	c.TCP = []uint16{tcp(func(net.Conn) {}), tcp(func(net.Conn) {})}
	c.Directory = tcp(func(conn net.Conn) {
		conn.Read(make([]byte, 512))
		answer := rootEntry(context)
		conn.Write(answer[:9]) // it comes in parts
		conn.Write(answer[9:])
	})
	udp(fmt.Sprintf("127.0.0.1:%d", c.Directory), func([]byte) []byte { return rootEntry(context) })
	c.resolver = udp("127.0.0.1:0", func(query []byte) []byte {
		end := 12
		for query[end] != 0 {
			end += 1 + int(query[end])
		}
		end += 5
		kind := uint16(query[end-4])<<8 | uint16(query[end-3])
		reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
		data, known := names[kind]
		if !known {
			reply[3] = 0x83 // no such name
			return reply
		}
		reply[7] = 1
		reply = append(reply, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 60, 0, byte(len(data)))
		return append(reply, data...)
	})
	return c
}

const (
	typeA   = 1
	typeSRV = 33
)

// corp are the names of a domain with one controller on loopback.
func corp() map[uint16][]byte {
	return map[uint16][]byte{
		typeA:   {127, 0, 0, 1},
		typeSRV: append([]byte{0, 0, 0, 100, 1, 133}, "\x03dc1\x04corp\x07example\x03com\x00"...),
	}
}

// AS-D15
func TestADomainIsJoinedByItsController(t *testing.T) {
	c := newController(t, "DC=corp,DC=example,DC=com", corp())
	if err := join(t.Context(), c.resolver, "corp.example.com", c.ports); err != nil {
		t.Error(err)
	}
	if err := join(t.Context(), c.resolver, "CORP.example.com.", c.ports); err != nil {
		t.Errorf("with a dot and capitals: %v", err)
	}
}

func TestWhatKeepsFromJoining(t *testing.T) {
	shut := func(port *uint16) func(*controller) {
		return func(c *controller) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			*port = netip.MustParseAddrPort(l.Addr().String()).Port()
			l.Close()
			c.TCP[1] = *port
		}
	}
	var port uint16
	for name, row := range map[string]struct {
		context string
		names   map[uint16][]byte
		change  func(*controller)
		want    string
	}{
		"another domain": {context: "DC=other,DC=org", names: corp(), want: `it is the directory of "DC=other,DC=org", not of "DC=corp,DC=example,DC=com"`},
		"no controllers": {context: "DC=corp,DC=example,DC=com", want: "find the controllers of corp.example.com at 127.0.0.1"},
		"no address":     {context: "DC=corp,DC=example,DC=com", names: map[uint16][]byte{typeSRV: corp()[typeSRV]}, want: "find the controllers"},
		"a port is shut": {context: "DC=corp,DC=example,DC=com", names: corp(), change: shut(&port), want: "connection refused"},
		"silence over UDP": {context: "DC=corp,DC=example,DC=com", names: corp(), want: "the directory over TCP", change: func(c *controller) {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0") // nothing reads it
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			c.Directory = netip.MustParseAddrPort(conn.LocalAddr().String()).Port()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newController(t, row.context, row.names)
			if row.change != nil {
				row.change(c)
			}
			begin := time.Now()
			err := join(t.Context(), c.resolver, "corp.example.com", c.ports)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("joining says %v, want %q in it", err, row.want)
			}
			if took := time.Since(begin); took > Longest+time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestJoiningEndsWithItsContext(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") // a resolver that answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := Join(ctx, netip.MustParseAddrPort(conn.LocalAddr().String()), "corp.example.com"); err == nil {
		t.Error("a domain is joined by nobody")
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestAnswersThatAreCut reads every beginning of an answer, and hostile lengths.
func TestAnswersThatAreCut(t *testing.T) {
	whole := rootEntry("DC=corp,DC=example,DC=com")
	for n := range whole {
		if _, err := contextOf(whole[:n]); !errors.Is(err, errShort) {
			t.Fatalf("the first %d bytes say %v", n, err)
		}
	}
	if got, err := contextOf(whole); err != nil || got != contextFor("corp.example.com") {
		t.Errorf("%q, %v", got, err)
	}
	for _, b := range []string{"\x30\x80", "\x30\x85\x01\x01\x01\x01\x01", "\x30\x84\xff\xff\xff\xff", "\x31\x00", "\x30\x03\x02\x01\x01", "\x30\x05\x02\x01\x01\x65\x00"} {
		if got, err := contextOf([]byte(b)); err == nil {
			t.Errorf("% x is taken for %q", b, got)
		}
	}
}
