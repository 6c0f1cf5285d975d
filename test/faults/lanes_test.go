// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testnet"
	"github.com/hedgeward/hedgeward/test/faults/history"
)

// lanes are streams of numbered datagrams between guests.
type lanes struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	all     []*history.Lane
	sockets []net.Conn
}

// startLanes sends from every guest to every other, to a port that is open and to
// one that is shut.
func startLanes(t *testing.T, g *guests) *lanes {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &lanes{cancel: cancel}
	t.Cleanup(func() { l.stop() })
	for to, space := range g.spaces {
		for _, port := range []int{openPort, shutPort} {
			var sink *net.UDPConn
			var err error
			space.Do(func() { sink, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port}) })
			if err != nil {
				t.Fatal(err)
			}
			l.sockets = append(l.sockets, sink)
			bySender := map[string]*history.Lane{}
			for from := range g.spaces {
				if from == to {
					continue
				}
				lane := &history.Lane{Name: fmt.Sprintf("%s to %s port %d", g.addresses[from], g.addresses[to], port), Open: port == openPort}
				l.all = append(l.all, lane)
				bySender[g.addresses[from]] = lane
				l.send(t, ctx, g.spaces[from], fmt.Sprintf("%s:%d", g.addresses[to], port), lane)
			}
			l.running.Go(func() { receive(sink, bySender) })
		}
	}
	return l
}

// send sends a datagram every 20 ms until ctx ends.
func (l *lanes) send(t *testing.T, ctx context.Context, space *testnet.NS, to string, lane *history.Lane) {
	var conn net.Conn
	var err error
	space.Do(func() { conn, err = net.Dial("udp4", to) })
	if err != nil {
		t.Fatal(err)
	}
	l.sockets = append(l.sockets, conn)
	l.running.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := uint32(1); ; n++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, n)); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v", lane.Name, err)
				return
			}
			lane.Sent = append(lane.Sent, n)
		}
	})
}

// receive notes what comes until the socket is closed.
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

// stop ends the lanes, once what is under way has come, and returns them.
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

// dialIn connects from a namespace and returns what became of that.
func dialIn(space *testnet.NS, to string) (err error) {
	space.Do(func() {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp4", to, time.Second); err == nil {
			conn.Close()
		}
	})
	if err != nil && os.IsTimeout(err) {
		return os.ErrDeadlineExceeded
	}
	return err
}
