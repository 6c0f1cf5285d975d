// SPDX-License-Identifier: Apache-2.0

package enforced

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hedgeward/hedgeward/store"
	"github.com/hedgeward/hedgeward/stream"
)

// prefix is where replicas announce what their hosts acknowledged, outside of what
// a model follows.
const prefix = "/hedgeward/enforced/"

const (
	announceEvery = 200 * time.Millisecond // at most; what comes meanwhile is one value
	again         = time.Second            // after the store was away
)

// Local is what this replica's hosts acknowledged (stream.Server).
type Local interface {
	Enforced() (map[string]stream.Enforced, <-chan struct{})
	Of(host string) stream.Enforced // the zero value: nothing is known
}

// View is what one replica knows of all hosts. Run keeps it up to date.
type View struct {
	replica string
	store   *store.Store
	local   Local
	log     *slog.Logger

	mu     sync.Mutex
	others map[string]map[string]stream.Enforced // by replica and host
	moved  chan struct{}                         // closed and replaced whenever others is
}

// New returns the view of a replica, which has a name of its own.
func New(replica string, s *store.Store, local Local, log *slog.Logger) *View {
	return &View{replica: replica, store: s, local: local, log: log, others: map[string]map[string]stream.Enforced{}, moved: make(chan struct{})}
}

// Hosts returns how far every host is, and channels of which one is closed when
// that changes.
func (v *View) Hosts() (hosts map[string]stream.Enforced, here, elsewhere <-chan struct{}) {
	hosts, here = v.local.Enforced()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, said := range v.others {
		for name, e := range said {
			hosts[name] = newer(hosts[name], e)
		}
	}
	return hosts, here, v.moved
}

// newer returns which of two replicas' words about a host holds: that of the one
// it is connected to, else the later one.
func newer(a, b stream.Enforced) stream.Enforced {
	if a.Connected == b.Connected && b.Revision > a.Revision || !a.Connected && b.Connected {
		a, b = b, a
	}
	if a.Revision == 0 { // it has come just now: what it had in force stays in force
		a.Revision, a.Behind = b.Revision, b.Behind
	}
	if !a.Connected && b.Since.After(a.Since) {
		a.Since = b.Since // it was with that one last
	}
	return a
}

// Of returns how far one host is, the zero Enforced if nothing is known. It is cheap:
// whoever places an instance asks about every host. Nobody changes what it returns.
func (v *View) Of(host string) stream.Enforced {
	e := v.local.Of(host)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, said := range v.others {
		if other, known := said[host]; known {
			e = newer(e, other)
		}
	}
	return e
}

// Connected reports whether a host is connected to any replica.
func (v *View) Connected(host string) bool { return v.Of(host).Connected }

// Run announces and reads until ctx ends, and returns its cause.
func (v *View) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return v.keep(ctx, "announce what is in force", func() error { return v.store.Announce(ctx, prefix+v.replica, v.announcement()) })
	})
	group.Go(func() error {
		return v.keep(ctx, "read what is in force elsewhere", func() error { return v.follow(ctx) })
	})
	return group.Wait()
}

// keep does something until ctx ends.
func (v *View) keep(ctx context.Context, what string, do func() error) error {
	for {
		err := do()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v.log.Warn("cannot "+what+"; trying again", "error", err)
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// announcement returns what Announce asks for the next value.
func (v *View) announcement() func(context.Context) ([]byte, error) {
	var said map[string]stream.Enforced
	return func(ctx context.Context) ([]byte, error) {
		for {
			now, moved := v.local.Enforced()
			if said == nil || !reflect.DeepEqual(now, said) {
				said = now
				return json.Marshal(now)
			}
			select {
			case <-moved:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			select { // let more come
			case <-time.After(announceEvery):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
}

// follow reads what the other replicas announce.
func (v *View) follow(ctx context.Context) error {
	entries, revision, err := v.store.Load(ctx, prefix)
	if err != nil {
		return err
	}
	if err := v.take(entries, true); err != nil {
		return err
	}
	return v.store.Watch(ctx, prefix, revision+1, func(b store.Batch) error { return v.take(b.Entries, false) })
}

// take notes what replicas announced; all says that nobody else announces.
func (v *View) take(entries []store.Entry, all bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	next := maps.Clone(v.others)
	if all {
		clear(next)
	}
	for _, e := range entries {
		replica := strings.TrimPrefix(e.Key, prefix)
		if replica == v.replica {
			continue
		}
		if e.Value == nil {
			delete(next, replica)
			continue
		}
		var said map[string]stream.Enforced
		if err := json.Unmarshal(e.Value, &said); err != nil {
			return fmt.Errorf("what replica %s announces: %w", replica, err)
		}
		next[replica] = said
	}
	v.others = next
	close(v.moved)
	v.moved = make(chan struct{})
	return nil
}

// Await returns when ok holds of all hosts, or ctx ends.
func (v *View) Await(ctx context.Context, ok func(map[string]stream.Enforced) bool) error {
	for {
		hosts, here, elsewhere := v.Hosts()
		if ok(hosts) {
			return nil
		}
		select {
		case <-here:
		case <-elsewhere:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
