// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/store"
)

// newServer returns a server that takes hosts, and where.
func newServer(t *testing.T) (*join.Server, *control.Service, string) {
	t.Helper()
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(t.Context(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := control.New(db, m, control.Config{})
	s := join.NewServer(join.ServerConfig{Registry: c})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := s.HTTP(http.NotFoundHandler())
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, f := range []func(context.Context) error{m.Run, c.Run, s.Run} {
		running.Go(func() { f(ctx) })
	}
	running.Go(func() { web.ServeTLS(l, "", "") })
	t.Cleanup(func() { cancel(); web.Close(); running.Wait(); db.Close() })
	return s, c, "https://" + l.Addr().String()
}

// TestJoinCommand: a machine joins by the command line, once, and stays who it is.
func TestJoinCommand(t *testing.T) {
	s, c, url := newServer(t)
	dir := filepath.Join(t.TempDir(), "agent")
	token := func(spec join.TokenSpec) string {
		t.Helper()
		k, err := s.CreateToken(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		return k.String()
	}
	run := func(stdin string, args ...string) (string, error) {
		cmd := root()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetIn(strings.NewReader(stdin))
		cmd.SetArgs(append([]string{"--state", dir, "join", "--server", url}, args...))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	first := token(join.TokenSpec{})
	for _, wrong := range []struct {
		want string
		args []string
	}{
		{"not a join token", []string{"--token", first[:len(first)-1]}},
		{"required", nil},
		{"--underlay", []string{"--token", first, "--underlay", "here"}},
		{"no address at which", []string{"--token", first, "--name", "rack-1", "--underlay", "127.0.0.1"}},
		{"not the name of a host", []string{"--token", first, "--name", "rack_1"}},
	} {
		if _, err := run("", wrong.args...); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("join %v: %v", wrong.args, err)
		}
	}
	if out, err := run(first+"\n", "--token-file", "-", "--name", "rack-1", "--underlay", "192.0.2.1"); err != nil || !strings.Contains(out, "host rack-1") {
		t.Fatalf("%s, %v", out, err)
	}
	if h := c.Host("rack-1"); h == nil || h.Underlay.String() != "192.0.2.1" {
		t.Errorf("the row is %+v", h)
	}
	if _, err := run("", "--token", token(join.TokenSpec{}), "--name", "rack-2"); err == nil || !strings.Contains(err.Error(), "of the host rack-1") {
		t.Errorf("it becomes another host: %v", err)
	}
	again := token(join.TokenSpec{Name: "rack-1", Rejoin: true})
	held, err := (&state{dir}).lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run("", "--token", again, "--name", "rack-1"); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("while the agent runs: %v", err)
	}
	held()
	if _, err := run("", "--token", again, "--name", "rack-1"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "identity.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := join.LoadIdentity(dir, clock.Real{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged identity: %v", err)
	}
	if _, err := run("", "--token", token(join.TokenSpec{Name: "rack-1", Rejoin: true}), "--name", "rack-1"); err != nil {
		t.Errorf("a host whose identity is damaged joins again: %v", err)
	}
}
