// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/internal/testetcd"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/stream"
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

// told is an agent that does what it is told at once.
type told struct {
	deltas chan *feed.Delta
}

func (a told) Apply(d *feed.Delta)                         { a.deltas <- d }
func (a told) Behind() (map[string]int64, <-chan struct{}) { return nil, nil }

// follow has a host follow the server until the test ends.
func (o *office) follow(id *join.Identity) (*stream.Client, told) {
	c, a, _ := o.followUntil(id)
	return c, a
}

// followUntil is follow, but leave ends it before.
func (o *office) followUntil(id *join.Identity) (c *stream.Client, a told, leave func()) {
	c = stream.NewClient(stream.ClientConfig{
		Host: id.Host(), Servers: func() []string { return []string{strings.TrimPrefix(o.url, "https://")} },
		Dial: id.DialTLS, Renewed: id.Changed, Explain: id.Explain, Log: slog.New(slog.DiscardHandler), Pause: time.Millisecond, MaxPause: 10 * time.Millisecond,
	})
	a = told{make(chan *feed.Delta, 100)}
	ctx, cancel := context.WithCancel(o.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx, a) }()
	leave = func() { cancel(); <-done }
	o.t.Cleanup(leave)
	return c, a, leave
}

// next returns the first delta that tells of an instance.
func (a told) next(t *testing.T) *feed.Instance {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case d := <-a.deltas:
			for _, in := range d.Instances {
				return in
			}
		case <-late:
			t.Fatal("nothing is told")
		}
	}
}

// eventually fails the test unless the condition comes to hold.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(what)
		}
	}
}

// TestHostsRunWhatIsPlacedOnThem: hosts that joined and follow a server are given
// instances, report their own and nobody else's, and are out when they are disabled.
func TestHostsRunWhatIsPlacedOnThem(t *testing.T) {
	o := newOffice(t)
	caller := control.Caller{Scope: secgroup.Scope{Account: o.in.key.Account, Region: "us-east-1"}}
	launch := control.Launch{Image: images()[0].ID, Min: 1, Max: 1, Interfaces: []control.LaunchInterface{{}}}
	if _, err := o.in.control.RunInstances(t.Context(), caller, launch); err == nil || !strings.HasPrefix(err.Error(), "InsufficientInstanceCapacity") {
		t.Errorf("without a host: %v", err)
	}
	clients, agents := map[string]*stream.Client{}, map[string]told{}
	identities := map[string]*join.Identity{}
	for _, name := range []string{"rack-1", "rack-2"} {
		id, err := o.join(name, o.must("token", "create"))
		if err != nil {
			t.Fatal(err)
		}
		identities[name] = id
		clients[name], agents[name] = o.follow(id)
		eventually(t, name+" is not connected", func() bool { return o.in.remote.present.Connected(name) })
	}
	launch.Min, launch.Max = 2, 2
	made, err := o.in.control.RunInstances(t.Context(), caller, launch)
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{made[0].Host, made[1].Host}
	if slices.Sort(hosts); !slices.Equal(hosts, []string{"rack-1", "rack-2"}) {
		t.Fatalf("two instances are on %v", hosts)
	}
	for _, in := range made {
		other := map[string]string{"rack-1": "rack-2", "rack-2": "rack-1"}[in.Host]
		if got := agents[in.Host].next(t); got.ID != in.ID {
			t.Errorf("%s is told of %s", in.Host, got.ID)
		}
		if err := clients[other].Report(t.Context(), in.ID, secgroup.Terminated, "mine"); err == nil {
			t.Errorf("%s reports an instance of %s", other, in.Host)
		}
		eni := control.Attached(o.in.control.Read(), in.ID)[0].ID
		if _, err := clients[other].Claim(t.Context(), stream.Claim{Interface: eni, Device: "tap0"}); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("%s claims an interface of %s: %v", other, in.Host, err)
		}
		if err := clients[in.Host].Report(t.Context(), in.ID, secgroup.Running, ""); err != nil {
			t.Error(err)
		}
		if state := o.in.control.Read().Instances.Get(in.ID).State; state != secgroup.Running {
			t.Errorf("%s is %s", in.ID, state)
		}
		if listed := o.must("list", "--instances"); !strings.Contains(listed, in.ID) || !strings.Contains(listed, "connected") {
			t.Errorf("the hosts are listed as\n%s", listed)
		}
	}
	was := o.in.remote.stream.Peers()["rack-1"].Address
	if err := identities["rack-1"].Renew(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "the stream does not go on with the renewed certificate", func() bool {
		p := o.in.remote.stream.Peers()["rack-1"]
		return p.Connected && p.Address != was
	})
	o.must("disable", "rack-1")
	eventually(t, "the disabled host is not told why", func() bool {
		return strings.Contains(clients["rack-1"].Status().Error, "hedgeward host enable rack-1")
	})
	if o.in.remote.present.Connected("rack-1") || !o.in.remote.present.Connected("rack-2") {
		t.Error("the disabled host is connected, or the other is not")
	}
	o.must("enable", "rack-1")
	eventually(t, "the host does not come back", func() bool { return o.in.remote.present.Connected("rack-1") })
	if _, err := o.run("remove", "rack-1"); err == nil || !strings.Contains(err.Error(), "--lost") {
		t.Errorf("removed with an instance on it: %v", err)
	}
}

// TestHostsAreAllServers: a token of one server is taken by another, an instance
// is placed by way of one on a host that follows another, and a host that is
// disabled by way of one is out of the other.
func TestHostsAreAllServers(t *testing.T) {
	etcd, seal := testetcd.Start(t, 1, nil), sealFile(t)
	var offices []*office
	for range 2 {
		o := replicaOptions(etcd, seal)
		o.agents = "127.0.0.1:0"
		in := startReplica(t, etcd, o).in
		offices = append(offices, &office{t: t, in: in, url: "https://" + in.remote.listener.Addr().String()})
	}
	here, there := offices[0], offices[1]
	token, err := here.in.remote.join.CreateToken(t.Context(), join.TokenSpec{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := there.join("rack-1", token.String())
	if err != nil {
		t.Fatal(err)
	}
	client, agent := there.follow(id)
	eventually(t, "one server does not know who follows the other", func() bool { return here.in.remote.present.Connected("rack-1") })
	caller := control.Caller{Scope: secgroup.Scope{Account: here.in.key.Account, Region: "us-east-1"}}
	made, err := here.in.control.RunInstances(t.Context(), caller, control.Launch{Image: images()[0].ID, Min: 1, Max: 1, Interfaces: []control.LaunchInterface{{}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := agent.next(t); got.ID != made[0].ID {
		t.Errorf("the host is told of %s, not %s", got.ID, made[0].ID)
	}
	if err := here.in.control.SetHostDisabled(t.Context(), "rack-1", true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the host is not out of the other server", func() bool {
		return strings.Contains(client.Status().Error, "is disabled") && !here.in.remote.present.Connected("rack-1")
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
