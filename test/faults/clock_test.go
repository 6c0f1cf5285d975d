// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/test/faults/history"
)

// step sets how far the wall clock of the node's processes is off, of those that run
// and of those to come. The wire must have been made with clocks.
func (n *node) step(by time.Duration) {
	f, err := os.OpenFile(n.clock, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(by)), 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		n.t.Errorf("set the clock of %s: %v", n.name, err)
	}
}

// The clocks are worth nothing if they do not step: a program that runs under one
// prints the time that was set, and another one meanwhile.
func TestClocksStep(t *testing.T) {
	w := newWire(t)
	w.clocks = true
	n := w.node("clock")
	for _, by := range []time.Duration{0, time.Hour, -72 * time.Hour} {
		n.step(by)
		cmd := exec.Command(filepath.Join(bin, "stepclock"), n.clock, "date", "+%s")
		said, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(string(said)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Until(time.Unix(seconds, 0).Add(-by)).Abs(); off > time.Minute {
			t.Errorf("a clock that is off by %s shows a time that is wrong by another %s", by, off)
		}
	}
}

// The wall clocks of servers, hosts and etcd members step, forwards and back, by
// minutes and by days, while clients work and packets flow. Leases, elections and
// timers go by clocks that do not step; signatures and certificates are refused for as
// long as the clocks disagree; and when they agree again, all is as it should be.
func TestClocks(t *testing.T) {
	seed := testrand.Seed(t)
	w := newWire(t)
	w.clocks = true
	etcd := newCluster(t, w, 0)
	r := newReplicas(t, w, etcd, 2, "--agents", fmt.Sprintf("0.0.0.0:%d", agentsPort))
	from := w.node("client")
	hosts := newHosts(t, w, r, 2, bin)
	load := &workload{t: t, record: history.New(), seed: seed, pause: 20 * time.Millisecond, clocks: true}
	for _, n := range r.nodes {
		load.clients = append(load.clients, r.client(t, n, from))
	}
	load.world = newWorld(t, load.clients[0])
	g := newGuests(t, load.clients[0], load.world, 4)

	random := rand.New(rand.NewPCG(seed, 1))
	n := &nemesis{t: t, replicas: r, client: etcd.client(t, from), random: random}
	for _, part := range []struct {
		name  string
		nodes []*node
	}{{"a server's clock", r.nodes}, {"an etcd member's clock", etcd.members}, {"a host's clock", hosts}} {
		for _, by := range []time.Duration{4 * time.Minute, 72 * time.Hour} {
			for _, sign := range []time.Duration{1, -1} {
				one := part.nodes[random.IntN(len(part.nodes))]
				n.only = append(n.only, fault{fmt.Sprintf("%s steps by %s", part.name, sign*by), func() { one.step(sign * by) }, func() { one.step(0) }})
			}
		}
	}
	sent := startLanes(t, g)
	load.begin(4)
	done := n.rage(*long / 2)
	load.end()
	load.readAll()
	judge(t, load, done)
	eventually(t, "what is enforced is what the store says", func() error { return g.wantRules(t, load) })
	if err := history.Datagrams(sent.Stop()); err != nil {
		t.Error(err)
	} else {
		t.Logf("check datagrams: %d lanes, none lost, none leaked", sent.Count())
	}
}
