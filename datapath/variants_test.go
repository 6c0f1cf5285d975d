// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// TestEveryVariantLoads has the verifier accept every program in every variant that is
// ever loaded: for tests and for use, with few and with many interfaces, by tcx and by
// clsact. Other settings are data that the verifier knows nothing of, so that it has
// walked through what they lead to in each of these.
func TestEveryVariantLoads(t *testing.T) {
	for _, v := range []struct {
		testing    bool
		interfaces int
		attach     datapath.AttachMode
	}{
		{false, 1, datapath.AttachTCX}, {false, 4096, datapath.AttachClsact},
		{true, 1, datapath.AttachClsact}, {true, 4096, datapath.AttachTCX},
	} {
		t.Run(fmt.Sprintf("%+v", v), func(t *testing.T) {
			rig := bpftest.NewWith(t, func(c *datapath.Config) {
				c.Testing, c.MaxInterfaces, c.Attach = v.testing, v.interfaces, v.attach
			})
			rig.Attach(bpftest.Interface("eni-a", a1, a6))
		})
	}
}

// TestStackInOlderKernels: the verifier of kernels before 6.4 rounds the frame of each
// function up to 32 bytes and lets a chain of calls have 512, so what the kernel here
// accepts is no proof. The depth of a function is what its code says of the frame
// pointer.
func TestStackInOlderKernels(t *testing.T) {
	spec, err := bpfobj.LoadHedgeward()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range spec.Programs {
		depth, calls := frames(p)
		if got, chain := deepest(name, depth, calls, 0); got > 512 {
			t.Errorf("%s takes %d bytes of stack: %v", name, got, chain)
		} else if got == 0 && name != bpfobj.HedgewardProgClock {
			t.Errorf("%s takes no stack: its code was not understood", name)
		}
	}
}

// frames returns how deep each function of a program goes, and which it calls.
func frames(p *ebpf.ProgramSpec) (depth map[string]int, calls map[string]map[string]bool) {
	depth, calls = map[string]int{}, map[string]map[string]bool{}
	in, framePointer := p.Name, map[asm.Register]bool{}
	for _, ins := range p.Instructions {
		if f := btf.FuncMetadata(&ins); f != nil {
			in = f.Name
		}
		at := 0
		switch {
		case ins.IsFunctionCall():
			if calls[in] == nil {
				calls[in] = map[string]bool{}
			}
			calls[in][ins.Reference()] = true
		case ins.OpCode.ALUOp() == asm.Mov && ins.Src == asm.R10:
			framePointer[ins.Dst] = true
			continue
		case ins.OpCode.ALUOp() == asm.Add && framePointer[ins.Dst]:
			at = int(-ins.Constant)
		case ins.OpCode.Class().IsLoad() && ins.Src == asm.R10, ins.OpCode.Class().IsStore() && ins.Dst == asm.R10:
			at = int(-ins.Offset)
		}
		clear(framePointer)
		depth[in] = max(depth[in], at)
	}
	return depth, calls
}

// deepest returns what the deepest chain of calls from a function takes.
func deepest(name string, depth map[string]int, calls map[string]map[string]bool, level int) (size int, chain []string) {
	if level > 8 { // the verifier allows no more, nor recursion
		return 1 << 20, nil
	}
	for callee := range calls[name] {
		if s, c := deepest(callee, depth, calls, level+1); s > size {
			size, chain = s, c
		}
	}
	own := (max(depth[name], 1) + 31) / 32 * 32
	return own + size, append([]string{fmt.Sprintf("%s %d", name, depth[name])}, chain...)
}
