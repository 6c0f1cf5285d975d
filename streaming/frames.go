// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A stream is what stands for pixels: a numbered frame every frameEvery, a line
// each, and for each frame a line back that it was seen. Over UDP the viewer says
// that it is there, again and again, and gets a datagram per frame.
const (
	frameEvery = 20 * time.Millisecond
	helloEvery = 200 * time.Millisecond
	helloLife  = 10 * helloEvery // a viewer that has not said so for this long is gone
	streamLost = 5 * time.Second // without a frame, or an acknowledgement, a stream is over
)

// serveFrames serves streams on both protocols until ctx ends.
func serveFrames(ctx context.Context, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	stop := context.AfterFunc(ctx, func() { l.Close(); packets.Close() })
	defer stop()
	go serveDatagrams(packets.(*net.UDPConn))
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			serveViewer(conn)
		}()
	}
}

// serveViewer sends frames over a connection until it breaks or nobody answers.
func serveViewer(conn net.Conn) {
	seen := make(chan struct{})
	go func() { // acknowledgements
		defer close(seen)
		lines := bufio.NewScanner(conn)
		for conn.SetReadDeadline(time.Now().Add(streamLost)) == nil && lines.Scan() {
		}
	}()
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-seen:
			return
		}
		if conn.SetWriteDeadline(time.Now().Add(streamLost)) != nil {
			return
		}
		if _, err := fmt.Fprintf(conn, "frame %d\n", n); err != nil {
			return
		}
	}
}

// serveDatagrams sends frames to whoever says that it is there.
func serveDatagrams(conn *net.UDPConn) {
	var mu sync.Mutex
	type viewer struct {
		heard time.Time
		n     int
	}
	viewers := map[netip.AddrPort]*viewer{}
	go func() {
		for range time.Tick(frameEvery) {
			mu.Lock()
			for to, v := range viewers {
				if time.Since(v.heard) > helloLife {
					delete(viewers, to)
					continue
				}
				v.n++
				if _, err := conn.WriteToUDPAddrPort(fmt.Appendf(nil, "frame %d\n", v.n), to); errors.Is(err, net.ErrClosed) {
					mu.Unlock()
					return
				}
			}
			mu.Unlock()
		}
	}()
	buf := make([]byte, 64)
	for {
		_, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // about one viewer, not about the socket
		}
		mu.Lock()
		if v := viewers[from]; v != nil {
			v.heard = time.Now()
		} else {
			viewers[from] = &viewer{heard: time.Now()}
		}
		mu.Unlock()
	}
}

// watchFrames takes a stream and gives each frame's number to show, until the
// stream breaks, show fails or ctx ends.
func watchFrames(ctx context.Context, conn net.Conn, show func(frame int) error) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if conn.LocalAddr().Network() == "udp" {
		go func() {
			for range time.Tick(helloEvery) {
				if _, err := io.WriteString(conn, "here\n"); errors.Is(err, net.ErrClosed) {
					return
				}
			}
		}()
		if _, err := io.WriteString(conn, "here\n"); err != nil {
			return err
		}
	}
	lines := bufio.NewReaderSize(conn, 128)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(streamLost)); err != nil {
			return err
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscanf(line, "frame %d", &n); err != nil {
			return fmt.Errorf("a stream says %q, which is no frame", line)
		}
		if conn.LocalAddr().Network() == "tcp" {
			if _, err := fmt.Fprintf(conn, "seen %d\n", n); err != nil {
				return err
			}
		}
		if err := show(n); err != nil {
			return err
		}
	}
}
