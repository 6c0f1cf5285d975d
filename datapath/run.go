// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/flow"
)

// ProgramRun is what the programs did with one frame.
type ProgramRun struct {
	Passed bool // it goes on where the host has it go

	// Judged says which gates saw the frame, Reason and Rule what they
	// answered; Rule is a number in the policy in force there, 0xffff if no
	// rule decided. A frame that egress admits and that has no route counts as
	// seen by both gates: ingress answers no_route.
	Judged [flow.NumDirections]bool
	Reason [flow.NumDirections]flow.Reason
	Rule   [flow.NumDirections]uint16

	Redirect int    // ifindex of the device whose peer gets the frame; 0: nobody
	Frame    []byte // as it left the program

	// To another host: the last four bytes of its address, and the number of the VPC.
	Host [4]byte
	VNI  uint32
}

// skbuff is struct __sk_buff of the kernel's linux/bpf.h.
type skbuff struct {
	_        [2]uint32
	Mark     uint32
	_        [5]uint32
	Priority uint32

	IngressIfindex uint32

	Ifindex     uint32
	_           uint32
	CB          [5]uint32
	_           [5]uint32 // hash, tc_classid, data, data_end, napi_id
	_           [14]uint32
	_           [2]uint64 // flow_keys, tstamp
	_           uint32    // wire_len
	GSOSegments uint32
	_           uint64
	GSOSize     uint32
	_           uint32
	_           uint64
}

// RunProgram runs a frame through the programs without sending it: from the
// instance behind a device (Egress), or to it (Ingress). segments above 1 make
// it an offloaded packet. State is kept as for a real frame. The datapath must
// have been opened for Testing.
func (d *Datapath) RunProgram(dir flow.Direction, ifindex int, frame []byte, segments int) (ProgramRun, error) {
	return d.RunProgramVia(dir, ifindex, frame, segments, 0)
}

// Via is what the fabric says of a packet's path (section 1.6), as far as the host
// has nothing yet that would. Its bits are those of INJECT_… in bpf/hedgeward.c.
type Via uint32

const (
	ViaNoEgressReference  Via = 1 << iota // group references of egress rules cannot match
	ViaNoIngressReference                 // nor those of ingress rules
	ViaForced                             // the path forces tracking (2.4)
)

// RunProgramVia is RunProgram for a packet that came, or goes, by a certain path.
func (d *Datapath) RunProgramVia(dir flow.Direction, ifindex int, frame []byte, segments int, via Via) (ProgramRun, error) {
	if !d.cfg.Testing {
		return ProgramRun{}, errors.New("run a program: the datapath was not opened for testing")
	}
	prog := d.Program(dir)
	if d.isAttached(ifindex) {
		prog = map[flow.Direction]*ebpf.Program{flow.Egress: d.progs.AttachedFrom, flow.Ingress: d.progs.AttachedTo}[dir]
	}
	return runFrame(prog, ifindex, frame, segments, via)
}

// isAttached reports whether an interface is attached to a device that somebody
// else made.
func (d *Datapath) isAttached(ifindex int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.slots {
		if rec := d.record(s.number); rec.Ifindex == uint32(ifindex) {
			return rec.Flags&interfaceAttached != 0
		}
	}
	return false
}

// RunFromInternet is RunProgram for a frame that comes in by the uplink.
func (d *Datapath) RunFromInternet(frame []byte) (ProgramRun, error) {
	if !d.cfg.Testing {
		return ProgramRun{}, errors.New("run a program: the datapath was not opened for testing")
	}
	return runFrame(d.progs.FromInternet, 1, frame, 1, 0)
}

// RunFromOverlay is RunProgram for a frame that another host sends, under the number
// of a VPC. Of the host's address the last four bytes are looked at; the others are
// this host's.
func (d *Datapath) RunFromOverlay(frame []byte, host netip.Addr, vni uint32) (ProgramRun, error) {
	if !d.cfg.Testing {
		return ProgramRun{}, errors.New("run a program: the datapath was not opened for testing")
	}
	b := host.AsSlice()
	in := skbuff{Ifindex: 1, Mark: binary.NativeEndian.Uint32(b[len(b)-4:]), Priority: vni}
	return runWith(d.progs.FromOverlay, in, frame)
}

func runFrame(prog *ebpf.Program, ifindex int, frame []byte, segments int, via Via) (ProgramRun, error) {
	in := skbuff{Ifindex: uint32(ifindex)}
	in.CB[3] = uint32(via)
	if segments > 1 {
		in.GSOSegments, in.GSOSize = uint32(segments), 1448
	}
	return runWith(prog, in, frame)
}

func runWith(prog *ebpf.Program, in skbuff, frame []byte) (ProgramRun, error) {
	var ctx skbuff
	out := make([]byte, len(frame)+256)
	opts := &ebpf.RunOptions{Data: frame, DataOut: out, Context: &in, ContextOut: &ctx}
	ret, err := prog.Run(opts)
	if err != nil {
		return ProgramRun{}, fmt.Errorf("run %s: %w", prog, err)
	}
	const ok, next, redirect = 0, 1<<32 - 1, 7 // TC_ACT_…
	r := ProgramRun{Passed: ret == ok || ret == next, Frame: opts.DataOut}
	for dir := range r.Judged {
		r.Judged[dir] = ctx.CB[4]&(1<<dir) != 0
		r.Reason[dir] = flow.Reason(ctx.CB[dir])
		r.Rule[dir] = uint16(ctx.CB[dir] >> 16)
	}
	if ret == redirect {
		r.Redirect = int(ctx.CB[2])
	}
	binary.NativeEndian.PutUint32(r.Host[:], ctx.Mark)
	r.VNI = ctx.Priority
	return r, nil
}

// Program returns the program that judges what comes from an instance (Egress)
// or goes to it, for measuring.
func (d *Datapath) Program(dir flow.Direction) *ebpf.Program {
	if dir == flow.Egress {
		return d.progs.FromInstance
	}
	return d.progs.ToInstance
}
