// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// config says who is answered, and where. Asker and Within must be set.
type config struct {
	// Asker returns the facts of who sends from an address, nil for nobody.
	Asker func(netip.Addr) *Facts
	// Within runs fn where sockets are to be opened.
	Within func(fn func() error) error
	// Names are the addresses of the resolver, Metadata and Time of the others.
	Names          []netip.Addr
	Metadata, Time netip.Addr
	// Forward is the resolver that is asked for names of others; the zero AddrPort
	// has them refused.
	Forward netip.AddrPort
	Now     func() time.Time // nil: time.Now
}

const (
	namesTimeout = 5 * time.Second
	largestQuery = 4096
	stratum      = 4 // of the time: this machine's clock
)

// run opens the sockets and answers until ctx ends.
func run(ctx context.Context, cfg config) error {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	var packets []net.PacketConn
	var streams []net.Listener
	var timePackets net.PacketConn
	var web net.Listener
	err := cfg.Within(func() (err error) {
		for _, a := range cfg.Names {
			at := netip.AddrPortFrom(a, 53).String()
			p, err := net.ListenPacket("udp", at)
			if err != nil {
				return err
			}
			packets = append(packets, p)
			l, err := net.Listen("tcp", at)
			if err != nil {
				return err
			}
			streams = append(streams, l)
		}
		if timePackets, err = net.ListenPacket("udp", netip.AddrPortFrom(cfg.Time, 123).String()); err != nil {
			return err
		}
		web, err = net.Listen("tcp", netip.AddrPortFrom(cfg.Metadata, 80).String())
		return err
	})
	if err != nil {
		return fmt.Errorf("open local services: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	srv := &http.Server{Handler: newMetadata(cfg.Asker, cfg.Now), ReadHeaderTimeout: namesTimeout}
	stop := context.AfterFunc(ctx, func() {
		for _, p := range append(packets, timePackets) {
			p.Close()
		}
		for _, l := range streams {
			l.Close()
		}
		srv.Close()
	})
	defer stop()
	group.Go(func() error { return srv.Serve(web) })
	group.Go(func() error { return cfg.serveTime(timePackets) })
	for _, p := range packets {
		group.Go(func() error { return cfg.serveNames(p) })
	}
	for _, l := range streams {
		group.Go(func() error { return cfg.serveLongNames(l) })
	}
	err = group.Wait()
	if cause := context.Cause(ctx); errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return cause
	}
	return err
}

// forward returns how names of others are asked for, nil for not at all.
func (c *config) forward(network string) func([]byte) ([]byte, error) {
	if !c.Forward.IsValid() {
		return nil
	}
	return func(query []byte) ([]byte, error) {
		conn, err := net.DialTimeout(network, c.Forward.String(), namesTimeout)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(namesTimeout)); err != nil {
			return nil, err
		}
		if network == "tcp" {
			if err := writeLong(conn, query); err != nil {
				return nil, err
			}
			return readLong(conn)
		}
		if _, err := conn.Write(query); err != nil {
			return nil, err
		}
		buf := make([]byte, 65535)
		n, err := conn.Read(buf)
		return buf[:n], err
	}
}

func (c *config) serveNames(p net.PacketConn) error {
	buf := make([]byte, largestQuery)
	for {
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			return err
		}
		query := append([]byte(nil), buf[:n]...)
		go func() {
			if answer := answerNames(c.Asker(from.(*net.UDPAddr).AddrPort().Addr().Unmap()), query, c.forward("udp")); answer != nil {
				p.WriteTo(answer, from)
			}
		}()
	}
}

// serveLongNames answers over TCP, one query after the other.
func (c *config) serveLongNames(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			for conn.SetDeadline(time.Now().Add(namesTimeout)) == nil {
				query, err := readLong(conn)
				if err != nil {
					return
				}
				answer := answerNames(c.Asker(conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()), query, c.forward("tcp"))
				if answer == nil || writeLong(conn, answer) != nil {
					return
				}
			}
		}()
	}
}

// readLong and writeLong are messages with their length before them.
func readLong(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func writeLong(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// serveTime answers SNTP (RFC 4330).
func (c *config) serveTime(p net.PacketConn) error {
	buf := make([]byte, 48)
	for {
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			return err
		}
		if answer := answerTime(buf[:n], c.Now()); answer != nil {
			p.WriteTo(answer, from)
		}
	}
}

// answerTime returns the answer to a client's request, nil for anything else.
func answerTime(request []byte, now time.Time) []byte {
	const client, server = 3, 4
	if len(request) < 48 || request[0]&7 != client {
		return nil
	}
	at := ntp(now)
	b := make([]byte, 48)
	b[0], b[1], b[2], b[3] = request[0]&0x38|server, stratum, request[2], 0xec // 2^-20 s
	copy(b[12:], "LOCL")
	binary.BigEndian.PutUint64(b[16:], at)
	copy(b[24:32], request[40:48]) // when the client sent it
	binary.BigEndian.PutUint64(b[32:], at)
	binary.BigEndian.PutUint64(b[40:], at)
	return b
}

// ntp returns a time as seconds since 1900 with a fraction of 32 bits.
func ntp(t time.Time) uint64 {
	const since1900 = 2208988800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/1e9
}
