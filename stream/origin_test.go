// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// TestACallIsFollowedToTheHostAndBack: its id goes to the host with the change, and
// the server learns when that is in force there and how long it took.
func TestACallIsFollowedToTheHostAndBack(t *testing.T) {
	var mu sync.Mutex
	var said []InForce
	var log strings.Builder
	w := newWorld()
	w.change("a", member(1))
	r := newReplica(t, w, func(c *ServerConfig) {
		c.InForce = func(f InForce) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, f)
		}
		c.Log = slog.New(slog.NewTextHandler(&locked{mu: &mu, to: &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	a := newAgent()
	startClient(t, "a", a, nil, r)
	a.await(t, w, "a")
	a.gate = make(chan struct{})
	last := w.change("a", member(2))
	until(t, func() bool { return !r.Peers()["a"].Owes.IsZero() })
	a.gate <- struct{}{}
	until(t, func() bool { return r.Peers()["a"].Owes.IsZero() })
	want := originOf(last).Requests[0]
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(said) == 2 })
	mu.Lock()
	defer mu.Unlock()
	if f := said[0]; f.Host != "a" || len(f.Origin.Requests) != 0 {
		t.Errorf("what tells everything goes back to %+v", f)
	}
	f := said[1]
	if f.Host != "a" || f.Revision != last || len(f.Origin.Requests) != 1 || f.Origin.Requests[0] != want {
		t.Errorf("the server learns of %+v, want call %s", f, want)
	}
	if whole := f.Acked.Sub(f.Told); f.Took <= 0 || f.Took > whole {
		t.Errorf("it took %v of the %v until it was acknowledged", f.Took, whole)
	}
	a.mu.Lock()
	got := a.origins[len(a.origins)-1]
	a.mu.Unlock()
	if sent := originOf(last); len(got.Requests) != 1 || got.Requests[0] != want || got.Waited <= sent.Waited {
		t.Errorf("the host is told that it goes back to %+v, which does not count the time since", got)
	}
	for _, line := range []string{"msg=told host=a revision=" + "2 requests=" + want.String(), "in force on a host\" host=a revision=2 requests=" + want.String()} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the server's log has no %s:\n%s", line, log.String())
		}
	}
}

// locked writes under somebody's lock.
type locked struct {
	mu *sync.Mutex
	to *strings.Builder
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// TestAHostCannotMakeUpTime: what it says that it took is no longer than it had.
func TestAHostCannotMakeUpTime(t *testing.T) {
	var got InForce
	s := &Server{cfg: ServerConfig{Log: slog.New(slog.DiscardHandler), InForce: func(f InForce) { got = f }}}
	c := &conn{request: &request{host: "a"}, server: s}
	told := time.Now().Add(-time.Second)
	c.report([]sentDelta{{told: told}}, 1<<63)
	if got.Took < time.Second || got.Took != got.Acked.Sub(told) {
		t.Errorf("it took %v of %v", got.Took, got.Acked.Sub(told))
	}
}

// TestTheJournalKeepsNoCalls: they are of no interest once a change is in force, and
// how the keeping goes is counted.
func TestTheJournalKeepsNoCalls(t *testing.T) {
	w := newWorld()
	w.change("a", member(1))
	r := newReplica(t, w)
	file := filepath.Join(t.TempDir(), "feed")
	a := newAgent()
	c, stop := startClient(t, "a", a, func(cfg *ClientConfig) { cfg.File = file }, r)
	a.await(t, w, "a")
	last := w.change("a", member(2))
	a.await(t, w, "a")
	until(t, func() bool { return c.Status().Revision == last })
	s := c.Status()
	stop()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if id := originOf(last).Requests[0]; strings.Contains(string(text), string(id[:])) {
		t.Error("the journal has the id of a call")
	}
	if s.Journal != (JournalStatus{Writes: 2, Bytes: int64(len(text))}) || s.Connections != 1 {
		t.Errorf("the journal of %d bytes is said to be %+v, after %d connections", len(text), s.Journal, s.Connections)
	}
}

// TestAnOriginThatSaysNothingCostsNothing: most deltas that are no answer to a call.
func TestAnOriginThatSaysNothingCostsNothing(t *testing.T) {
	for part := range encode(&feed.Delta{Revision: 1}, newNamer(), nil) {
		if part.Origin != (*pb.Origin)(nil) {
			t.Errorf("it is told as %v", part.Origin)
		}
	}
}
