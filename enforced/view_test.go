// SPDX-License-Identifier: Apache-2.0

package enforced

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/store"
	"github.com/hedgeward/hedgeward/stream"
)

// fakeLocal is what one replica's hosts acknowledged.
type fakeLocal struct {
	mu    sync.Mutex
	hosts map[string]stream.Enforced
	moved chan struct{}
}

func newLocal() *fakeLocal {
	return &fakeLocal{hosts: map[string]stream.Enforced{}, moved: make(chan struct{})}
}

func (l *fakeLocal) Of(host string) stream.Enforced {
	hosts, _ := l.Enforced()
	return hosts[host]
}

func (l *fakeLocal) Enforced() (map[string]stream.Enforced, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.hosts), l.moved
}

func (l *fakeLocal) set(host string, e stream.Enforced) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts[host] = e
	close(l.moved)
	l.moved = make(chan struct{})
}

// TestReplicasKnowEachOthersHosts: what a host acknowledged on one replica is known
// on the other, and goes when that replica does.
func TestReplicasKnowEachOthersHosts(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s, err := store.Embedded(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(v *View) (stop func()) {
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { defer close(done); v.Run(ctx) }()
		return sync.OnceFunc(func() { cancel(); <-done })
	}
	here, there := newLocal(), newLocal()
	one := New("one", s, here, slog.New(slog.DiscardHandler))
	two := New("two", s, there, slog.New(slog.DiscardHandler))
	defer run(one)()
	stop := run(two)
	defer stop()
	await := func(what string, v *View, ok func(map[string]stream.Enforced) bool) {
		t.Helper()
		if err := v.Await(ctx, ok); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	here.set("a", stream.Enforced{Connected: true, Revision: 5, Behind: map[string]int64{"eni-1": 3}})
	await("it is known on the other replica", two, func(h map[string]stream.Enforced) bool {
		return h["a"].Connected && h["a"].Revision == 5 && h["a"].Behind["eni-1"] == 3
	})
	if !two.Connected("a") || two.Connected("b") {
		t.Errorf("connected: a %v, b %v", two.Connected("a"), two.Connected("b"))
	}
	if e := two.Of("a"); e.Revision != 5 || e.Behind["eni-1"] != 3 {
		t.Errorf("of a: %+v", e)
	}
	for revision := range int64(1000) { // no write each
		here.set("a", stream.Enforced{Connected: true, Revision: 6 + revision})
	}
	await("the newest is known", two, func(h map[string]stream.Enforced) bool { return h["a"].Revision == 1005 })
	if n, err := s.Revision(ctx); err != nil || n > 100 {
		t.Errorf("1,000 acknowledgements made %d revisions, %v", n, err)
	}

	// It goes to the other replica, which has not heard from it yet: what it had
	// in force stays in force.
	here.set("a", stream.Enforced{Revision: 1005})
	there.set("a", stream.Enforced{Connected: true})
	await("it has moved", one, func(h map[string]stream.Enforced) bool { return h["a"].Connected && h["a"].Revision == 1005 })
	there.set("b", stream.Enforced{Connected: true, Revision: 7})
	await("a second host is known", one, func(h map[string]stream.Enforced) bool { return h["b"].Revision == 7 })
	stop()
	await("a replica that is gone has no hosts", one, func(h map[string]stream.Enforced) bool {
		_, there := h["b"]
		return !there && !h["a"].Connected
	})
}

// TestWhoseWordHolds: of two replicas that know a host, in either order.
func TestWhoseWordHolds(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	for what, c := range map[string]struct{ a, b, want stream.Enforced }{
		"the one it is connected to": {
			stream.Enforced{Since: late, Revision: 9}, stream.Enforced{Connected: true, Since: early, Revision: 8},
			stream.Enforced{Connected: true, Since: early, Revision: 8},
		},
		"it has come just now": {
			stream.Enforced{Since: early, Revision: 9}, stream.Enforced{Connected: true, Since: late},
			stream.Enforced{Connected: true, Since: late, Revision: 9},
		},
		"away from both": {
			stream.Enforced{Since: early, Revision: 9}, stream.Enforced{Since: late, Revision: 7},
			stream.Enforced{Since: late, Revision: 9},
		},
		"one knows nothing": {
			stream.Enforced{}, stream.Enforced{Since: early, Revision: 7},
			stream.Enforced{Since: early, Revision: 7},
		},
	} {
		for _, got := range []stream.Enforced{newer(c.a, c.b), newer(c.b, c.a)} {
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: %+v, want %+v", what, got, c.want)
			}
		}
	}
}
