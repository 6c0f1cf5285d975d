// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/store"
)

// desk is an operator's place: a server that answers on a control socket, and
// the command line.
type desk struct {
	control *control.Service
	dir     string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	m, err := model.Open(t.Context(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{control: control.New(db, m, control.Config{}), dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	followed, served, answered := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() { defer close(followed); m.Run(ctx) }()
	go func() { defer close(served); d.control.Run(ctx) }()
	if _, _, err := d.control.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := (&state{dir: d.dir}).listenSocket()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	serveAccess(mux, func() *control.Service { return d.control })
	srv := &http.Server{Handler: mux}
	go func() { defer close(answered); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); cancel(); <-followed; <-served; <-answered })
	return d
}

// run runs the command line and returns what it printed.
func (d *desk) run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := root()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetArgs(append([]string{"access", "--state", d.dir}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestAccessCommands(t *testing.T) {
	d := newDesk(t)
	do := func(stdin, command string) string {
		t.Helper()
		out, err := d.run(t, stdin, strings.Fields(command)...)
		if err != nil {
			t.Fatalf("access %s: %v", command, err)
		}
		return out
	}
	refuse := func(stdin, command, want string) {
		t.Helper()
		if out, err := d.run(t, stdin, strings.Fields(command)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("access %s: %v %s, want %q", command, err, out, want)
		}
	}
	look := filepath.Join(t.TempDir(), "look.json")
	if err := os.WriteFile(look, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	do("", "account create 111122223333")
	refuse("", "account create 111122223333", "exists already")
	do("", "policy put look "+look+" --account 111122223333")
	refuse("{}", "policy put bad -", "the document has no Statement")
	do("", "user create bob --account 111122223333 --policy look")
	refuse("", "user create bob --account 111122223333 --policy look", "The user bob of account 111122223333 exists already.")
	out := do("my-secret\n", "key import bob test --account 111122223333 --json")
	var key struct{ ID, Secret, User string }
	if err := json.Unmarshal([]byte(out), &key); err != nil || key.ID != "test" || key.Secret != "my-secret" || key.User != "bob" {
		t.Errorf("%s: %v", out, err)
	}
	if got := d.control.AccessKey("test"); got == nil || got.Secret != "my-secret" {
		t.Errorf("imported: %+v", got)
	}
	if out := do("", "key list"); strings.Contains(out, "my-secret") || !strings.Contains(out, "test") || !strings.Contains(out, "hedgeward") {
		t.Errorf("key list:\n%s", out)
	}
	do("", "key disable test")
	if d.control.AccessKey("test") != nil {
		t.Error("a disabled key is in use")
	}
	do("", "key enable test")
	if out := do("", "key rotate test"); !strings.Contains(out, "AKIA") || d.control.AccessKey("test") != nil {
		t.Errorf("key rotate:\n%s", out)
	}
	do("", "key delete test")
	refuse("", "key delete test", `The access key "test" does not exist.`)
	refuse("", "user delete bob --account 111122223333", "delete its keys first")
	do("", "key create root --account 111122223333")
	do(`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"111122223333"}}}`, "role create ops --account 111122223333 --trust - --policy look --max-session 2h")
	refuse("", "role create other", "name the file with the document: --trust")
	if out := do("", "role list"); !strings.Contains(out, "ops") || !strings.Contains(out, "7200") {
		t.Errorf("role list:\n%s", out)
	}
	refuse("", "policy delete look --account 111122223333", "is attached to the user bob; detach it first")
	do("", "policy detach look --account 111122223333 --user bob")
	do("", "policy attach AdministratorAccess --account 111122223333 --user bob")
	if out := do("", "user list --account 111122223333"); !strings.Contains(out, "AdministratorAccess") || strings.Contains(out, "look") {
		t.Errorf("user list:\n%s", out)
	}
	refuse("", "policy attach look", "at least one of the flags")
	do("", "role delete ops --account 111122223333")
	do("", "policy delete look --account 111122223333")
	if out := do("", "policy list --account 111122223333"); strings.Contains(out, "look") {
		t.Errorf("policy list:\n%s", out)
	}
	if out := do("", "account list"); strings.Count(out, "\n") != 3 {
		t.Errorf("account list:\n%s", out)
	}

	refusal := d.control.Judge(control.Actor{Account: "111122223333", User: "nobody", ARN: "arn:aws:iam::111122223333:user/nobody"}, []access.Request{{Action: "ec2:CreateVpc", Resource: "*"}})
	if out := do("", "decode "+d.control.Encode(refusal)); !strings.Contains(out, `"action": "ec2:CreateVpc"`) {
		t.Errorf("decode:\n%s", out)
	}
	refuse("", "decode nonsense", "is not an authorization failure message")
}

func TestAccessNeedsServer(t *testing.T) {
	d := &desk{dir: t.TempDir()}
	if _, err := d.run(t, "", "user", "list"); err == nil || !strings.Contains(err.Error(), "run: hedgeward up") {
		t.Errorf("without a server: %v", err)
	}
}
