// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
)

// Judge decides about packets in a world that it is told of. It fails its test
// when it cannot.
type Judge interface {
	// Load brings a world into force in place of the one before.
	Load(*oracle.World)
	// Change brings a change into force that the world has already seen.
	Change(*oracle.World, *testworld.Change)
	Advance(time.Duration)

	Packet(*oracle.World, testworld.Packet) Fate

	Entries(*oracle.World, *oracle.Interface) int
	Counted(*oracle.World, *oracle.Interface) (packets, octets [flow.NumDirections]int)
	// Allowance returns what is available to the interface's instance and how
	// many packets exceeded it.
	Allowance(*oracle.World, *oracle.Interface) (available, exceeded int)
}

// Fate is what became of a packet, and of fragments that were held until it came.
type Fate struct {
	Met      [flow.NumDirections]bool // which gates it met
	Reason   [flow.NumDirections]flow.Reason
	To       string // whose ingress gate
	Released []Fate
}

// last returns the gate that the packet met last.
func (f Fate) last() flow.Direction {
	if f.Met[flow.Ingress] {
		return flow.Ingress
	}
	return flow.Egress
}

// Oracle judges by the specification. The world that it is shown is the one that
// it judges in.
type Oracle struct{ now time.Duration }

func (o *Oracle) Load(*oracle.World)                      {}
func (o *Oracle) Change(*oracle.World, *testworld.Change) {}
func (o *Oracle) Advance(d time.Duration)                 { o.now += d }

func (o *Oracle) Packet(w *oracle.World, p testworld.Packet) Fate {
	return fate(p.Deliver(w, o.now))
}

func fate(d oracle.Delivery) (f Fate) {
	for dir, j := range map[flow.Direction]*oracle.Judgement{flow.Ingress: d.Ingress, flow.Egress: d.Egress} {
		if j != nil {
			f.Met[dir], f.Reason[dir] = true, j.Reason
		}
	}
	if d.To != nil {
		f.To = d.To.Name
	}
	if d.Egress != nil && d.Reason() == flow.ReasonNoRoute {
		f.Met[flow.Ingress], f.Reason[flow.Ingress] = true, flow.ReasonNoRoute
	}
	for _, r := range d.Released {
		f.Released = append(f.Released, fate(r))
	}
	if d.Egress == nil {
		for _, r := range d.Ingress.Released {
			f.Released = append(f.Released, fate(oracle.Delivery{Ingress: &r.Judgement, To: d.To}))
		}
	}
	return f
}

func (o *Oracle) Entries(w *oracle.World, e *oracle.Interface) int { return w.Entries(e, o.now) }

func (o *Oracle) Counted(w *oracle.World, e *oracle.Interface) (packets, octets [flow.NumDirections]int) {
	return w.Counted(e, o.now)
}

func (o *Oracle) Allowance(w *oracle.World, e *oracle.Interface) (available, exceeded int) {
	if i := w.Instances[e.Instance]; i != nil {
		exceeded = i.Exceeded
	}
	return w.Available(e, o.now), exceeded
}
