// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"context"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// A kernel that does not preempt its own calls (PREEMPT_NONE) lets nobody else have
// the processor before a call returns, so a table is not swept by one: so many
// entries are copied at once, looked at here, and those that seem dead are named to
// the program, so many at once. What is dead is for the program to say; what is
// overlooked here waits for the next sweep.
const (
	sweepSlice = 1024
	maxVictims = 256 // MAX_VICTIMS of bpf/sweep.h
)

// The tables of flows, as enum flow_table of bpf/sweep.h has them.
const (
	inFlows = iota + 1
	inTransit
	inPairs
)

// pass is one sweep of all tables.
type pass struct {
	d       *Datapath
	now     uint32 // less margin
	victims []bpfobj.HedgewardVictim
	found   Swept
	counts  []uint32 // live flows by allowance, but for those that the program counts
}

func (d *Datapath) sweepTables(ctx context.Context) (*pass, error) {
	now, err := kernelNow(d.progs.Clock)
	if err != nil {
		return nil, err
	}
	p := &pass{
		d: d, now: now - jiffies(margin, d.hz), counts: make([]uint32, d.Allowances.MaxEntries()),
		victims: make([]bpfobj.HedgewardVictim, 0, sweepSlice),
	}
	if err := sweepTable(ctx, p, d.HedgewardMaps.Flows, p.ofFlows); err != nil {
		return nil, err
	}
	if err := sweepTable(ctx, p, d.FlowsTransit, p.ofTransit); err != nil {
		return nil, err
	}
	return p, sweepTable(ctx, p, d.Pairs, p.ofPairs)
}

func sweepTable[K, V any](ctx context.Context, p *pass, m *ebpf.Map, look func(*K, *V)) error {
	return eachSlice(m, sweepSlice, func(keys []K, values []V) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.d.mu.Lock()
		for i := range keys {
			look(&keys[i], &values[i])
		}
		p.d.mu.Unlock()
		return p.end()
	})
}

// end has the program end the victims, and empties the list.
func (p *pass) end() error {
	for rest := p.victims; len(rest) > 0; {
		some := rest[:min(len(rest), maxVictims)]
		rest = rest[len(some):]
		if _, err := p.d.run(p.d.progs.Sweep, some); err != nil {
			return err
		}
		var s Swept
		if err := p.d.vars.Swept.Get(&s); err != nil {
			return fmt.Errorf("read what was swept: %w", err)
		}
		p.found.Live += s.Live
		p.found.Embryonic += s.Embryonic
		p.found.Freed += s.Freed
	}
	p.victims = p.victims[:0]
	return nil
}

// run runs a program of bpf/sweep.h over victims, of which there are not too many.
func (d *Datapath) run(program *ebpf.Program, victims []bpfobj.HedgewardVictim) (uint32, error) {
	if len(victims) < maxVictims { // the list ends with one of no table
		victims = append(victims[:len(victims):len(victims)], bpfobj.HedgewardVictim{})
	}
	places := make([]uint32, len(victims))
	for i := range places {
		places[i] = uint32(i)
	}
	if _, err := d.Victims.BatchUpdate(places, victims, nil); err != nil {
		return 0, fmt.Errorf("name flows to a program: %w", err)
	}
	return program.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
}

// fate is what one end of an entry seems to be.
type fate int

const (
	absent fate = iota // nothing is remembered there
	alive
	dead
)

func (p *pass) fateOf(id uint32, f *bpfobj.HedgewardFlow) (fate, bpfobj.HedgewardLocal) {
	if f.Mark&markState == 0 || f.Mark == buried {
		return absent, bpfobj.HedgewardLocal{}
	}
	local := p.d.ids[id]
	if local.Slot == 0 || !p.d.live(f, p.d.record(local.Slot-1), p.now) {
		return dead, local
	}
	return alive, local
}

// count counts an end that is alive.
func (p *pass) count(local bpfobj.HedgewardLocal, f *bpfobj.HedgewardFlow) {
	p.counts[local.Allowance]++
	p.found.Live++
	if f.Mark&markState <= uint32(bpfobj.HedgewardStateSYN_RECV) {
		p.found.Embryonic++
	}
}

func (p *pass) ofFlows(k *bpfobj.HedgewardFlowKey, f *bpfobj.HedgewardFlow) {
	if fate, local := p.fateOf(k.Local>>8, f); fate == alive {
		p.count(local, f)
		return
	}
	v := bpfobj.HedgewardVictim{Table: inFlows}
	v.Key.Flow = *k
	p.victims = append(p.victims, v)
}

func (p *pass) ofTransit(k *bpfobj.HedgewardTransitKey, f *bpfobj.HedgewardFlow) {
	if fate, local := p.fateOf(k.Flow.Local>>8, f); fate == alive {
		p.count(local, f)
		return
	}
	p.victims = append(p.victims, bpfobj.HedgewardVictim{Table: inTransit, Key: *k})
}

// ofPairs looks at both ends. One that is absent is no reason to ask the program
// again and again while the other lives.
func (p *pass) ofPairs(k *bpfobj.HedgewardPairKey, pair *bpfobj.HedgewardPair) {
	low, lowLocal := p.fateOf(k.Low>>8, &pair.End[0])
	high, highLocal := p.fateOf(k.High, &pair.End[1])
	if low == dead || high == dead || low == high && low == absent {
		p.victims = append(p.victims, bpfobj.HedgewardVictim{Table: inPairs, Pair: *k})
		return
	}
	if low == alive {
		p.count(lowLocal, &pair.End[0])
	}
	if high == alive {
		p.count(highLocal, &pair.End[1])
	}
}
