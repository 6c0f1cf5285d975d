// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// Delivery is the fate of a packet between its ends. A gate that did not see it
// has a nil judgement.
type Delivery struct {
	Egress  *Judgement
	Ingress *Judgement
	To      *Interface // whose ingress gate judged it; nil when none did

	Released []Delivery // fragments that were held at the sender's gate and went on with it
}

// Reason returns why the packet got where it got to: the last gate's reason, or
// no_route when its own gate let it go and nobody was there.
func (d Delivery) Reason() flow.Reason {
	switch {
	case d.Ingress != nil:
		return d.Ingress.Reason
	case d.Egress == nil || d.Egress.Verdict() == flow.Accept:
		return flow.ReasonNoRoute
	}
	return d.Egress.Reason
}

// Send carries a packet from an interface to whoever the routes of its VPC deliver
// it to (1.2): judged at both, with state of its own at each. A class other than
// Direct says by what path it goes instead of the VPCs' link.
func (w *World) Send(from *Interface, p flow.Packet, class PathClass, now time.Duration) Delivery {
	to, linked := w.Route(from.VPC, p.Dst)
	if class == Direct {
		class = linked
	}
	j := w.Judge(from, flow.Egress, p, Path{Class: class}, now)
	out := w.carry(from, to, p, j, class, now)
	for _, r := range j.Released {
		out.Released = append(out.Released, w.carry(from, to, r.Packet, r.Judgement, class, now))
	}
	return out
}

// carry takes a judged packet on to its receiver.
func (w *World) carry(from, to *Interface, p flow.Packet, j Judgement, class PathClass, now time.Duration) Delivery {
	d := Delivery{Egress: &j}
	if j.Verdict() != flow.Accept || to == nil {
		return d // dropped, held, or exempt and then the host's
	}
	d.To = to
	in := w.Judge(to, flow.Ingress, p, Path{From: from, Class: class}, now)
	d.Ingress = &in
	return d
}

// Arrive delivers a packet to an interface's ingress gate by a path that does not
// begin at a gate of this world.
func (w *World) Arrive(to *Interface, p flow.Packet, path Path, now time.Duration) Delivery {
	j := w.Judge(to, flow.Ingress, p, path, now)
	return Delivery{Ingress: &j, To: to}
}
