// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/stream"
)

// awaitFor is how long all hosts may take to know something.
const awaitFor = 5 * time.Minute

// host is a simulated host: its identity and its stream are real.
type host struct {
	fleet  *fleet
	client *stream.Client

	mu       sync.Mutex
	conn     net.Conn
	revision int64         // of the newest delta
	words    int64         // deltas that said anything
	at       time.Time     // of the newest of them
	names    bool          // a rule that it was told names a group
	quiet    chan struct{} // never closed: nothing lags behind
}

// fleet is every simulated host.
type fleet struct {
	hosts   []*host
	running sync.WaitGroup

	mu    sync.Mutex
	moved chan struct{} // closed and replaced whenever a host was told something
}

// joinAll makes hosts.
func joinAll(ctx context.Context, s *server, dir string, count int) (*fleet, error) {
	f := &fleet{moved: make(chan struct{}), hosts: make([]*host, count)}
	log := slog.New(slog.DiscardHandler)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range count {
		group.Go(func() error {
			var text string
			if err := s.order(ctx, "/hosts", map[string]any{"Verb": "token create", "Life": time.Hour}, &text); err != nil {
				return err
			}
			token, err := join.ParseToken(text)
			if err != nil {
				return err
			}
			name := fmt.Sprintf("host-%d", i)
			id, err := join.Join(ctx, join.Request{
				Servers: []string{"https://" + s.agents}, Token: token, Name: name, Dir: filepath.Join(dir, name), Clock: clock.Real{}, Log: log,
			})
			if err != nil {
				return fmt.Errorf("join %s: %w", name, err)
			}
			h := &host{fleet: f, quiet: make(chan struct{})}
			h.client = stream.NewClient(stream.ClientConfig{
				Host: name, Servers: func() []string { return []string{s.agents} }, Log: log, Version: "scale",
				Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := id.DialTLS(ctx, network, address)
					if err != nil {
						return nil, err
					}
					h.mu.Lock()
					defer h.mu.Unlock()
					h.conn = c
					return c, nil
				},
			})
			f.hosts[i] = h
			return nil
		})
	}
	return f, group.Wait()
}

// received returns the bytes that the host's connection has carried to it, TLS
// included, as the kernel counts them; 0 without a connection.
func (h *host) received() (n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	secure, ok := h.conn.(*tls.Conn)
	if !ok {
		return 0
	}
	raw, err := secure.NetConn().(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(info.Bytes_received)
		}
	})
	return n
}

// follow runs every host until ctx ends.
func (f *fleet) follow(ctx context.Context) {
	for _, h := range f.hosts {
		f.running.Go(func() { h.client.Run(ctx, h) })
	}
}

// wait returns when every host has stopped.
func (f *fleet) wait() { f.running.Wait() }

// Apply implements stream.Agent: a kernel that is done at once.
func (h *host) Apply(d *feed.Delta) {
	h.mu.Lock()
	h.revision = d.Revision
	if !d.Empty() {
		h.words++
		h.at = time.Now()
	}
	for _, g := range d.Groups {
		h.names = h.names || g != nil && slices.ContainsFunc(g.Rules[flow.Ingress], func(r policy.Rule) bool { return r.Peer.Group != "" })
	}
	h.mu.Unlock()
	for id, i := range d.Instances {
		if i != nil && i.State == secgroup.Pending {
			h.fleet.running.Go(func() { h.report(id) })
		}
	}
	h.fleet.mu.Lock()
	defer h.fleet.mu.Unlock()
	close(h.fleet.moved)
	h.fleet.moved = make(chan struct{})
}

// report says that an instance runs, as agents do, until the server has it.
func (h *host) report(id string) {
	for range 10 {
		if h.client.Report(context.Background(), id, secgroup.Running, "") == nil {
			return
		}
	}
}

// Behind implements stream.Agent.
func (h *host) Behind() (map[string]int64, <-chan struct{}) { return nil, h.quiet }

// await returns when hosts know what was true at a revision.
func (f *fleet) await(ctx context.Context, revision int64, hosts []*host) error {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitFor, errors.New("hosts were not told in time"))
	defer cancel()
	for {
		f.mu.Lock()
		moved := f.moved
		f.mu.Unlock()
		late := 0
		for _, h := range hosts {
			h.mu.Lock()
			if h.revision < revision {
				late++
			}
			h.mu.Unlock()
		}
		if late == 0 {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d hosts do not know revision %d: %w", late, len(hosts), revision, context.Cause(ctx))
		}
	}
}

// bytes returns what the connections of all hosts have carried to them.
func (f *fleet) bytes() (n int64) {
	for _, h := range f.hosts {
		n += h.received()
	}
	return n
}
