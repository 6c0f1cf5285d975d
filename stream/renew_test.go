// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// renewal is a ClientConfig.Renewed that tests close.
type renewal struct {
	mu sync.Mutex
	c  chan struct{}
}

func (r *renewal) changed() <-chan struct{} { r.mu.Lock(); defer r.mu.Unlock(); return r.c }

func (r *renewal) happen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.c)
	r.c = make(chan struct{})
}

// TestAStreamGoesOnWithTheRenewedCertificate: over a new connection, at once, without
// a word twice.
func TestAStreamGoesOnWithTheRenewedCertificate(t *testing.T) {
	w := newWorld()
	w.change("a", func(s *feed.State) {
		for n := range 1000 {
			member(n)(s)
		}
	})
	r := newReplica(t, w)
	a, certificate := newAgent(), &renewal{c: make(chan struct{})}
	var dialed atomic.Int32
	c, _ := startClient(t, "a", a, func(c *ClientConfig) {
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialed.Add(1)
			return dial(ctx, network, address)
		}
		c.Renewed = certificate.changed
		c.Pause, c.MaxPause = time.Hour, time.Hour // whoever pauses is late
	}, r)
	a.await(t, w, "a")
	until(t, func() bool { return r.Connected("a") })
	_, before := a.told()
	for n := range int32(3) {
		was := r.Peers()["a"].Address
		certificate.happen()
		until(t, func() bool { p := r.Peers()["a"]; return p.Connected && p.Address != was })
		if got := dialed.Load(); got != n+2 {
			t.Errorf("%d connections after %d renewals", got, n+1)
		}
		last := w.change("a", member(2000+int(n)))
		until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == last })
		if s := c.Status(); s.Server == "" || s.Error != "" {
			t.Errorf("the host says of its stream: %+v", s)
		}
	}
	if _, now := a.told(); now != before+3 {
		t.Errorf("%d objects were told to add 3 to %d", now-before, before)
	}
}

// TestARenewalWhileNobodyAnswers: the next connection has the newer certificate, even
// if one with the older is left.
func TestARenewalWhileNobodyAnswers(t *testing.T) {
	w := newWorld()
	w.change("a", member(1))
	r := newReplica(t, w)
	a, certificate := newAgent(), &renewal{c: make(chan struct{})}
	c, stop := startClient(t, "a", a, func(c *ClientConfig) { c.Renewed = certificate.changed }, r)
	a.await(t, w, "a")
	until(t, func() bool { return r.Connected("a") })
	was := r.Peers()["a"].Address
	stop()
	until(t, func() bool { return !r.Connected("a") })
	certificate.happen()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx, a) }()
	until(t, func() bool { return r.Connected("a") })
	if now := r.Peers()["a"].Address; now == was {
		t.Error("the stream is on the connection that the older certificate made")
	}
	cancel()
	<-done
}

// TestStreamsOfAHostAreFew: a host that begins one after the other is refused, and the
// others do not notice.
func TestStreamsOfAHostAreFew(t *testing.T) {
	w := newWorld()
	w.change("good", member(1))
	r := newReplica(t, w)
	good := newAgent()
	startClient(t, "good", good, nil, r)
	good.await(t, w, "good")
	c := NewClient(ClientConfig{Dial: dialAs(t, "bad"), Silent: time.Minute, Answer: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(func() { cancel(); c.http.CloseIdleConnections() })
	for range 3 * most { // nothing is known of this host: each waits for what it is to be told
		s := connect.NewClient[pb.FromHost, pb.ToHost](c.client(), "https://"+r.address+followPath, c.options()...).CallBidiStream(ctx)
		s.Send(hello(&pb.Hello{Protocol: Protocol})) // it may be refused already
		defer s.CloseRequest()
	}
	until(t, func() bool { return r.refusals(RefusedCrowded) == 2*most })
	last := w.change("good", member(2))
	until(t, func() bool { e, _ := r.Enforced(); return e["good"].Revision == last })
	cancel()
	until(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.begun["bad"] == 0 })
}

// TestACallThatTricklesIsEnded: a report that never ends takes no more time than a
// hello may.
func TestACallThatTricklesIsEnded(t *testing.T) {
	w := newWorld()
	w.change("a", member(1))
	r := newReplica(t, w, func(c *ServerConfig) { c.Greet = 200 * time.Millisecond })
	c := NewClient(ClientConfig{Dial: dialAs(t, "a"), Silent: time.Minute, Answer: time.Minute})
	t.Cleanup(c.redial)
	body, says := io.Pipe()
	t.Cleanup(func() { says.Close() })
	go io.WriteString(says, "\n\x03i-") // of a report: a name of three bytes, one of which is missing
	answered := make(chan error, 1)
	go func() {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.address+reportPath, body)
		if err == nil {
			q.Header.Set("Content-Type", "application/proto")
			var resp *http.Response
			if resp, err = c.client().Do(q); err == nil {
				resp.Body.Close()
			}
		}
		answered <- err
	}()
	select {
	case <-answered: // with an error, or without: the server is rid of it
	case <-time.After(patience):
		t.Error("a report that never ends is waited for")
	}
}
