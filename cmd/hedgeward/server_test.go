// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/testetcd"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/store"
)

func TestServersAreClosedByDefault(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		o    serverOptions
		want string
	}{
		{serverOptions{serving: serving{listen: ":0"}}, "--plain-http"},
		{serverOptions{serving: serving{listen: "0.0.0.0:0"}}, "--plain-http"},
		{serverOptions{serving: serving{listen: "127.0.0.1:0"}, tlsCert: "only.pem"}, "both files"},
	} {
		if l, err := c.o.listenAPI(log); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, %v; want %s", c.o, l, err, c.want)
		}
	}
	for _, c := range []struct {
		c    cluster
		want string
	}{
		{cluster{endpoints: []string{"http://etcd1:2379"}}, "--etcd-plain"},
		{cluster{endpoints: []string{"etcd1:2379"}}, "is not a URL"},
		{cluster{endpoints: []string{"https://etcd1:2379"}, cert: "only.pem"}, "both files"},
		{cluster{ca: "ca.pem"}, "--etcd-endpoints"},
	} {
		if _, err := c.c.open(t.Context(), &state{dir: t.TempDir()}, log); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %s", c.c, err, c.want)
		}
	}
}

func TestFlagsComeFromTheEnvironment(t *testing.T) {
	t.Setenv("HEDGEWARD_ETCD_ENDPOINTS", "https://a:2379,https://b:2379")
	t.Setenv("HEDGEWARD_DRAIN", "7s")
	t.Setenv("HEDGEWARD_LISTEN", "127.0.0.1:1")
	cmd := serverCommand(new(state))
	if err := cmd.ParseFlags([]string{"--listen", "127.0.0.1:2"}); err != nil {
		t.Fatal(err)
	}
	if err := fromEnvironment(cmd, nil); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{"etcd-endpoints": "[https://a:2379,https://b:2379]", "drain": "7s", "listen": "127.0.0.1:2"} {
		if got := cmd.Flags().Lookup(flag).Value.String(); got != want {
			t.Errorf("--%s is %s, want %s", flag, got, want)
		}
	}
	t.Setenv("HEDGEWARD_DRAIN", "soon")
	if err := fromEnvironment(serverCommand(new(state)), nil); err == nil || !strings.Contains(err.Error(), "HEDGEWARD_DRAIN") {
		t.Errorf("got %v", err)
	}
}

func TestCertificatesAreReadAnew(t *testing.T) {
	dir := t.TempDir()
	write := func() {
		t.Helper()
		if err := testetcd.WriteCerts(dir, net.IPv4(127, 0, 0, 1)); err != nil {
			t.Fatal(err)
		}
	}
	write()
	cert, key := filepath.Join(dir, "member.pem"), filepath.Join(dir, "member-key.pem")
	pair, err := openKeyPair(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	first := pair.newest()
	if pair.newest() != first {
		t.Error("read anew without a change")
	}
	write()
	later := time.Now().Add(time.Minute) // whatever the clock of the file system is
	if err := os.Chtimes(cert, later, later); err != nil {
		t.Fatal(err)
	}
	second := pair.newest()
	if second == first || string(second.Certificate[0]) == string(first.Certificate[0]) {
		t.Error("the new certificate is not used")
	}
	if err := os.WriteFile(key, []byte("half of a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pair.newest() != second {
		t.Error("files that fit no more replaced a certificate")
	}
}

func TestReadinessFollowsTheServersLife(t *testing.T) {
	away := errors.New("the store is away")
	var store error
	h := &health{fresh: func(context.Context) error { return store }}
	look := func(path string, status int, text string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %d %s, want %d %s", path, w.Code, w.Body, status, text)
		}
	}
	look("/readyz", 503, "starting")
	look("/livez", 200, "ok")
	h.offer()
	look("/readyz", 200, "ok")
	store = away
	look("/readyz", 503, "away")
	look("/livez", 200, "ok")
	store = nil
	look("/readyz", 200, "ok")
	h.withdraw()
	h.offer() // too late
	look("/readyz", 503, "draining")
	look("/livez", 200, "ok")
}

// TestStoreTravels backs up a running server through its socket, restores that
// into another folder, and moves that one to a cluster: each time the first key
// and all rows are there.
func TestStoreTravels(t *testing.T) {
	home, next := &state{dir: t.TempDir()}, &state{dir: t.TempDir()}
	o := serverOptions{serving: serving{listen: "127.0.0.1:0", region: "us-east-1", public: control.DefaultPublicPool}}
	log := slog.New(slog.DiscardHandler)
	api, err := o.listenAPI(log)
	if err != nil {
		t.Fatal(err)
	}
	in, err := o.assemble(t.Context(), home, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- in.serve(ctx, api, func() { close(ready) }) }()
	<-ready
	file := filepath.Join(t.TempDir(), "backup.gz")
	err = backupTo(t.Context(), home, new(cluster), file)
	key := in.key
	stop()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	if err := backupTo(t.Context(), home, new(cluster), file); err != nil {
		t.Errorf("of a server that does not run: %v", err)
	}
	if err := restoreFrom(t.Context(), home, new(cluster), file); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over what is there: %v", err)
	}
	if err := restoreFrom(t.Context(), next, new(cluster), file); err != nil {
		t.Fatal(err)
	}
	etcd := testetcd.Start(t, 1, nil)
	to := replicaOptions(etcd, home.keyFile()).cluster
	if err := copyOut(t.Context(), next, &to); err != nil {
		t.Fatal(err)
	}
	if err := copyOut(t.Context(), next, &to); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second copy: %v", err)
	}
	if err := to.use(t.Context(), next, func(s *store.Store) error {
		m, err := model.Open(t.Context(), s, log)
		if err == nil && (m.Snapshot().AccessKeys.Get(key.ID) == nil || m.Snapshot().VPCs.Len() != 1) {
			err = errors.New("the copy lacks rows")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	r := startReplica(t, etcd, replicaOptions(etcd, home.keyFile()))
	if r.in.key.ID != key.ID || r.in.key.Secret != key.Secret {
		t.Error("a server on the copy begins with another key")
	}
}
