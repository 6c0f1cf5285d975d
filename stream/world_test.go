// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// world is what hosts shall be told. Every replica has one; they are equal where a
// test says so.
type world struct {
	mu    sync.Mutex
	hosts map[string]*feed.State
	moved chan struct{}
}

func newWorld() *world { return &world{hosts: map[string]*feed.State{}, moved: make(chan struct{})} }

// set makes the world tell a host another state. The caller does not change it
// any more.
func (w *world) set(host string, s *feed.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	copied := &feed.State{}
	copied.Merge(s.Delta())
	w.hosts[host] = copied
	close(w.moved)
	w.moved = make(chan struct{})
}

// change changes what a host is told.
func (w *world) change(host string, do func(*feed.State)) (revision int64) {
	w.mu.Lock()
	s := &feed.State{}
	if was := w.hosts[host]; was != nil {
		s.Merge(was.Delta())
	} else {
		s.Merge(&feed.Delta{})
	}
	w.mu.Unlock()
	s.Revision++
	do(s)
	w.set(host, s)
	return s.Revision
}

// tell is ServerConfig.Tell.
func (w *world) tell(host string) Telling { return &telling{world: w, host: host} }

// telling tells one host of the world; what changed between two calls coalesces.
type telling struct {
	world *world
	host  string
	told  feed.State
}

func (t *telling) Close() {}

func (t *telling) Next(ctx context.Context) (*feed.Delta, error) {
	for {
		t.world.mu.Lock()
		now, moved := t.world.hosts[t.host], t.world.moved
		t.world.mu.Unlock()
		if now != nil && now.Revision != t.told.Revision {
			d := &feed.Delta{
				Revision: now.Revision, Instances: changed(t.told.Instances, now.Instances), Interfaces: changed(t.told.Interfaces, now.Interfaces),
				Groups: changed(t.told.Groups, now.Groups), Addresses: changed(t.told.Addresses, now.Addresses), Routes: changed(t.told.Routes, now.Routes),
			}
			if t.told.Revision > 0 && !d.Empty() {
				d.Origin = originOf(d.Revision)
			}
			t.told.Merge(d)
			return d, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// originOf is where the change of a revision comes from: one call, as most do.
func originOf(revision int64) feed.Origin {
	id := feed.RequestID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(revision))
	return feed.Origin{Requests: []feed.RequestID{id}, Waited: 300 * time.Microsecond}
}

func changed[K comparable, V any](was, now map[K]*V) map[K]*V {
	out := map[K]*V{}
	for key, v := range now {
		if was[key] != v && !reflect.DeepEqual(was[key], v) {
			out[key] = v
		}
	}
	for key := range was {
		if now[key] == nil {
			out[key] = nil
		}
	}
	return out
}

// fakeAgent holds what it was told.
type fakeAgent struct {
	mu      sync.Mutex
	state   feed.State
	applied int // deltas
	objects int // in them
	origins []feed.Origin
	behind  map[string]int64
	moved   chan struct{}
	gate    chan struct{} // if not nil, Apply waits for one
}

func newAgent() *fakeAgent { return &fakeAgent{moved: make(chan struct{})} }

func (a *fakeAgent) Apply(d *feed.Delta) {
	if a.gate != nil {
		<-a.gate
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Merge(d)
	a.applied++
	a.origins = append(a.origins, d.Origin)
	a.objects += len(d.Instances) + len(d.Interfaces) + len(d.Groups) + len(d.Addresses) + len(d.Routes)
	a.move()
}

func (a *fakeAgent) move() {
	close(a.moved)
	a.moved = make(chan struct{})
}

func (a *fakeAgent) Behind() (map[string]int64, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.behind), a.moved
}

func (a *fakeAgent) setBehind(b map[string]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.behind = b
	a.move()
}

func (a *fakeAgent) told() (*feed.Delta, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state.Delta(), a.objects
}

// await waits until the agent was told all of a state.
func (a *fakeAgent) await(t *testing.T, w *world, host string) {
	t.Helper()
	w.mu.Lock()
	want := w.hosts[host].Delta()
	w.mu.Unlock()
	until(t, func() bool { d, _ := a.told(); return d.Revision >= want.Revision })
	got, _ := a.told()
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Fatalf("the host was told (-shall +was):\n%s", diff)
	}
}

// until waits for what must come true.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Helper()
			t.Fatal("it does not come")
		}
	}
}

// identity makes the certificate of a peer, which signs itself: who it is and
// whether that is so belongs to others.
func identity(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"server"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// replica is one server with its listener.
type replica struct {
	*Server
	web     *httptest.Server
	address string
	wire    *wire
	refused sync.Map // reason -> *atomic.Int64
	reports chan string
	serving sync.WaitGroup // requests: they log, and a test that is over takes no more
}

func (r *replica) refusals(reason string) int64 {
	n, _ := r.refused.LoadOrStore(reason, new(atomic.Int64))
	return n.(*atomic.Int64).Load()
}

func newReplica(t *testing.T, w *world, edit ...func(*ServerConfig)) *replica {
	t.Helper()
	r := &replica{reports: make(chan string, 16)}
	cfg := ServerConfig{
		Hold: func(q *http.Request) (string, context.Context, func(), error) {
			name := q.TLS.PeerCertificates[0].Subject.CommonName
			if name == "stranger" {
				return "", nil, nil, errors.New("no host of ours")
			}
			return name, q.Context(), func() {}, nil
		},
		Tell: w.tell,
		Report: func(_ context.Context, host, instance string, observed secgroup.InstanceState, detail string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if s := w.hosts[host]; s == nil || s.Instances[instance] == nil {
				return ErrForeign
			}
			r.reports <- host + " " + instance + " " + string(observed) + " " + detail
			return nil
		},
		Epoch: "one", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test",
		Refused: func(reason string) {
			n, _ := r.refused.LoadOrStore(reason, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		},
	}
	for _, f := range edit {
		f(&cfg)
	}
	r.Server = NewServer(cfg)
	r.web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.serving.Add(1)
		defer r.serving.Done()
		r.ServeHTTP(w, q)
	}))
	r.wire = &wire{Listener: r.web.Listener}
	r.web.Listener = r.wire
	r.web.EnableHTTP2 = true
	r.web.Config.HTTP2 = Alive(20*time.Second, 20*time.Second)
	r.web.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{identity(t, "server")}}
	r.web.StartTLS()
	r.address = r.web.Listener.Addr().String()
	t.Cleanup(r.stop)
	return r
}

func (r *replica) stop() {
	r.web.CloseClientConnections()
	r.web.Close()
	r.serving.Wait()
}

// wire counts the bytes that a server writes, and can freeze.
type wire struct {
	net.Listener
	written atomic.Int64
	frozen  atomic.Pointer[chan struct{}]
}

func (w *wire) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return &wireConn{c, w}, err
}

// freeze stops every byte until the returned function is called.
func (w *wire) freeze() (thaw func()) {
	c := make(chan struct{})
	w.frozen.Store(&c)
	return sync.OnceFunc(func() { w.frozen.Store(nil); close(c) })
}

func (w *wire) wait() {
	if c := w.frozen.Load(); c != nil {
		<-*c
	}
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wire.wait()
	return n, err
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.wire.wait()
	n, err := c.Conn.Write(b)
	c.wire.written.Add(int64(n))
	return n, err
}

// dialAs returns a ClientConfig.Dial of the host of a name.
func dialAs(t *testing.T, name string) func(context.Context, string, string) (net.Conn, error) {
	d := &tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{identity(t, name)},
	}}
	return d.DialContext
}

// follow runs a client of a host until the test or stop ends it.
func startClient(t *testing.T, name string, a Agent, edit func(*ClientConfig), servers ...*replica) (c *Client, stop func()) {
	t.Helper()
	cfg := ClientConfig{
		Host: name, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Dial: dialAs(t, name), Version: "test",
		Servers: func() []string {
			var out []string
			for _, r := range servers {
				out = append(out, r.address)
			}
			return out
		},
		Pause: time.Millisecond, MaxPause: 20 * time.Millisecond, Silent: 20 * time.Second, Answer: 20 * time.Second,
	}
	if edit != nil {
		edit(&cfg)
	}
	c = NewClient(cfg)
	if _, err := c.Load(a); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx, a) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return c, stop
}
