// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

const (
	fragmentLife = 30 * time.Second // of a context, and of a fragment that is held (3.6)
	heldAtOnce   = 256              // fragments that an interface may have held (4.5)
)

// fragmentKey names a datagram (4.5); the interface is the map it is in.
type fragmentKey struct {
	direction flow.Direction
	src, dst  netip.Addr
	protocol  uint8 // 0 in IPv6
	id        uint32
}

// fragmentContext is what the first fragment of a datagram left.
type fragmentContext struct {
	made     time.Duration
	reason   flow.Reason
	rules    []string
	entry    *entry       // that counts the datagram; nil if none does
	seen     map[int]bool // units of eight octets that have come
	units    int          // of the whole datagram; 0 until its last fragment has come
	overlaps bool         // nothing more of it passes
}

type heldFragment struct {
	key    fragmentKey
	packet flow.Packet
	path   Path
	since  time.Duration
}

func keyOfFragment(d flow.Direction, p flow.Packet) fragmentKey {
	k := fragmentKey{d, p.Src, p.Dst, p.Protocol, p.Fragment.ID}
	if p.Src.Is6() {
		k.protocol = 0
	}
	return k
}

// judgeFragment is section 4.5.
func (w *World) judgeFragment(e *Interface, d flow.Direction, p flow.Packet, path Path, now time.Duration) Judgement {
	k := keyOfFragment(d, p)
	c := e.contexts[k]
	if c != nil && now-c.made >= fragmentLife {
		c = nil
	}
	_, ofService := w.serviceOf(e, d, p)
	switch {
	case p.Fragment.Offset == 0:
		return w.firstFragment(e, d, p, path, now, k, c)
	case c != nil:
		return w.laterFragment(e, c, d, p, now)
	case (inServiceBlock(p.Dst) || linkLocalV6.Contains(p.Dst)) && !ofService:
		return Judgement{Reason: flow.ReasonLinkLocal}
	case len(e.Groups) == 0:
		return Judgement{Reason: flow.ReasonNoPolicy}
	case w.Switches.FragmentContext && ofService:
		return Judgement{Reason: flow.ReasonFragNoContext}
	case w.Switches.FragmentContext && w.tooMany(e, d, now):
		return Judgement{Reason: flow.ReasonFragAllowance}
	case w.Switches.FragmentContext:
		if rules := w.AllowsAllPorts(e, d, p, path); len(rules) > 0 {
			return Judgement{Reason: flow.ReasonRule, Rules: rules}
		}
		return Judgement{Reason: flow.ReasonFragNoContext}
	}
	return Judgement{Reason: e.hold(heldFragment{k, p, path, now})}
}

// tooMany counts a fragment that is not held and reports whether the interface has
// sent too many in a second (3.8).
func (w *World) tooMany(e *Interface, d flow.Direction, now time.Duration) bool {
	limit := w.Switches.FragmentLimit
	return limit > 0 && d == flow.Egress && !e.fragments.admits(limit, now)
}

// hold keeps a fragment until its first one comes.
func (e *Interface) hold(h heldFragment) flow.Reason {
	e.held = slices.DeleteFunc(e.held, func(old heldFragment) bool { return h.since-old.since >= fragmentLife })
	if len(e.held) >= heldAtOnce {
		return flow.ReasonFragNoContext
	}
	e.held = append(e.held, h)
	return flow.ReasonFragHeld
}

// firstFragment judges a fragment that has the transport header, like a whole
// packet, and what was held for it. c is the context there is, or nil.
func (w *World) firstFragment(
	e *Interface, d flow.Direction, p flow.Packet, path Path, now time.Duration, k fragmentKey, c *fragmentContext,
) Judgement {
	if w.tooMany(e, d, now) {
		return Judgement{Reason: flow.ReasonFragAllowance}
	}
	// An identification may come again, but not before its datagram is whole.
	if c != nil && !c.whole() && w.minded(p) && c.covers(p) {
		c.overlaps = true
		return Judgement{Reason: flow.ReasonFragOverlap}
	}
	j := w.judgeDatagram(e, d, p, path, now)
	if j.Verdict() == flow.Discard {
		return j
	}
	c = &fragmentContext{made: now, reason: j.Reason, rules: j.Rules, seen: map[int]bool{}}
	if flowKey, stateful := keyOf(d, p); stateful {
		c.entry = w.find(e, flowKey, now)
	}
	c.note(p)
	if e.contexts == nil {
		e.contexts = map[fragmentKey]*fragmentContext{}
	}
	e.contexts[k] = c
	var still []heldFragment
	for _, h := range e.held {
		switch {
		case h.key != k:
			still = append(still, h)
		case now-h.since < fragmentLife:
			j.Released = append(j.Released, Released{h.packet, w.laterFragment(e, c, d, h.packet, now)})
		}
	}
	e.held = still
	return j
}

// laterFragment gives a fragment the verdict of its first one. It counts for the
// same entry and does not refresh it.
func (w *World) laterFragment(e *Interface, c *fragmentContext, d flow.Direction, p flow.Packet, now time.Duration) Judgement {
	if w.tooMany(e, d, now) {
		return Judgement{Reason: flow.ReasonFragAllowance}
	}
	if w.minded(p) && (c.overlaps || c.covers(p)) {
		c.overlaps = true
		return Judgement{Reason: flow.ReasonFragOverlap}
	}
	c.note(p)
	if c.entry != nil && c.reason.Verdict() == flow.Accept {
		c.entry.count(d, p)
	}
	return Judgement{Reason: c.reason, Rules: c.rules}
}

// minded reports whether an overlap of the packet's datagram is minded.
func (w *World) minded(p flow.Packet) bool {
	return p.Family == flow.IPv6 || !w.Switches.FragmentContext
}

// units returns the places of the fragment in its datagram, in eights of octets.
func units(p flow.Packet) (from, to int) {
	return int(p.Fragment.Offset) / 8, (int(p.Fragment.Offset) + p.Fragment.Length + 7) / 8
}

// covers reports that something of the fragment has come already.
func (c *fragmentContext) covers(p flow.Packet) bool {
	from, to := units(p)
	for u := from; u < to; u++ {
		if c.seen[u] {
			return true
		}
	}
	return false
}

func (c *fragmentContext) note(p flow.Packet) {
	from, to := units(p)
	for u := from; u < to; u++ {
		c.seen[u] = true
	}
	if !p.Fragment.More {
		c.units = to
	}
}

// whole reports that every fragment has come.
func (c *fragmentContext) whole() bool { return c.units > 0 && len(c.seen) == c.units }
