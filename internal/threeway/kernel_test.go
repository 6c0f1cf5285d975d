// SPDX-License-Identifier: Apache-2.0

package threeway

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/inforce"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
	"github.com/hedgeward/hedgeward/policy"
)

// judge plays the scenario through the oracle and the programs and returns the
// first thing that they disagree about.
func judge(k *inforce.Kernel, s *testworld.Scenario) error {
	w, now := testworld.Clone(s.World), time.Duration(0)
	k.Load(w)
	t := compile(w)
	for i, ev := range s.Events {
		switch {
		case ev.Change != nil:
			if ev.Change.Apply(w) != nil {
				return errUnfit
			}
			k.Change(w, ev.Change)
			t = compile(w)
		case ev.Packet != nil:
			want := ev.Packet.Deliver(w, now)
			if err := packet(k, w, t, *ev.Packet, want); err != nil {
				return fmt.Errorf("event %d, %s: %w", i+1, ev, err)
			}
		default:
			now += ev.Wait
			k.Advance(ev.Wait)
		}
	}
	for name, e := range w.Interfaces {
		if got, want := k.Entries(w, e), w.Entries(e, now); got != want {
			return fmt.Errorf("at the end %s has %d live flows, by the specification %d", name, got, want)
		}
	}
	return nil
}

// packet compares what the programs did with a packet, and with fragments that
// waited for it, with what they should have done.
func packet(k *inforce.Kernel, w *oracle.World, t tables, p testworld.Packet, want oracle.Delivery) error {
	got := k.Run(w, p)
	if got.Refused {
		return nil
	}
	if err := compareRun(k, w, t, p, got, want); err != nil {
		return err
	}
	released := want.Released
	if p.Outside {
		for _, r := range want.Ingress.Released {
			released = append(released, oracle.Delivery{Ingress: &r.Judgement, To: want.To})
		}
	}
	if len(got.Released) != len(released) {
		return fmt.Errorf("%d held fragments go on, by the specification %d", len(got.Released), len(released))
	}
	for i, r := range got.Released {
		if err := compareRun(k, w, t, p, r, released[i]); err != nil {
			return fmt.Errorf("held fragment %d: %w", i+1, err)
		}
	}
	return nil
}

func compareRun(k *inforce.Kernel, w *oracle.World, t tables, p testworld.Packet, got inforce.Run, want oracle.Delivery) error {
	if p.Outside {
		if got.Passed != want.Ingress.Verdict().Passes() {
			return fmt.Errorf("passed %t; by the specification %s", got.Passed, want.Ingress.Reason)
		}
		return agree(w, t[p.Gate].Tables[flow.Ingress].Rules, flow.Ingress, p, got, want.Ingress)
	}
	if err := agree(w, t[p.Gate].Tables[flow.Egress].Rules, flow.Egress, p, got, want.Egress); err != nil {
		return err
	}
	to := 0 // whose device gets the frame
	switch {
	case want.Ingress != nil:
		if err := agree(w, t[want.To.Name].Tables[flow.Ingress].Rules, flow.Ingress, p, got, want.Ingress); err != nil {
			return err
		}
		if want.Ingress.Verdict().Passes() {
			to = k.Of(want.To).Ifindex
		}
	case want.Reason() == flow.ReasonNoRoute:
		if !got.Judged[flow.Ingress] || got.Reason[flow.Ingress] != flow.ReasonNoRoute {
			return fmt.Errorf("judged at ingress %t, %s; by the specification there is no route", got.Judged[flow.Ingress], got.Reason[flow.Ingress])
		}
	case got.Judged[flow.Ingress]:
		return fmt.Errorf("judged at ingress as %s; by the specification it got no further than %s at egress", got.Reason[flow.Ingress], want.Egress.Reason)
	case want.Egress.Reason == flow.ReasonAnswered && got.Redirect != 0:
		to = k.Of(w.Interfaces[p.Gate]).Ifindex // the answer goes back
	}
	if want.Reason() == flow.ReasonFragHeld {
		to = got.Redirect // the holder, whichever that is
	}
	if got.Redirect != to {
		return fmt.Errorf("goes to device %d, want %d", got.Redirect, to)
	}
	return nil
}

// agree compares one gate's answer. rules are the ids of its rules, by number.
func agree(
	w *oracle.World, rules []string, d flow.Direction, p testworld.Packet,
	got inforce.Run, want *oracle.Judgement,
) error {
	reason := got.Reason[d]
	if !got.Judged[d] || !alike(p, reason, want.Reason) {
		return fmt.Errorf("%s: judged %t, %s; by the specification %s", d, got.Judged[d], reason, want.Reason)
	}
	if reason != flow.ReasonRule {
		return nil
	}
	// A SYN on a tuple that carries a connection, and that would be untracked
	// otherwise, is admitted without a number.
	// A later fragment's rule is its first one's, in the policy of then; or, where
	// that is not known, some rule for all of the protocol.
	decoded := flow.Decode(p.Frame(w))
	if n := int(got.Rule[d]); n == policy.NoRule && decoded.Flags.Has(flow.SYN) || decoded.Fragment.Offset > 0 {
		return nil
	} else if n >= len(rules) || rules[n] != want.Rules[0] {
		return fmt.Errorf("%s: admitted by rule %d of %q; by the specification %q", d, n, rules, want.Rules)
	}
	return nil
}

// classes are reasons to discard between which the order of checks decides, and
// the specification leaves it open which of a packet's faults is named.
var classes = [][]flow.Reason{
	{flow.ReasonMartian, flow.ReasonSpoofIP, flow.ReasonNotMine, flow.ReasonLinkLocal, flow.ReasonMulticast, flow.ReasonBroadcast},
}

// alike reports whether two reasons say the same.
func alike(p testworld.Packet, got, want flow.Reason) bool {
	if got == want {
		return true
	}
	if got.Verdict() != flow.Discard || want.Verdict() != flow.Discard {
		// Advertisements end here either way. What a link-local address of the
		// interface is, 4.2 does not say: the one of its MAC, or any it sends from.
		return p.Raw != nil && got == flow.ReasonSpoofND && want == flow.ReasonAnswered
	}
	// A raw frame may have many faults.
	return p.Raw != nil || slices.ContainsFunc(classes, func(c []flow.Reason) bool {
		return slices.Contains(c, got) && slices.Contains(c, want)
	})
}

func TestThreeWay(t *testing.T) {
	k := inforce.New(t)
	seed := testrand.Seed(t)
	// Jiffies have 32 bits: what a flow table remembers is younger than 24 days,
	// and so must a history be that nobody sweeps.
	options := testworld.Options{Events: 60, DelegatedPrefixes: true, PrefixLists: true, Rare: true, Span: 15 * 24 * time.Hour}
	n := uint64(0)
	for end := time.Now().Add(duration(t)); time.Now().Before(end); n++ {
		s := testworld.Random(testrand.New(seed+n), options)
		if err := judge(k, s); err != nil {
			report(t, seed+n, s, func(s *testworld.Scenario) error { return judge(k, s) })
		}
	}
	t.Logf("%d worlds", n)
}
