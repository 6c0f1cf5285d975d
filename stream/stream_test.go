// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/testrand"
)

// member returns a change that makes the n-th address a member of sg-1.
func member(n int) func(*feed.State) {
	return func(s *feed.State) {
		key := feed.AddressKey{VPC: "vpc-0123456789abcdef0", Addr: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
		s.Addresses[key] = &feed.Address{Interface: fmt.Sprintf("eni-%017x", n), Groups: []string{"sg-0123456789abcdef0"}}
	}
}

// TestAHostIsToldEverythingAndEveryChange: snapshot, then deltas, then what the
// host has in force comes back.
func TestAHostIsToldEverythingAndEveryChange(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	w := newWorld()
	w.set("a", randomState(rng, 50))
	r := newReplica(t, w)
	a := newAgent()
	startClient(t, "a", a, nil, r)
	a.await(t, w, "a")
	var last int64
	for range 30 {
		last = w.change("a", func(s *feed.State) { mutate(rng, s, 50) })
		if rng.IntN(3) == 0 {
			a.await(t, w, "a")
		}
	}
	a.await(t, w, "a")
	until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == last })

	// Interfaces that are behind are named; what is not the host's is not believed.
	var its string
	for id := range a.state.Interfaces {
		its = id
	}
	a.setBehind(map[string]int64{its: 3, "eni-of-another": 1})
	until(t, func() bool {
		e, _ := r.Enforced()
		return len(e["a"].Behind) == 1 && e["a"].Behind[its] == 3
	})
	a.setBehind(nil)
	until(t, func() bool { e, _ := r.Enforced(); return len(e["a"].Behind) == 0 && e["a"].Revision == last })
}

// TestNothingIsEnforcedBeforeItIsApplied: an acknowledgement says what the kernel
// does, and a change that does not concern a host needs none.
func TestNothingIsEnforcedBeforeItIsApplied(t *testing.T) {
	w := newWorld()
	first := w.change("a", member(1))
	r := newReplica(t, w)
	a := newAgent()
	a.gate = make(chan struct{})
	startClient(t, "a", a, nil, r)
	a.gate <- struct{}{}
	until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == first })
	second := w.change("a", member(2))
	until(t, func() bool { return r.Peers()["a"].Told == second })
	if e, _ := r.Enforced(); e["a"].Revision != first {
		t.Errorf("revision %d is in force, the agent has not been let apply %d", e["a"].Revision, second)
	}
	a.gate <- struct{}{}
	until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == second })
	written := r.wire.written.Load()
	third := w.change("a", func(*feed.State) {})
	until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == third })
	if more := r.wire.written.Load() - written; more != 0 {
		t.Errorf("a change that says nothing to the host cost it %d bytes", more)
	}
}

// TestAnIdleHostLearnsTheRevision: it needs one to come back with.
func TestAnIdleHostLearnsTheRevision(t *testing.T) {
	w := newWorld()
	w.change("a", member(1))
	r := newReplica(t, w, func(c *ServerConfig) { c.Mark = 20 * time.Millisecond })
	a := newAgent()
	startClient(t, "a", a, nil, r)
	a.await(t, w, "a")
	last := w.change("a", func(*feed.State) {})
	until(t, func() bool { d, _ := a.told(); return d.Revision == last })
}

// TestAJoinCostsTensOfBytes: issue-sized groups; the whole cost on the wire, frames,
// records and all.
func TestAJoinCostsTensOfBytes(t *testing.T) {
	for _, members := range []int{10_000, 100_000} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			w := newWorld()
			w.change("a", func(s *feed.State) {
				for n := range members {
					member(n)(s)
				}
			})
			r := newReplica(t, w)
			r.web.Config.HTTP2 = nil
			a := newAgent()
			startClient(t, "a", a, func(c *ClientConfig) { c.Silent, c.Answer = time.Minute, time.Minute }, r)
			acked := func(revision int64) {
				until(t, func() bool { e, _ := r.Enforced(); return e["a"].Revision == revision })
			}
			acked(1)
			snapshot := r.wire.written.Load()
			const joins = 20
			for n := range joins {
				acked(w.change("a", member(1<<20+n)))
			}
			each := (r.wire.written.Load() - snapshot) / joins
			t.Logf("%d members: snapshot %d bytes, %.0f per member; a join %d bytes", members, snapshot, float64(snapshot)/float64(members), each)
			if each >= 150 {
				t.Errorf("a join costs %d bytes", each)
			}
		})
	}
}

// TestAReturningHostIsToldTheDifference: whichever replica it comes to.
func TestAReturningHostIsToldTheDifference(t *testing.T) {
	rng := rand.New(rand.NewPCG(testrand.Seed(t), 0))
	w := newWorld()
	w.change("a", func(s *feed.State) {
		for n := range 20_000 {
			member(n)(s)
		}
		s.Merge(&feed.Delta{Revision: s.Revision, Groups: randomState(rng, 200).Groups, Interfaces: randomState(rng, 200).Interfaces})
	})
	first, second := newReplica(t, w), newReplica(t, w)
	a := newAgent()
	startClient(t, "a", a, nil, first, second)
	a.await(t, w, "a")
	on, other := first, second
	if second.Connected("a") {
		on, other = second, first
	}
	all, _ := a.told()
	_, before := a.told()
	on.stop()
	w.change("a", member(30_000))
	w.change("a", func(s *feed.State) {
		for key := range s.Addresses {
			delete(s.Addresses, key)
			break
		}
		for id := range s.Groups {
			delete(s.Groups, id)
			break
		}
	})
	a.await(t, w, "a")
	_, after := a.told()
	if after-before != 3 {
		t.Errorf("the host did %d changes, 3 were made", after-before)
	}
	sent := other.wire.written.Load()
	t.Logf("coming back to another replica cost %d bytes for 3 of %d changed objects", sent, len(all.Addresses)+len(all.Groups))
	if sent > 100_000 {
		t.Errorf("coming back cost %d bytes", sent)
	}
}
