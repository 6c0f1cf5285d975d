// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"encoding/binary"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/secgroup"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// open begins a stream as a host that says what it likes.
func open(t *testing.T, r *replica, name string) *connect.BidiStreamForClient[pb.FromHost, pb.ToHost] {
	t.Helper()
	c := NewClient(ClientConfig{Dial: dialAs(t, name), Silent: time.Minute, Answer: time.Minute})
	c.http.HTTP2.MaxReceiveBufferPerStream = 64 << 10
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s := connect.NewClient[pb.FromHost, pb.ToHost](c.client(), "https://"+r.address+followPath, c.options()...).CallBidiStream(ctx)
	t.Cleanup(func() { s.CloseRequest(); cancel(); c.http.CloseIdleConnections() })
	return s
}

func hello(h *pb.Hello) *pb.FromHost { return &pb.FromHost{Say: &pb.FromHost_Hello{Hello: h}} }
func ack(a *pb.Ack) *pb.FromHost     { return &pb.FromHost{Say: &pb.FromHost_Ack{Ack: a}} }

// refused reads until the stream ends and returns why it did.
func refused(t *testing.T, s *connect.BidiStreamForClient[pb.FromHost, pb.ToHost]) *connect.Error {
	t.Helper()
	for {
		_, err := s.Receive()
		if err == nil {
			continue
		}
		if ce, ok := err.(*connect.Error); ok {
			return ce
		}
		t.Fatalf("the stream ends with %v", err)
	}
}

// TestHostileWordsAreRefusedAndOthersDoNotNotice: counted by reason.
func TestHostileWordsAreRefusedAndOthersDoNotNotice(t *testing.T) {
	w := newWorld()
	w.change("good", member(1))
	w.change("bad", member(1))
	r := newReplica(t, w, func(c *ServerConfig) { c.Greet = 2 * time.Second })
	good := newAgent()
	startClient(t, "good", good, nil, r)
	good.await(t, w, "good")
	fine := &pb.Hello{Protocol: Protocol}
	for what, row := range map[string]struct {
		says   []*pb.FromHost
		code   connect.Code
		reason string
		text   string
	}{
		"a stranger": {nil, connect.CodeUnauthenticated, RefusedIdentity, "no host of ours"},
		"a newer protocol": {[]*pb.FromHost{hello(&pb.Hello{Protocol: 7, Version: "9.9"})}, connect.CodeFailedPrecondition, RefusedProtocol,
			`the agent (version "9.9") speaks protocol 7, the server (version "test") protocol 1: upgrade the server`},
		"an older protocol": {[]*pb.FromHost{hello(&pb.Hello{})}, connect.CodeFailedPrecondition, RefusedProtocol, "upgrade the agent"},
		"no hello":          {[]*pb.FromHost{ack(&pb.Ack{})}, connect.CodeInvalidArgument, RefusedMalformed, "no hello"},
		"nothing at all":    {[]*pb.FromHost{{}}, connect.CodeInvalidArgument, RefusedMalformed, "no hello"},
		"too much":          {[]*pb.FromHost{hello(&pb.Hello{Protocol: Protocol, Version: strings.Repeat("x", maxFromHost+1)})}, connect.CodeInvalidArgument, RefusedMalformed, "no hello"},
		"a digest of another size": {[]*pb.FromHost{hello(&pb.Hello{Protocol: Protocol, Digests: []*pb.Digest{{Kind: pb.Kind_GROUP, Bits: 3, Sums: []byte{1}}}})},
			connect.CodeInvalidArgument, RefusedMalformed, "1 bytes for 3 bits"},
		"a digest without end": {[]*pb.FromHost{hello(&pb.Hello{Protocol: Protocol, Digests: []*pb.Digest{{Kind: pb.Kind_GROUP, Bits: 31}}})},
			connect.CodeInvalidArgument, RefusedMalformed, "31 bits"},
		"an acknowledgement of what is to come": {[]*pb.FromHost{hello(fine), ack(&pb.Ack{Deltas: 1 << 40})}, connect.CodeInvalidArgument, RefusedMalformed, "is acknowledged after"},
		"a second hello":                        {[]*pb.FromHost{hello(fine), hello(fine)}, connect.CodeInvalidArgument, RefusedMalformed, "neither hello nor"},
		"an interface with no name":             {[]*pb.FromHost{hello(fine), ack(&pb.Ack{Behind: []*pb.Behind{{}}})}, connect.CodeInvalidArgument, RefusedMalformed, "empty name"},
		"more interfaces than there are": {[]*pb.FromHost{hello(fine), ack(&pb.Ack{Behind: make([]*pb.Behind, maxBehind+1)})},
			connect.CodeInvalidArgument, RefusedMalformed, "are behind"},
	} {
		t.Run(what, func(t *testing.T) {
			before := r.refusals(row.reason)
			name := "bad"
			if row.says == nil {
				name, row.says = "stranger", []*pb.FromHost{hello(fine)}
			}
			s := open(t, r, name)
			for _, m := range row.says {
				s.Send(m) // it may be refused already
			}
			err := refused(t, s)
			if err.Code() != row.code || !strings.Contains(err.Message(), row.text) {
				t.Errorf("refused with %v, want %v and %q", err, row.code, row.text)
			}
			until(t, func() bool { return r.refusals(row.reason) > before })
		})
	}
	last := w.change("good", member(2))
	until(t, func() bool { e, _ := r.Enforced(); return e["good"].Revision == last })
	if p := r.Peers()["good"]; !p.Connected {
		t.Error("the other host lost its stream")
	}
}

// TestBytesThatAreNoMessagesAreRefused: below the messages, too.
func TestBytesThatAreNoMessagesAreRefused(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	w := newWorld()
	w.change("good", member(1))
	r := newReplica(t, w)
	good := newAgent()
	startClient(t, "good", good, nil, r)
	good.await(t, w, "good")
	c := NewClient(ClientConfig{Dial: dialAs(t, "bad"), Silent: time.Minute, Answer: time.Minute})
	defer c.http.CloseIdleConnections()
	for range 50 {
		body := make([]byte, 5+rng.IntN(200))
		for i := range body {
			body[i] = byte(rng.Uint32())
		}
		if body[0] &= 2; rng.IntN(2) == 0 { // an envelope of the right size
			body[0] = 0
			binary.BigEndian.PutUint32(body[1:], uint32(len(body)-5))
		}
		path := followPath
		kind := "application/connect+proto"
		if rng.IntN(3) == 0 {
			path, kind = reportPath, "application/proto"
		}
		q, err := http.NewRequest(http.MethodPost, "https://"+r.address+path, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", kind)
		resp, err := c.client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 4096)
		n, _ := resp.Body.Read(text)
		resp.Body.Close()
		if !strings.Contains(string(text[:n]), "code") {
			t.Errorf("%x is answered %d %q", body, resp.StatusCode, text[:n])
		}
	}
	last := w.change("good", member(2))
	until(t, func() bool { e, _ := r.Enforced(); return e["good"].Revision == last })
}

// TestAHostThatDoesNotReadLosesItsStream: and until then what changes coalesces:
// nothing queues for it.
func TestAHostThatDoesNotReadLosesItsStream(t *testing.T) {
	w := newWorld()
	w.change("a", func(s *feed.State) {
		for n := range 60_000 { // more than a stream may have on the way
			member(n)(s)
		}
	})
	r := newReplica(t, w, func(c *ServerConfig) { c.Drain = 300 * time.Millisecond })
	s := open(t, r, "a")
	if err := s.Send(hello(&pb.Hello{Protocol: Protocol})); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return r.refusals(RefusedSlow) == 1 && !r.Connected("a") })
}

// TestAHostThatDoesNotAcknowledgeIsToldLessOften: it reads, and its kernel is slow.
func TestAHostThatDoesNotAcknowledgeIsToldLessOften(t *testing.T) {
	w := newWorld()
	w.change("a", member(0))
	r := newReplica(t, w)
	a := newAgent()
	a.gate = make(chan struct{})
	startClient(t, "a", a, nil, r)
	a.gate <- struct{}{}
	until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == 1 })
	var last int64
	for n := range 500 {
		last = w.change("a", member(n))
		if n < 2*window { // one by one: as many deltas as it takes
			until(t, func() bool { told := r.Peers()["a"].Told; return told == last || told > window })
		}
	}
	close(a.gate)
	until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == last })
	if most := 1 + window + 2; a.applied > most {
		t.Errorf("the host did %d deltas for 500 changes, want at most %d", a.applied, most)
	}
}

// TestTheNewerStreamOfAHostWins: the older one is what a broken link left.
func TestTheNewerStreamOfAHostWins(t *testing.T) {
	w := newWorld()
	w.change("a", member(1))
	r := newReplica(t, w)
	s := open(t, r, "a")
	s.Send(hello(&pb.Hello{Protocol: Protocol}))
	until(t, func() bool { return r.Connected("a") })
	a := newAgent()
	startClient(t, "a", a, nil, r)
	a.await(t, w, "a")
	if err := refused(t, s); err.Code() != connect.CodeAborted {
		t.Errorf("the older stream ends with %v", err)
	}
	if r.refusals(RefusedSuperseded) != 1 || !r.Connected("a") {
		t.Error("the newer stream is not the host's")
	}
}

// TestAFrozenServerIsNoticed: its connections live, nobody answers.
func TestAFrozenServerIsNoticed(t *testing.T) {
	w := newWorld()
	w.change("a", member(1))
	first, second := newReplica(t, w), newReplica(t, w)
	a := newAgent()
	startClient(t, "a", a, func(c *ClientConfig) { c.Silent, c.Answer = 300*time.Millisecond, 300*time.Millisecond }, first, second)
	a.await(t, w, "a")
	until(t, func() bool { return first.Connected("a") || second.Connected("a") })
	on, other := first, second
	if second.Connected("a") {
		on, other = second, first
	}
	thaw := on.wire.freeze()
	defer thaw()
	last := w.change("a", member(2))
	until(t, func() bool { e, _ := other.Enforced(); return e["a"].Revision == last })
}

// TestAReplicaThatIsBehindIsNotFollowed: no host goes back in time, and one whose
// store was replaced by an older one does.
func TestAReplicaThatIsBehindIsNotFollowed(t *testing.T) {
	old, now := newWorld(), newWorld()
	old.change("a", member(1))
	now.change("a", member(1))
	now.change("a", member(2))
	last := now.change("a", member(3))
	late := newReplica(t, old, func(c *ServerConfig) { c.Greet = 50 * time.Millisecond })
	fresh := newReplica(t, now)
	a := newAgent()
	_, stop := startClient(t, "a", a, nil, fresh)
	a.await(t, now, "a")
	stop()
	c, stop := startClient(t, "a", a, nil, late)
	stop() // a client that holds nothing has no revision to insist on
	c.held, c.epoch = a.state, "one"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx, a) }()
	until(t, func() bool { return strings.Contains(c.Status().Error, "behind revision 3") })
	if d, _ := a.told(); d.Revision != last {
		t.Errorf("the host is at revision %d, was at %d", d.Revision, last)
	}
	cancel()
	<-done
	restored := newReplica(t, old, func(cfg *ServerConfig) { cfg.Epoch = "two" })
	c.cfg.Servers = func() []string { return []string{restored.address} }
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	done = make(chan struct{})
	go func() { defer close(done); c.Run(ctx, a) }()
	until(t, func() bool { d, _ := a.told(); return d.Revision == 1 && len(d.Addresses) == 1 })
	cancel()
	<-done
}

// TestAReplicaThatLeavesSendsItsHostsOn: and takes no more.
func TestAReplicaThatLeavesSendsItsHostsOn(t *testing.T) {
	w := newWorld()
	w.change("a", member(1))
	first, second := newReplica(t, w), newReplica(t, w)
	a := newAgent()
	startClient(t, "a", a, nil, first, second)
	until(t, func() bool { return first.Connected("a") || second.Connected("a") })
	on, other := first, second
	if second.Connected("a") {
		on, other = second, first
	}
	on.Leave()
	last := w.change("a", member(2))
	until(t, func() bool { e, _ := other.Enforced(); return e["a"].Revision == last })
	if on.Connected("a") {
		t.Error("the host is still there")
	}
}

// TestReportsArriveAndThoseOfOthersAreRefused: a host reports what is its own.
func TestReportsArriveAndThoseOfOthersAreRefused(t *testing.T) {
	w := newWorld()
	w.change("a", func(s *feed.State) { s.Instances["i-1"] = &feed.Instance{ID: "i-1", State: secgroup.Pending} })
	w.change("b", func(s *feed.State) {
		s.Addresses[feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.1")}] = &feed.Address{Interface: "eni-1"}
	})
	r := newReplica(t, w)
	a, b := newAgent(), newAgent()
	its, _ := startClient(t, "a", a, nil, r)
	others, _ := startClient(t, "b", b, nil, r)
	until(t, func() bool { return its.Status().Server != "" && others.Status().Server != "" })
	if err := its.Report(t.Context(), "i-1", secgroup.Running, "it runs"); err != nil {
		t.Fatal(err)
	}
	if got := <-r.reports; got != "a i-1 running it runs" {
		t.Errorf("reported %q", got)
	}
	err := others.Report(t.Context(), "i-1", secgroup.Terminated, "")
	if connect.CodeOf(err) != connect.CodePermissionDenied || r.refusals(RefusedForeign) != 1 {
		t.Errorf("a report of another's instance: %v, counted %d", err, r.refusals(RefusedForeign))
	}
	if err := its.Report(t.Context(), "", secgroup.Running, ""); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a report of nothing: %v", err)
	}
	if len(r.reports) != 0 {
		t.Errorf("it was taken: %s", <-r.reports)
	}
}
