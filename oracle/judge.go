// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// Judgement is what one gate says about one packet.
type Judgement struct {
	Reason flow.Reason
	// Rules are the ids of all rules that admit the packet, in order of groups
	// and rules. Empty unless the rules were asked.
	Rules []string
}

// Verdict returns the verdict that goes with the reason.
func (j Judgement) Verdict() flow.Verdict { return j.Reason.Verdict() }

// Judge decides about a packet at the gate of e (section 1.9) and keeps what
// state that takes. from is the interface whose packet the fabric delivers, nil
// for outside; it matters for ingress only. now is time since any fixed moment
// and never runs backwards.
func (w *World) Judge(e *Interface, d flow.Direction, p flow.Packet, from *Interface, now time.Duration) Judgement {
	// Step 1: what cannot be parsed (4.4, 4.6).
	if p.Reason != flow.ReasonUnset {
		return Judgement{Reason: p.Reason}
	}
	// This version judges no fragments; when it does, they come at step 6 (4.5).
	if p.Fragment.Is {
		return Judgement{Reason: flow.ReasonFragment}
	}
	// Steps 2 and 3: link layer, then source and destination check (4.2, 5).
	if r := w.linkLayer(e, d, p); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	if r := w.spoofed(e, d, p); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	// Step 4: multicast and broadcast (4.3).
	if r := w.groupcast(e, p); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	// Step 5: exempt traffic (4.1).
	if r := w.exempt(e, d, p); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	// Before the first snapshot everything else is dropped (3.10).
	if len(e.Groups) == 0 {
		return Judgement{Reason: flow.ReasonNoPolicy}
	}
	return w.judgeFlow(e, d, p, from, now)
}

// judgeFlow is steps 7 to 13: state, then rules, then new state.
func (w *World) judgeFlow(e *Interface, d flow.Direction, p flow.Packet, from *Interface, now time.Duration) Judgement {
	// Step 7. A live entry is sufficient, whatever the rules say now.
	k, stateful := keyOf(d, p)
	var c *entry
	if stateful {
		c = e.find(k, now)
	}
	if c != nil && !c.needsFreshVerdict(d, p) {
		return Judgement{Reason: c.update(d, p, now)}
	}
	// Step 8, related ICMP errors, belongs here (3.4).

	// Step 9.
	rules := w.Allowed(e, d, p, from)
	if len(rules) == 0 {
		return Judgement{Reason: flow.ReasonNoRule}
	}
	untracked := w.Untracked(e, d, p)
	if c != nil {
		return Judgement{Reason: e.freshSYN(k, c, d, untracked, now), Rules: rules}
	}
	// Step 10.
	if untracked {
		return Judgement{Reason: flow.ReasonUntracked, Rules: rules}
	}
	// Step 11.
	if !stateful {
		return Judgement{Reason: flow.ReasonRule, Rules: rules}
	}
	first, r := newEntry(d, p, now)
	if first == nil {
		return Judgement{Reason: r, Rules: rules}
	}
	// Step 12, the allowance, belongs here (3.8). Step 13.
	first.remoteOwner = w.ownerName(e.VPC, p.Remote(d))
	if e.entries == nil {
		e.entries = make(map[key]*entry)
	}
	e.entries[k] = first
	return Judgement{Reason: r, Rules: rules}
}
