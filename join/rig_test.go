// SPDX-License-Identifier: Apache-2.0

package join_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/store"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is an installation with one server for hosts, on a clock that tests move.
type rig struct {
	t        *testing.T
	clock    *clock.Fake
	store    *store.Store
	control  *control.Service
	server   *join.Server
	url      string
	streamed chan string // hosts whose requests reached the stream's handler

	mu      sync.Mutex
	refused map[string]int
}

func newRig(t *testing.T, edit ...func(*join.ServerConfig)) *rig {
	t.Helper()
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return serve(t, db, clock.NewFake(start), edit...)
}

// serve runs a server on a store that exists.
func serve(t *testing.T, db *store.Store, c *clock.Fake, edit ...func(*join.ServerConfig)) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	m, err := model.Open(t.Context(), db, log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, clock: c, store: db, streamed: make(chan string, 100), refused: map[string]int{}}
	r.control = control.New(db, m, control.Config{Now: c.Now})
	cfg := join.ServerConfig{Registry: r.control, Clock: c, Log: log, Refused: func(code string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refused[code]++
	}}
	for _, f := range edit {
		f(&cfg)
	}
	r.server = join.NewServer(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "https://" + l.Addr().String()
	web := r.server.HTTP(http.HandlerFunc(r.stream))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	running.Go(func() { r.control.Run(ctx) })
	running.Go(func() { r.server.Run(ctx) })
	running.Go(func() { web.ServeTLS(l, "", "") })
	t.Cleanup(func() { cancel(); web.Close(); running.Wait() })
	return r
}

// stream answers with the host's name; on /hold it stays until the host is told
// to go, and says why.
func (r *rig) stream(w http.ResponseWriter, req *http.Request) {
	name, held, release, err := r.server.Hold(req.Context(), req.TLS)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	defer release()
	fmt.Fprintln(w, name)
	if req.URL.Path == "/hold" {
		http.NewResponseController(w).Flush()
		<-held.Done()
		fmt.Fprintln(w, context.Cause(held))
	}
	r.streamed <- name
}

func (r *rig) count(code string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused[code]
}

func (r *rig) token(spec join.TokenSpec) join.Token {
	r.t.Helper()
	t, err := r.server.CreateToken(r.t.Context(), spec)
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

func (r *rig) request(name string, token join.Token) join.Request {
	return join.Request{
		Servers: []string{r.url}, Token: token, Name: name, Dir: r.t.TempDir(), Clock: r.clock, Log: slog.New(slog.DiscardHandler),
	}
}

// host makes a machine a host.
func (r *rig) host(name string) *join.Identity {
	r.t.Helper()
	id, err := join.Join(r.t.Context(), r.request(name, r.token(join.TokenSpec{})))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// call makes a request on a connection of its own as the host, and returns what
// the stream's handler answered.
func (r *rig) call(id *join.Identity) (string, error) {
	client := http.Client{Transport: &http.Transport{DialTLSContext: id.DialTLS, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	resp, err := client.Get(r.url + "/")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(b))
	}
	return string(b), err
}

// refusedWith fails the test unless err is a server's refusal with that code.
func refusedWith(t *testing.T, err error, code string) {
	t.Helper()
	var refused *join.Refused
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("got %v, want a refusal with code %s", err, code)
	}
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }
