// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/test/faults/history"
)

var long = flag.Duration("long", 30*time.Second, "how long each run of faults lasts")

// Two replicas work on the same keys while servers and etcd members are killed,
// frozen, cut off and given back. Whatever clients were told must fit one order
// of their calls: nothing acknowledged is lost, no address, rule or name is handed
// out twice, and a read at any replica shows what was answered before.
func TestServersAndStore(t *testing.T) {
	seed := testrand.Seed(t)
	w := newWire(t)
	etcd := newCluster(t, w, 0)
	r := newReplicas(t, w, etcd, 2)
	from := w.node("client")
	load := &workload{t: t, record: history.New(), seed: uint64(seed), pause: 10 * time.Millisecond}
	for _, n := range r.nodes {
		load.clients = append(load.clients, r.client(t, n, from))
	}
	load.world = newWorld(t, load.clients[0])
	n := &nemesis{t: t, replicas: r, client: etcd.client(t, from), random: rand.New(rand.NewPCG(uint64(seed), 1))}
	load.begin(6)
	done := n.rage(*long)
	load.end()
	load.readAll()
	judge(t, load, done)
}

// judge runs the checks and says what they looked at.
func judge(t *testing.T, load *workload, faults map[string]int) {
	t.Helper()
	ops := load.record.Ops()
	count := map[history.Outcome]int{}
	for _, op := range ops {
		count[op.Outcome]++
	}
	t.Logf("faults: %v", faults)
	t.Logf("calls: %d done, %d refused, %d without an answer", count[history.Done], count[history.Refused], count[history.Unknown])
	if count[history.Done] < 20*len(load.world.places) {
		t.Errorf("only %d calls were done: the run says nothing", count[history.Done])
	}
	if err := history.Order(ops, time.Minute); err != nil {
		t.Error(err)
	} else {
		t.Logf("check order of answers: 0 wrong of %d calls on %d keys", len(ops), len(load.world.places))
	}
}
