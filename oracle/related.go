// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// pathMTUPerSecond limits the exception for untracked flows (3.4).
const pathMTUPerSecond = 100

// related reports an ICMP error about a live flow (3.4).
func (w *World) related(e *Interface, d flow.Direction, p flow.Packet, now time.Duration) bool {
	if w.Switches.NoRelated || !p.Embedded.Is {
		return false
	}
	about := p.Embedded.Packet(p.Family)
	if p.Dst != about.Src {
		return false
	}
	if d == flow.Ingress && e.SourceDestCheck && !e.owns(about.Src) {
		return false
	}
	k, stateful := keyOf(d.Opposite(), about)
	return stateful && w.find(e, k, now) != nil
}

// pathMTU reports an error that path-MTU discovery of an untracked flow lives on,
// within its limit (3.4). What a rule admits does not count towards that.
func (w *World) pathMTU(e *Interface, d flow.Direction, p flow.Packet, path Path, now time.Duration) bool {
	if w.Switches.NoPathMTU || d != flow.Ingress || !p.Embedded.Is ||
		[2]uint8{p.Type, p.Code} != flow.PathMTU[p.Family] {
		return false
	}
	about := p.Embedded.Packet(p.Family)
	return e.owns(about.Src) && w.Untracked(e, flow.Egress, about, Path{Class: path.Class}) &&
		e.pathMTU.admits(pathMTUPerSecond, now)
}

// window counts events of one second. It begins with an event, and the first one
// a second later or more begins the next. The zero window has seen none.
type window struct {
	begun time.Duration
	count int
}

// admits counts an event and reports whether it is within so many.
func (w *window) admits(limit int, now time.Duration) bool {
	if w.count == 0 || now-w.begun >= time.Second {
		*w = window{begun: now}
	}
	w.count++
	return w.count <= limit
}
