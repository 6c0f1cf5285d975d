// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"sync/atomic"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// DefaultAllowance is how many flows an instance may track at once unless its
// interfaces say otherwise: the documentation's example.
const DefaultAllowance = 136_812

// allowance is what the interfaces of an instance share (section 3.8).
type allowance struct {
	instance string
	number   uint32 // place in the allowances map
	refs     int    // interfaces
}

// share makes an interface one of an instance's. Nothing changes on error.
func (d *Datapath) share(s *slot, instance string, limit int) error {
	if instance == "" {
		instance = s.id
	}
	if limit <= 0 {
		limit = DefaultAllowance
	}
	a := d.allowances[instance]
	if a == nil {
		number, err := d.freeAllowance()
		if err != nil {
			return err
		}
		a = &allowance{instance: instance, number: number}
		d.allowances[instance] = a
	}
	rec := d.allowanceRecord(a.number)
	atomic.StoreUint32(&rec.High, uint32(limit-limit/10))
	atomic.StoreUint32(&rec.Limit, uint32(limit))
	if s.allowance == a {
		return nil
	}
	a.refs++
	d.leaveShare(s)
	s.allowance = a
	if err := d.putLocal(s.self, s); err != nil {
		return err
	}
	for p := range s.places {
		if err := d.putLocal(d.addresses[p].local, s); err != nil {
			return err
		}
	}
	return nil
}

func (d *Datapath) freeAllowance() (uint32, error) {
	taken := make(map[uint32]bool)
	for _, a := range d.allowances {
		taken[a.number] = true
	}
	for n := range d.Allowances.MaxEntries() {
		if !taken[n] {
			return n, nil
		}
	}
	return 0, fmt.Errorf("no room for more than %d instances: %w", d.Allowances.MaxEntries(), errFull)
}

// leaveShare takes an interface from its instance. The last one takes the
// allowance with it, once no flow counts for it any more.
func (d *Datapath) leaveShare(s *slot) {
	a := s.allowance
	if a == nil {
		return
	}
	s.allowance = nil
	if a.refs--; a.refs > 0 {
		return
	}
	d.gone = append(d.gone, func() {
		if a.refs == 0 && d.allowances[a.instance] == a {
			*d.allowanceRecord(a.number) = bpfobj.HedgewardAllowance{}
			delete(d.allowances, a.instance)
		}
	})
}

// adoptShare notes the instance of an adopted interface.
func (d *Datapath) adoptShare(s *slot, rec *bpfobj.HedgewardInterface) {
	instance := goString(rec.Instance[:])
	a := d.allowances[instance]
	if a == nil {
		a = &allowance{instance: instance, number: rec.Allowance}
		d.allowances[instance] = a
	}
	a.refs++
	s.allowance = a
}

// putLocal says whose an id in flow keys is, before any packet can carry it.
func (d *Datapath) putLocal(id uint32, s *slot) error {
	value := bpfobj.HedgewardLocal{Slot: s.number + 1, Allowance: s.allowance.number}
	if err := d.Locals.Put(id, &value); err != nil {
		return fmt.Errorf("write address id %d: %w", id, asFull(err))
	}
	d.ids[id] = value
	return nil
}

// dropLocal says that an id is nobody's any more: its flows, which no packet finds,
// are swept, and then it is forgotten.
func (d *Datapath) dropLocal(id uint32, s *slot) {
	value := bpfobj.HedgewardLocal{Allowance: s.allowance.number}
	d.drop(d.Locals.Put(id, &value))
	d.ids[id] = value
	d.forgetLocal(id)
}

func (d *Datapath) forgetLocal(id uint32) {
	d.gone = append(d.gone, func() {
		d.drop(d.Locals.Delete(id))
		delete(d.ids, id)
	})
	d.sweepSoon()
}

// adoptLocals finds the ids that there are, and those that an earlier process had not
// forgotten yet.
func (d *Datapath) adoptLocals() error {
	d.ids = make(map[uint32]bpfobj.HedgewardLocal)
	var id uint32
	var value bpfobj.HedgewardLocal
	it := d.Locals.Iterate()
	for it.Next(&id, &value) {
		d.ids[id] = value
		if value.Slot == 0 || d.record(value.Slot-1).Flags&interfaceUsed == 0 {
			d.forgetLocal(id)
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read address ids: %w", err)
	}
	return nil
}

// drift watches the difference between the flows that programs have counted and
// those that sweeps find. Packets go on during a sweep, so a single difference
// says nothing; what all of some sweeps agree on is a unit lost or never given
// back, and is put right.
type drift struct {
	sweeps int
	lo, hi map[uint32]int32
}

const driftSweeps = 8

// begin prepares the allowances for being counted.
func (d *Datapath) beginCount() {
	for _, a := range d.allowances {
		atomic.StoreUint32(&d.allowanceRecord(a.number).Counted, 0)
	}
	if d.drift.sweeps == 0 {
		d.drift.lo, d.drift.hi = make(map[uint32]int32), make(map[uint32]int32)
	}
}

// endCount compares what was counted, and corrects what has drifted.
func (d *Datapath) endCount() {
	d.drift.sweeps++
	for _, a := range d.allowances {
		rec := d.allowanceRecord(a.number)
		diff := int32(atomic.LoadUint32(&rec.Used) - atomic.LoadUint32(&rec.Counted))
		if _, ok := d.drift.lo[a.number]; !ok && d.drift.sweeps == 1 {
			d.drift.lo[a.number], d.drift.hi[a.number] = diff, diff
		}
		lo, ok := d.drift.lo[a.number]
		if !ok {
			continue // came during these sweeps
		}
		hi := d.drift.hi[a.number]
		lo, hi = min(lo, diff), max(hi, diff)
		d.drift.lo[a.number], d.drift.hi[a.number] = lo, hi
		if d.drift.sweeps < driftSweeps {
			continue
		}
		if lo > 0 {
			atomic.AddUint32(&rec.Used, -uint32(lo))
		} else if hi < 0 {
			atomic.AddUint32(&rec.Used, uint32(-hi))
		}
	}
	if d.drift.sweeps == driftSweeps {
		d.drift.sweeps = 0
	}
}
