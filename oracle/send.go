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

// Send carries a packet from an interface to whoever owns its destination in the
// same VPC (1.2): judged at both, with state of its own at each.
func (w *World) Send(from *Interface, p flow.Packet, now time.Duration) Delivery {
	j := w.Judge(from, flow.Egress, p, nil, now)
	d := Delivery{Egress: &j}
	if j.Verdict() != flow.Accept {
		return d // dropped, or exempt and then answered by the host
	}
	if d.To = w.Owner(from.VPC, p.Dst); d.To != nil {
		in := w.Judge(d.To, flow.Ingress, p, from, now)
		d.Ingress = &in
	}
	return d
}

// Arrive delivers a packet from outside to an interface's ingress gate.
func (w *World) Arrive(to *Interface, p flow.Packet, now time.Duration) Delivery {
	j := w.Judge(to, flow.Ingress, p, nil, now)
	return Delivery{Ingress: &j, To: to}
}
