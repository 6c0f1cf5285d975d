// SPDX-License-Identifier: Apache-2.0

package testworld_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
)

var everything = testworld.Options{Events: 60, DelegatedPrefixes: true, PrefixLists: true, Rare: true}

// play runs the scenario through the oracle and hands each fate to see. It
// reports whether every change applied.
func play(s *testworld.Scenario, see func(testworld.Packet, oracle.Delivery)) bool {
	w, now := testworld.Clone(s.World), time.Duration(0)
	for _, ev := range s.Events {
		switch {
		case ev.Packet != nil:
			see(*ev.Packet, ev.Packet.Deliver(w, now))
		case ev.Change != nil:
			if ev.Change.Apply(w) != nil {
				return false
			}
		}
		now += ev.Wait
	}
	return true
}

func TestRandomPrintsAsItReads(t *testing.T) {
	seed := testrand.Seed(t)
	for n := range uint64(200) {
		s := testworld.Random(testrand.New(seed+n), everything)
		text := s.String()
		again, err := testworld.Parse(text)
		if err != nil {
			t.Fatalf("SEED=%d: %v\n%s", seed+n, err, text)
		}
		if got := again.String(); got != text {
			t.Fatalf("SEED=%d: printed\n%s\nread and printed again\n%s", seed+n, text, got)
		}
		var frames [][]byte
		for _, s := range []*testworld.Scenario{s, again} {
			for i, ev := range s.Events {
				if ev.Packet == nil {
					continue
				}
				f := ev.Packet.Frame(s.World)
				if s != again {
					frames = append(frames, f)
				} else if !slices.Equal(f, frames[0]) {
					t.Fatalf("SEED=%d: event %d, %s, is another frame when read", seed+n, i, ev)
				} else {
					frames = frames[1:]
				}
			}
		}
	}
}

// Histories must meet every reason, or a comparison over
// them shows little; and most packets must be ordinary.
func TestRandomMeetsEveryReason(t *testing.T) {
	seed := testrand.Seed(t)
	var met [flow.NumReasons]int
	total := 0
	for n := range uint64(1500) {
		s := testworld.Random(testrand.New(seed+n), everything)
		if !play(s, func(_ testworld.Packet, d oracle.Delivery) {
			total++
			met[d.Reason()]++
			if d.Egress != nil && d.Ingress != nil {
				met[d.Egress.Reason]++
			}
		}) {
			t.Fatalf("SEED=%d: a change of the history does not apply\n%s", seed+n, s)
		}
	}
	never := []flow.Reason{ // they take another kind of history
		flow.ReasonUnset, flow.ReasonAllowance, flow.ReasonNoPolicy, flow.ReasonLinkLocalRate, flow.ReasonNoPublicAddress, flow.ReasonTooBig,
	}
	for r := range flow.NumReasons {
		t.Logf("%-16s %d", r, met[r])
		if slices.Contains(never, r) != (met[r] == 0) {
			t.Errorf("reason %s was met %d times", r, met[r])
		}
	}
	for _, r := range []flow.Reason{flow.ReasonRule, flow.ReasonTracked, flow.ReasonUntracked, flow.ReasonNoRule, flow.ReasonNoState} {
		if met[r]*100 < total {
			t.Errorf("only %d of %d packets are %s", met[r], total, r)
		}
	}
}

func TestShrink(t *testing.T) {
	// The failure: an untracked packet passes at all.
	fails := func(s *testworld.Scenario) bool {
		failed := false
		return play(s, func(_ testworld.Packet, d oracle.Delivery) {
			failed = failed || d.Egress != nil && d.Egress.Reason == flow.ReasonUntracked
		}) && failed
	}
	for seed := uint64(1); ; seed++ {
		s := testworld.Random(rand.New(rand.NewPCG(seed, 0)), everything)
		if !fails(s) {
			continue
		}
		small := testworld.Shrink(s, fails)
		rules := 0
		for _, g := range small.World.Groups {
			rules += len(g.Rules)
		}
		// One packet and two rules must remain, the changes that brought the
		// rules perhaps, and the interface that sends.
		if !fails(small) || len(small.Events)+rules > 4 || len(small.World.Interfaces) != 1 {
			t.Errorf("shrunk to\n%s", small)
		}
		return
	}
}

func TestParseRefuses(t *testing.T) {
	const world = "vpc v 10.0.0.0/16 subnets 10.0.1.0/24\ngroup g v\ninterface a v 02:00:00:00:00:01 10.0.1.10 groups g\n"
	for _, line := range []string{
		"vpc v", "vpc v 10.0.0.0", "rule g sideways tcp/22 0/0", "rule g in smtp/25 0/0", "rule g in tcp/x 0/0",
		"rule h in all 0/0", "rule g in all", "interface b v 02:00:00:00:00:02 groups g", "interface b v zz 10.0.1.11",
		"host H1 nowhere", "wait long", "a>b S", "a:1>203.0.113.1:2 XYZ", "a:1>203.0.113.1:70000 S", "203.0.113.1:1>203.0.113.2:2 S",
		"a:1>203.0.113.1:2 S size=3", "a>203.0.113.1 icmp", "a raw 0g", "a SA", "timeouts a 1s 2s", "nonsense",
	} {
		if s, err := testworld.Parse(world + line); err == nil && play(s, func(testworld.Packet, oracle.Delivery) {}) {
			t.Errorf("%q is accepted:\n%s", line, s)
		}
	}
}
