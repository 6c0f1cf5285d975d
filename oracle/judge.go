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

	// Released are fragments that were held, with what the gate says of them now
	// that it has judged their first one (4.5).
	Released []Released
}

// Released is a fragment that was held before.
type Released struct {
	Packet    flow.Packet
	Judgement Judgement
}

// Verdict returns the verdict that goes with the reason.
func (j Judgement) Verdict() flow.Verdict { return j.Reason.Verdict() }

// Judge decides about a packet at the gate of e (section 1.9) and keeps what
// state that takes. now is time since any fixed moment and never runs backwards.
func (w *World) Judge(e *Interface, d flow.Direction, p flow.Packet, path Path, now time.Duration) Judgement {
	// Step 1: what cannot be parsed (4.4, 4.6).
	if p.Reason != flow.ReasonUnset {
		return Judgement{Reason: p.Reason}
	}
	// Steps 2 and 3: link layer, then source and destination check (4.2, 5).
	if r := w.linkLayer(e, d, p); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	if r := w.spoofed(e, d, p); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	// Step 4: multicast and broadcast (4.3).
	if r := w.groupcast(e, d, p); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	// Step 6 begins before step 5: what a later fragment is about, its first one
	// says (4.5).
	if p.Fragment.Is {
		return w.judgeFragment(e, d, p, path, now)
	}
	return w.judgeDatagram(e, d, p, path, now)
}

// judgeDatagram is what follows when the transport header is known.
func (w *World) judgeDatagram(e *Interface, d flow.Direction, p flow.Packet, path Path, now time.Duration) Judgement {
	// Step 5: exempt traffic (4.1).
	if r := w.exempt(e, d, p, now); r != flow.ReasonUnset {
		return Judgement{Reason: r}
	}
	// Before the first snapshot everything else is dropped (3.10).
	if len(e.Groups) == 0 {
		return Judgement{Reason: flow.ReasonNoPolicy}
	}
	// To and from multicast groups there is no state, and nothing is an answer.
	if p.Dst.IsMulticast() {
		if rules := w.Allowed(e, d, p, path); len(rules) > 0 {
			return Judgement{Reason: flow.ReasonRule, Rules: rules}
		}
		return Judgement{Reason: flow.ReasonNoRule}
	}
	return w.judgeFlow(e, d, p, path, now)
}

// judgeFlow is steps 7 to 13: state, then rules, then new state.
func (w *World) judgeFlow(e *Interface, d flow.Direction, p flow.Packet, path Path, now time.Duration) Judgement {
	w.collect(e, now)
	// Step 7. A live entry is sufficient, whatever the rules say now.
	k, stateful := keyOf(d, p)
	var c *entry
	if stateful {
		c = w.find(e, k, now)
	}
	if c != nil && !c.needsFreshVerdict(d, p) {
		return Judgement{Reason: c.update(d, p, now)}
	}
	// Step 8.
	if w.related(e, d, p, now) {
		return Judgement{Reason: flow.ReasonRelated}
	}
	// Step 9.
	rules := w.Allowed(e, d, p, path)
	if len(rules) == 0 {
		if w.pathMTU(e, d, p, path, now) {
			return Judgement{Reason: flow.ReasonRelated}
		}
		return Judgement{Reason: flow.ReasonNoRule}
	}
	untracked := w.Untracked(e, d, p, path)
	if c != nil {
		return Judgement{Reason: e.freshSYN(k, c, d, p, untracked, now), Rules: rules}
	}
	// Step 10.
	if untracked {
		return Judgement{Reason: flow.ReasonUntracked, Rules: rules}
	}
	// Step 11.
	if !stateful {
		return Judgement{Reason: flow.ReasonRule, Rules: rules}
	}
	first, r := newEntry(d, p, now, now < w.Switches.GraceUntil)
	if first == nil {
		return Judgement{Reason: r, Rules: rules}
	}
	// Step 12.
	first.cost = path.Class.Cost()
	if !w.take(e, first.cost, now) {
		return Judgement{Reason: flow.ReasonAllowance, Rules: rules}
	}
	// Step 13.
	first.remoteOwner = w.ownerName(e.VPC, p.Remote(d))
	if e.entries == nil {
		e.entries = make(map[key]*entry)
	}
	e.entries[k] = first
	return Judgement{Reason: r, Rules: rules}
}
