// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// Instance is what interfaces share: an allowance of tracked connections (3.8).
type Instance struct {
	Allowance int // 0: no limit
	Exceeded  int // packets that were dropped for want of it
}

// limit returns the instance of the interface if it has a limit.
func (w *World) limit(e *Interface) *Instance {
	if i := w.Instances[e.Instance]; i != nil && i.Allowance > 0 {
		return i
	}
	return nil
}

// siblings returns the interfaces that use the same allowance.
func (w *World) siblings(e *Interface) []*Interface {
	if e.Instance == "" {
		return []*Interface{e}
	}
	var out []*Interface
	for _, o := range w.Interfaces {
		if o.Instance == e.Instance {
			out = append(out, o)
		}
	}
	return out
}

// stored returns what the entries that are remembered cost, dead ones included.
func (w *World) stored(e *Interface) int {
	n := 0
	for _, o := range w.siblings(e) {
		for _, c := range o.entries {
			n += c.cost
		}
	}
	return n
}

// pressed reports that the instance uses more than 90 % of its allowance, which
// makes embryonic entries die early (3.6).
func (w *World) pressed(e *Interface) bool {
	i := w.limit(e)
	return i != nil && w.stored(e)*10 > i.Allowance*9
}

// collect forgets dead entries where they count: those that are dead anyway, and
// then, if that leaves the instance pressed, those that this kills. Where there is
// no limit they stay, so that a longer timeout can revive them (2.5).
func (w *World) collect(e *Interface, now time.Duration) {
	if w.limit(e) == nil {
		return
	}
	for _, early := range []bool{false, true} {
		if early && !w.pressed(e) {
			return
		}
		for _, o := range w.siblings(e) {
			maps.DeleteFunc(o.entries, func(k key, c *entry) bool { return !o.live(k, c, now, early) })
		}
	}
}

// take reports whether the instance has room for a new entry, and counts the
// packet if not (step 12 of 1.9).
func (w *World) take(e *Interface, cost int, now time.Duration) bool {
	i := w.limit(e)
	if i == nil || w.stored(e)+cost <= i.Allowance {
		return true
	}
	i.Exceeded++
	return false
}

// Available returns how much of its allowance the interface's instance has left
// (3.8).
func (w *World) Available(e *Interface, now time.Duration) int {
	w.collect(e, now)
	if i := w.limit(e); i != nil {
		return i.Allowance - w.stored(e)
	}
	return 0
}

// Entries returns what the live entries of the interface cost: one each, two over
// some paths (2.7).
func (w *World) Entries(e *Interface, now time.Duration) int {
	w.collect(e, now)
	n := 0
	for k, c := range e.entries {
		if e.live(k, c, now, w.pressed(e)) {
			n += c.cost
		}
	}
	return n
}

// Counted returns the packets and octets, by direction, that the interface's live
// entries have counted (3.1).
func (w *World) Counted(e *Interface, now time.Duration) (packets, octets [flow.NumDirections]int) {
	for k, c := range e.entries {
		if e.live(k, c, now, w.pressed(e)) {
			for d := range packets {
				packets[d] += c.packets[d]
				octets[d] += c.octets[d]
			}
		}
	}
	return packets, octets
}
