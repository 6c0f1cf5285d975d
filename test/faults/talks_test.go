// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// talkPort is where guests answer connections.
const talkPort = 7002

// talk is a TCP connection between two guests over which a number goes every 20 ms and
// comes back.
type talk struct {
	name   string
	rounds atomic.Int64
}

// talks are connections from each guest to the next.
type talks struct {
	all     []*talk
	conns   []net.Conn
	running sync.WaitGroup
	stopped chan struct{}
	stop    func()
}

// startTalks needs a rule for talkPort.
func startTalks(t *testing.T, g *guests) *talks {
	t.Helper()
	k := &talks{stopped: make(chan struct{})}
	k.stop = sync.OnceFunc(func() {
		close(k.stopped)
		k.running.Wait()
		for _, c := range k.conns {
			c.Close()
		}
	})
	t.Cleanup(k.stop)
	for i, space := range g.spaces {
		space.ServeTCP(t, fmt.Sprintf("%s:%d", g.addresses[i], talkPort))
	}
	for i, space := range g.spaces {
		to := g.addresses[(i+1)%len(g.addresses)]
		conn, err := space.Dial("tcp", netip.AddrPort{}, netip.AddrPortFrom(netip.MustParseAddr(to), talkPort), patience)
		if err != nil {
			t.Fatal(err)
		}
		k.conns = append(k.conns, conn)
		one := &talk{name: fmt.Sprintf("%s to %s", g.addresses[i], to)}
		k.all = append(k.all, one)
		k.running.Go(func() { one.run(t, conn, k.stopped) })
	}
	return k
}

// run talks until told to stop. An answer that does not come, or is wrong, fails the
// test: TCP itself repairs what the network loses within patience.
func (k *talk) run(t *testing.T, conn net.Conn, stopped <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	answer := make([]byte, 8)
	for {
		select {
		case <-tick.C:
		case <-stopped:
			return
		}
		conn.SetDeadline(time.Now().Add(patience))
		n := uint64(k.rounds.Load() + 1)
		_, err := conn.Write(binary.BigEndian.AppendUint64(nil, n))
		if err == nil {
			_, err = io.ReadFull(conn, answer)
		}
		if err != nil {
			t.Errorf("connection %s, after %d answers: %v", k.name, n-1, err)
			return
		}
		if got := binary.BigEndian.Uint64(answer); got != n {
			t.Errorf("connection %s: %d is answered with %d", k.name, n, got)
			return
		}
		k.rounds.Add(1)
	}
}

// goOn waits until every connection has carried an answer since it was asked.
func (k *talks) goOn(t *testing.T) {
	t.Helper()
	before := make([]int64, len(k.all))
	for i, one := range k.all {
		before[i] = one.rounds.Load()
	}
	eventually(t, "connections go on", func() error {
		for i, one := range k.all {
			if one.rounds.Load() <= before[i]+1 { // the first may have been under way
				return fmt.Errorf("%s has stopped after %d answers", one.name, before[i])
			}
		}
		return nil
	})
}
