// SPDX-License-Identifier: Apache-2.0

// Package overlay tests the network between hosts: each host is a network namespace
// with an agent in a process of its own, and a bridge joins them.
package overlay

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed/teller"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/internal/testnet"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// patience is how long a test waits for what must come, silence for what must not.
const (
	patience = 30 * time.Second
	silence  = 700 * time.Millisecond
)

// installation is a model and the hosts that follow it.
type installation struct {
	t     testing.TB
	store *store.Store
	model *model.Model
	wire  *testnet.NS // joins the hosts
	hosts map[string]*host
}

// host is a machine of the installation.
type host struct {
	in       *installation
	name     string
	ns       *testnet.NS
	underlay netip.Addr
	pins     string
	state    string

	teller  *teller.Host
	sub     *model.Subscription
	cmd     *exec.Cmd
	to      *gob.Encoder
	input   io.Closer
	answers chan answer
}

// install makes an installation of hosts, by underlay address. All are joined.
func install(t testing.TB, underlays map[string]string) *installation {
	t.Helper()
	s, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	m, err := model.Open(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	followed := make(chan struct{})
	go func() { defer close(followed); m.Run(t.Context()) }()
	t.Cleanup(func() { <-followed })
	in := &installation{t: t, store: s, model: m, wire: testnet.New(t), hosts: map[string]*host{}}
	in.change(func(tx *model.Tx) {
		for name, underlay := range underlays {
			tx.Hosts.Put(&secgroup.Host{Name: name, Underlay: netip.MustParseAddr(underlay)})
		}
	})
	var ports []string
	for name, underlay := range underlays {
		h := &host{
			in: in, name: name, ns: testnet.New(t), underlay: netip.MustParseAddr(underlay), state: t.TempDir(),
			pins: fmt.Sprintf("/sys/fs/bpf/hedgeward_overlay_%d_%s", os.Getpid(), name),
		}
		bits := 24
		if h.underlay.Is6() {
			bits = 64
		}
		testnet.Pair(t, testnet.End{NS: in.wire, Name: "port-" + name}, testnet.End{NS: h.ns, Name: "under0", Addresses: []string{fmt.Sprint(underlay, "/", bits)}})
		ports = append(ports, "port-"+name)
		in.hosts[name] = h
		t.Cleanup(h.remove)
		h.start()
	}
	in.wire.Bridge(t, "wire0", ports...)
	return in
}

// change commits rows.
func (in *installation) change(f func(*model.Tx)) {
	in.t.Helper()
	tx := in.model.Begin()
	tx.Guard("test")
	f(tx)
	guards, writes, err := tx.Commit()
	if err != nil {
		in.t.Fatal(err)
	}
	rev, err := in.store.Commit(in.t.Context(), guards, writes)
	if err != nil {
		in.t.Fatal(err)
	}
	if _, err := in.model.Await(in.t.Context(), rev); err != nil {
		in.t.Fatal(err)
	}
}

// step commits rows and waits until they are in force on all hosts.
func (in *installation) step(f func(*model.Tx)) {
	in.t.Helper()
	in.change(f)
	for _, h := range in.hosts {
		h.sync()
	}
}

// start starts the host's agent, which is told everything.
func (h *host) start() {
	t := h.in.t
	t.Helper()
	h.cmd = exec.Command(os.Args[0])
	h.cmd.Env = append(os.Environ(), agentPins+"="+h.pins, agentState+"="+h.state, agentUnderlay+"="+h.underlay.String())
	h.cmd.Stderr = t.Output()
	input, err := h.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.ns.Start(h.cmd); err != nil {
		t.Fatal(err)
	}
	h.input, h.to, h.answers = input, gob.NewEncoder(input), make(chan answer, 1000)
	go func(answers chan answer) {
		defer close(answers)
		for from := gob.NewDecoder(output); ; {
			var said answer
			if from.Decode(&said) != nil {
				return
			}
			answers <- said
		}
	}(h.answers)
	h.teller = teller.NewHost(h.name)
	h.sub = h.in.model.Subscribe()
}

// kill ends the agent without a word.
func (h *host) kill() {
	h.sub.Close()
	h.cmd.Process.Kill()
	h.cmd.Wait()
	for range h.answers {
	}
}

// sync tells the agent what changed, and returns when that is in force.
func (h *host) sync() {
	t := h.in.t
	t.Helper()
	snap, changed, all, err := h.sub.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tell := func(changed map[model.Ref]struct{}, all bool) {
		t.Helper()
		d := h.teller.Update(snap, changed, all)
		m := message{d.Revision, entries(d.Instances), entries(d.Interfaces), entries(d.Groups), entries(d.Addresses), entries(d.Routes)}
		if err := h.to.Encode(m); err != nil {
			t.Fatal(err)
		}
		h.expect("a delta to be in force", func(said answer) bool { return said.Applied == d.Revision })
	}
	tell(changed, all)
	for h.teller.Pending() {
		tell(nil, false)
	}
}

// expect waits for an answer of the agent.
func (h *host) expect(what string, is func(answer) bool) answer {
	h.in.t.Helper()
	end := time.After(patience)
	for {
		select {
		case said, open := <-h.answers:
			if !open {
				h.in.t.Fatalf("the agent of %s ended", h.name)
			}
			if is(said) {
				return said
			}
		case <-end:
			h.in.t.Fatalf("%s: waited in vain for %s", h.name, what)
		}
	}
}

// counted asks the agent what it has counted.
func (h *host) counted() answer {
	h.in.t.Helper()
	if err := h.to.Encode(message{}); err != nil {
		h.in.t.Fatal(err)
	}
	return h.expect("counters", func(said answer) bool { return said.Counted != nil })
}

// remove takes everything of the host away.
func (h *host) remove() {
	h.kill()
	h.ns.Do(func() {
		driver := instance.NewNetns(instance.Config{StateDir: h.state})
		entries, _ := os.ReadDir(filepath.Join(h.state, "instances"))
		for _, e := range entries {
			if err := driver.Destroy(context.Background(), e.Name()); err != nil { // the test's context has ended
				h.in.t.Error(err)
			}
		}
		if _, err := driver.RemoveOverlay(); err != nil {
			h.in.t.Error(err)
		}
	})
	if _, err := datapath.Remove(h.pins); err != nil {
		h.in.t.Error(err)
	}
}
