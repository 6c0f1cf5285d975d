// SPDX-License-Identifier: Apache-2.0

package inforce

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/conformance"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
)

// Run is what the programs did with a packet, and with fragments of the same
// datagram that were held until it came.
type Run struct {
	datapath.ProgramRun
	Refused  bool // by the kernel: the frame has no IP header to run anything on
	To       string
	Released []Run
}

// held is a fragment that a program handed to the holder: where it is to be given
// back. The first try of many that come to nothing costs little.
type held struct {
	gate  string
	dir   flow.Direction
	frame []byte
	since time.Duration
}

// heldLife is how long a fragment is held (section 4.5).
const heldLife = 30 * time.Second

// Run gives a packet to the programs, and then the fragments that wait for it.
func (k *Kernel) Run(w *oracle.World, p testworld.Packet) Run {
	k.t.Helper()
	d := flow.Egress
	if p.Outside {
		d = flow.Ingress
	}
	h := held{p.Gate, d, p.Frame(w), k.now}
	out := k.run(w, h, p)
	if !h.first() {
		return out
	}
	waiting := k.held
	k.held = nil
	for _, h := range waiting {
		if k.now-h.since >= heldLife {
			continue
		}
		if r := k.run(w, h, p); r.Reason[h.dir] != flow.ReasonFragHeld {
			out.Released = append(out.Released, r)
		}
	}
	return out
}

// first reports the first fragment of a datagram.
func (h held) first() bool {
	p := flow.Decode(h.frame)
	return p.Reason == flow.ReasonUnset && p.Fragment.Is && p.Fragment.Offset == 0
}

// run gives a frame to the programs at its gate. Of p count its offload and path.
func (k *Kernel) run(w *oracle.World, h held, p testworld.Packet) Run {
	k.t.Helper()
	gate := w.Interfaces[h.gate]
	got, err := k.Rig.RunProgramVia(h.dir, k.Of(gate).Ifindex, h.frame, p.Offload.Segments, k.via(w, p))
	if errors.Is(err, unix.EINVAL) && flow.Decode(h.frame).Reason == flow.ReasonMalformed {
		r := Run{Refused: true}
		r.Judged[h.dir], r.Reason[h.dir] = true, flow.ReasonMalformed
		return r
	}
	k.must(err)
	out := Run{ProgramRun: got}
	if h.dir == flow.Ingress {
		out.To = h.gate
	} else if e, _ := w.Route(gate.VPC, flow.Decode(h.frame).Dst); e != nil {
		out.To = e.Name
	}
	for d, r := range got.Reason {
		if got.Judged[d] && r == flow.ReasonFragHeld {
			at := h.gate
			if flow.Direction(d) == flow.Ingress {
				at = out.To
			}
			k.held = append(k.held, held{at, flow.Direction(d), h.frame, h.since})
		}
	}
	return out
}

// via is what the path's class means to the programs.
func (k *Kernel) via(w *oracle.World, p testworld.Packet) (via datapath.Via) {
	class := p.Via
	if !p.Outside && class == oracle.Direct {
		_, class = w.Route(w.Interfaces[p.Gate].VPC, p.Dst)
	}
	if !class.References(flow.Egress) {
		via |= datapath.ViaNoEgressReference
	}
	if !class.References(flow.Ingress) || class == oracle.TransitGateway && !k.references(w) {
		via |= datapath.ViaNoIngressReference
	}
	if w.Switches.Forces(class) {
		via |= datapath.ViaForced
	}
	return via
}

// references reports that no link between VPCs is without references.
func (k *Kernel) references(w *oracle.World) bool {
	for _, l := range w.Links {
		if !l.References {
			return false
		}
	}
	return true
}

// Packet gives a packet to the programs.
func (k *Kernel) Packet(w *oracle.World, p testworld.Packet) conformance.Fate {
	return k.Run(w, p).fate()
}

func (r Run) fate() conformance.Fate {
	f := conformance.Fate{Met: r.Judged, Reason: r.Reason, To: r.To}
	for _, o := range r.Released {
		f.Released = append(f.Released, o.fate())
	}
	return f
}

// Allowance returns what is available to the interface's instance, and how many
// packets its interfaces had to drop for want of it.
func (k *Kernel) Allowance(w *oracle.World, e *oracle.Interface) (available, exceeded int) {
	k.sweep()
	for _, o := range w.Interfaces {
		if o == e || e.Instance != "" && o.Instance == e.Instance {
			s := k.Rig.Status(k.Of(o))
			available = s.Allowance - s.Used
			exceeded += exceededOf(s) - k.exceeded[s.ID]
		}
	}
	return available, exceeded
}

// exceededOf returns how many packets of an interface have ever exceeded their
// allowance.
func exceededOf(s datapath.InterfaceStatus) (n int) {
	for _, by := range s.Packets {
		n += int(by[flow.ReasonAllowance])
	}
	return n
}
