// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// handles are the numbers by which flows and counters know rules: whatever
// policies a rule is in, and whatever its number is there, it has one handle. It
// keeps it, with its counters, while a policy holds it or a flow carries it, and
// beyond that until the number is needed for another rule.
type handles struct {
	byRule map[string]uint32
	rule   []string // by handle; "" is free; 0 is for rules without a handle
	refs   []int32  // policies that hold it
	free   []uint32
}

func (h *handles) release(held []uint32) {
	for _, n := range held {
		h.refs[n]--
	}
}

// hold returns the handle of a rule, 0 if there are no more: the rule admits all
// the same, only nobody counts it.
func (d *Datapath) hold(rule string) (uint32, error) {
	h := &d.handles
	n, ok := h.byRule[rule]
	if !ok {
		if rule == "" || len(rule) > maxName {
			return 0, nil
		}
		if len(h.free) == 0 {
			if err := d.freeHandles(); err != nil || len(h.free) == 0 {
				return 0, err
			}
		}
		n = h.free[len(h.free)-1]
		if err := d.zeroUse(n); err != nil {
			return 0, err
		}
		var key bpfobj.HedgewardName
		cString(key.Text[:], rule)
		if err := d.Handles.Put(&key, n); err != nil {
			return 0, fmt.Errorf("remember rule %s: %w", rule, asFull(err))
		}
		h.free = h.free[:len(h.free)-1]
		h.byRule[rule], h.rule[n] = n, rule
	}
	h.refs[n]++
	return n, nil
}

// writeHandles puts the handles of a policy's rules where its programs find them.
func (d *Datapath) writeHandles(in *installed, rules []string) (bpfobj.HedgewardRow, extent, error) {
	x, err := d.steps.take(uint32(len(rules)))
	if err != nil {
		return bpfobj.HedgewardRow{}, extent{}, err
	}
	for i, rule := range rules {
		n, err := d.hold(rule)
		if err != nil {
			d.steps.give(x)
			return bpfobj.HedgewardRow{}, extent{}, err
		}
		if n != 0 {
			in.rules = append(in.rules, n)
		}
		*d.step(x.offset + uint32(i)) = bpfobj.HedgewardStep{Start: n}
	}
	return bpfobj.HedgewardRow{Offset: x.offset, Count: x.count}, x, nil
}

// holdHandles notes that an adopted policy holds the handles of a run of steps.
func (d *Datapath) holdHandles(in *installed, row bpfobj.HedgewardRow) {
	for i := range row.Count {
		n := d.step(row.Offset + i).Start
		if n != 0 && n < uint32(len(d.handles.refs)) {
			d.handles.refs[n]++
			in.rules = append(in.rules, n)
		}
	}
}

func (d *Datapath) adoptHandles() error {
	size := d.HedgewardMaps.Uses.MaxEntries()
	h := &d.handles
	*h = handles{byRule: make(map[string]uint32), rule: make([]string, size), refs: make([]int32, size)}
	var key bpfobj.HedgewardName
	var n uint32
	it := d.Handles.Iterate()
	for it.Next(&key, &n) {
		if n > 0 && n < size {
			h.byRule[goString(key.Text[:])], h.rule[n] = n, goString(key.Text[:])
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read handles of rules: %w", err)
	}
	for n := size - 1; n > 0; n-- {
		if h.rule[n] == "" {
			h.free = append(h.free, n)
		}
	}
	return nil
}

// freeHandles takes the handles of rules that no policy holds and no flow carries.
func (d *Datapath) freeHandles() error {
	carried := make(map[uint32]bool)
	err := d.eachEnd(func(_ entry, f *bpfobj.HedgewardFlow) bool {
		carried[f.Mark>>8] = true
		return true
	})
	if err != nil {
		return err
	}
	h := &d.handles
	for n := len(h.rule) - 1; n > 0; n-- {
		if h.rule[n] == "" || h.refs[n] > 0 || carried[uint32(n)] {
			continue
		}
		var key bpfobj.HedgewardName
		cString(key.Text[:], h.rule[n])
		d.drop(d.Handles.Delete(&key))
		delete(h.byRule, h.rule[n])
		h.rule[n] = ""
		h.free = append(h.free, uint32(n))
	}
	return nil
}

func (d *Datapath) zeroUse(n uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	if err := d.HedgewardMaps.Uses.Put(n, make([]bpfobj.HedgewardUse, cpus)); err != nil {
		return fmt.Errorf("reset the counters of a rule: %w", err)
	}
	return nil
}
