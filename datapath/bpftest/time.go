// SPDX-License-Identifier: Apache-2.0

package bpftest

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Meter times runs of programs, net of what a run costs that does nothing. It
// runs them by a tail call from a program of its own that makes each packet anew:
// its MAC addresses, and its ports if they are to differ from run to run.
type Meter struct {
	From int // device by which frames have come in; 0: none

	feeder  map[bool]*ebpf.Program // by whether ports differ
	target  *ebpf.Map
	counter *ebpf.Map
	empty   *ebpf.Program
}

// Offsets in struct __sk_buff of the kernel's linux/bpf.h, and in a frame of IPv4.
const (
	skbData, skbDataEnd = 76, 80
	portsAt             = 14 + 20
)

// NewMeter makes a meter for frames that begin with the given MAC addresses.
func NewMeter(macs [12]byte) (*Meter, error) {
	m := &Meter{feeder: make(map[bool]*ebpf.Program)}
	var err error
	if m.target, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}); err != nil {
		return nil, err
	}
	if m.counter, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}); err != nil {
		return nil, err
	}
	load := func(insns asm.Instructions) (*ebpf.Program, error) {
		return ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: insns})
	}
	if m.empty, err = load(asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}); err != nil {
		return nil, err
	}
	for _, differ := range []bool{false, true} {
		insns := asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.LoadMem(asm.R7, asm.R6, skbData, asm.Word),
			asm.LoadMem(asm.R8, asm.R6, skbDataEnd, asm.Word),
			asm.Mov.Reg(asm.R1, asm.R7),
			asm.Add.Imm(asm.R1, portsAt+4),
			asm.JGT.Reg(asm.R1, asm.R8, "out"),
		}
		for at := 0; at < len(macs); at += 4 {
			word := int64(int32(binary.NativeEndian.Uint32(macs[at:])))
			insns = append(insns, asm.StoreImm(asm.R7, int16(at), word, asm.Word))
		}
		if differ {
			insns = append(insns,
				asm.LoadMapValue(asm.R2, m.counter.FD(), 0),
				asm.LoadMem(asm.R1, asm.R2, 0, asm.Word),
				asm.Add.Imm(asm.R1, 1),
				asm.StoreMem(asm.R2, 0, asm.R1, asm.Word),
				asm.StoreMem(asm.R7, portsAt, asm.R1, asm.Word),
			)
		}
		insns = append(insns,
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.LoadMapPtr(asm.R2, m.target.FD()),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnTailCall.Call(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
			asm.Return(),
		)
		if m.feeder[differ], err = load(insns); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// chunk is how many runs are timed at once: far less than a scheduler's slice.
const chunk = 500

// Time returns the nanoseconds that a program takes with a frame, on a device,
// those of the faster runs. With differ, no two runs see the same ports.
func (m *Meter) Time(p *ebpf.Program, ifindex int, frame []byte, runs int, differ bool) (float64, error) {
	var took [2][]time.Duration
	run := &ebpf.RunOptions{Data: frame, Context: &skbuff{IngressIfindex: uint32(m.From), Ifindex: uint32(ifindex)}, Repeat: chunk}
	for range max(runs/chunk, 1) {
		for i, prog := range []*ebpf.Program{m.empty, p} {
			if err := m.target.Put(uint32(0), prog); err != nil {
				return 0, err
			}
			begun := time.Now()
			if _, err := m.feeder[differ].Run(run); err != nil {
				return 0, err
			}
			took[i] = append(took[i], time.Since(begun))
		}
	}
	var at [2]float64
	for i := range took {
		slices.Sort(took[i])
		at[i] = float64(took[i][len(took[i])/10]) / chunk
	}
	return at[1] - at[0], nil
}

// skbuff is the beginning of struct __sk_buff of the kernel's linux/bpf.h, which
// is 192 bytes long: only devices are set.
type skbuff struct {
	_              [9]uint32
	IngressIfindex uint32
	Ifindex        uint32
	_              [37]uint32
}
