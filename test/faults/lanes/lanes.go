// SPDX-License-Identifier: Apache-2.0

// Package lanes sends numbered datagrams between guests while something happens to
// those that carry and judge them, and notes what left and what came. It never says
// what that means: package history does.
package lanes

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hedgeward/hedgeward/test/faults/history"
)

// Guest is one end of lanes. All fields must be set.
type Guest struct {
	Address string       // IPv4
	Run     func(func()) // runs a function in its network namespace, and returns after it
}

// Config says what is sent. All fields must be set.
type Config struct {
	Open, Shut int                          // ports: allowed all through, and forbidden all through
	Every      time.Duration                // between two datagrams of a lane
	Failed     func(lane string, err error) // is told of a lane that ends early; called from any goroutine
}

// Lanes are under way until Stop.
type Lanes struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	all     []*history.Lane
	sockets []net.Conn
}

// Start sends from each guest to each other, to both ports. On an error the caller
// stops what has been started, which is returned too.
func Start(cfg Config, guests []Guest) (*Lanes, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Lanes{cancel: cancel}
	for to := range guests {
		for _, port := range []int{cfg.Open, cfg.Shut} {
			if err := l.towards(ctx, cfg, guests, to, port); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}

// towards starts the lanes to one port of one guest.
func (l *Lanes) towards(ctx context.Context, cfg Config, guests []Guest, to, port int) (err error) {
	var sink *net.UDPConn
	guests[to].Run(func() { sink, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port}) })
	if err != nil {
		return err
	}
	l.sockets = append(l.sockets, sink)
	bySender := map[string]*history.Lane{}
	for from, g := range guests {
		if from == to {
			continue
		}
		lane := &history.Lane{Name: fmt.Sprintf("%s to %s port %d", g.Address, guests[to].Address, port), Open: port == cfg.Open}
		l.all = append(l.all, lane)
		bySender[g.Address] = lane
		var conn net.Conn
		g.Run(func() { conn, err = net.Dial("udp4", net.JoinHostPort(guests[to].Address, fmt.Sprint(port))) })
		if err != nil {
			return err
		}
		l.sockets = append(l.sockets, conn)
		l.running.Go(func() { cfg.send(ctx, conn, lane) })
	}
	l.running.Go(func() { receive(sink, bySender) })
	return nil
}

// send sends until ctx ends.
func (c *Config) send(ctx context.Context, conn net.Conn, lane *history.Lane) {
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for n := uint32(1); ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, err := conn.Write(binary.BigEndian.AppendUint32(nil, n)); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			c.Failed(lane.Name, err)
			return
		}
		lane.Sent = append(lane.Sent, n)
	}
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

// Count returns how many lanes there are.
func (l *Lanes) Count() int { return len(l.all) }

// Stop ends the lanes, once what is under way has come, and returns them. Another
// Stop returns the same.
func (l *Lanes) Stop() []history.Lane {
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
