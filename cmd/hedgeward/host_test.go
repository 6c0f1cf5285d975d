// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/join"
)

// office is a server that takes hosts, and the command line beside it.
type office struct {
	t   *testing.T
	st  *state
	in  *installation
	url string // where hosts join
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := serverOptions{serving: serving{region: "us-east-1", public: control.DefaultPublicPool}, agents: "127.0.0.1:0"}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	st := &state{dir: t.TempDir()}
	in, err := o.assemble(t.Context(), st, log)
	if err != nil {
		t.Fatal(err)
	}
	in.profile = "http://127.0.0.1:1"
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &office{t: t, st: st, in: in, url: "https://" + in.remote.listener.Addr().String()}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- in.serve(ctx, api, func() { close(ready) }) }()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return w
}

// run runs the command line and returns what it printed.
func (o *office) run(args ...string) (string, error) {
	cmd := root()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(append([]string{"--state", o.st.dir, "host"}, args...))
	err := cmd.ExecuteContext(o.t.Context())
	return out.String(), err
}

func (o *office) must(args ...string) string {
	o.t.Helper()
	out, err := o.run(args...)
	if err != nil {
		o.t.Fatalf("host %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// join makes a machine a host with a token that the command line printed.
func (o *office) join(name, token string) (*join.Identity, error) {
	t, err := join.ParseToken(token)
	if err != nil {
		o.t.Fatal(err)
	}
	return join.Join(o.t.Context(), join.Request{
		Servers: []string{o.url}, Token: t, Name: name, Dir: o.t.TempDir(), Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler),
	})
}

// TestHostCommands goes through the life of a host as docs/hosts.md tells it.
func TestHostCommands(t *testing.T) {
	o := newOffice(t)
	token := o.must("token", "create", "--name", "rack-1")
	if listed := o.must("token", "list"); !strings.Contains(listed, "rack-1") || strings.Contains(listed, strings.Split(token, ".")[2]) {
		t.Errorf("the tokens are listed as\n%s", listed)
	}
	id, err := o.join("rack-1", token)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []shownHost
	if err := json.Unmarshal([]byte(o.must("list", "--json")), &hosts); err != nil {
		t.Fatal(err)
	}
	if len(hosts) != 1 || hosts[0].Name != "rack-1" || hosts[0].State != "away" || hosts[0].Expires.IsZero() {
		t.Errorf("the hosts are %+v", hosts)
	}
	o.must("disable", "rack-1")
	if listed := o.must("list"); !strings.Contains(listed, "disabled") {
		t.Errorf("the hosts are listed as\n%s", listed)
	}
	if err := id.Renew(t.Context()); err == nil || !strings.Contains(err.Error(), "hedgeward host enable rack-1") {
		t.Errorf("the disabled host is told: %v", err)
	}
	o.must("enable", "rack-1")
	o.must("authority", "rotate")
	old := strings.Fields(o.must("authority", "list"))[3]
	if _, err := o.run("authority", "retire", old); err == nil || !strings.Contains(err.Error(), "rack-1") {
		t.Errorf("the authority of a host's certificate is retired: %v", err)
	}
	if err := id.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.must("authority", "retire", old)
	if err := id.Renew(t.Context()); err != nil {
		t.Errorf("after the old authority was retired: %v", err)
	}
	again := o.must("token", "create", "--name", "rack-1", "--rejoin")
	if _, err := o.join("rack-1", again); err != nil {
		t.Error(err)
	}
	o.must("remove", "rack-1")
	if listed := o.must("list", "--instances"); strings.Contains(listed, "rack-1") {
		t.Errorf("after it was removed:\n%s", listed)
	}
	for _, wrong := range [][]string{
		{"disable", "rack-1"}, {"remove", "nobody"}, {"token", "create", "--name", "Rack 1"}, {"token", "create", "--ttl", "1s"},
		{"token", "create", "--name", "rack-9", "--rejoin"}, {"authority", "retire", "0"}, {"token", "delete", "0"},
	} {
		if out, err := o.run(wrong...); err == nil {
			t.Errorf("host %v: %s", wrong, out)
		}
	}
}
