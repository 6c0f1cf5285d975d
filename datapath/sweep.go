// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// sweepEvery is how often dead flows are taken away while there is room;
	// sweepNear while an instance or a table comes near its end, so that a dead
	// flow counts for less than a second (section 3.9).
	sweepEvery = 5 * time.Second
	sweepNear  = 500 * time.Millisecond

	// margin is how long a flow stays after its end, so that collection never
	// races with a packet that has just found it live.
	margin = 250 * time.Millisecond
)

// Swept is what a sweep found.
type Swept struct {
	Live      uint32 // what interfaces remember; a flow between two counts twice
	Embryonic uint32 // of these, TCP connections that nobody has answered fully
	Freed     uint32 // entries taken away
}

// Sweep frees the room of flows that are dead, gives their units of the allowances
// back, and frees what has been retired. It goes through the tables slice by slice,
// between which others run; the work is done by a program in the kernel, beside the
// packets. No verdict depends on it: a flow's end is decided by its packets. When
// ctx ends in between, the rest is left to the next sweep.
func (d *Datapath) Sweep(ctx context.Context) error {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	d.mu.Lock()
	err := d.reclaim()
	gone := d.gone
	d.gone = nil
	d.beginCount()
	d.mu.Unlock()
	var p *pass
	if err == nil {
		p, err = d.sweepTables(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.gone = append(gone, d.gone...)
		return fmt.Errorf("sweep flows: %w", err)
	}
	for _, done := range gone {
		done()
	}
	for number, n := range p.counts {
		atomic.AddUint32(&d.allowanceRecord(uint32(number)).Counted, n)
	}
	d.endCount()
	d.swept = p.found
	return nil
}

// Swept returns what the last sweep found.
func (d *Datapath) Swept() Swept {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.swept
}

// sweepSoon asks Run for a sweep without waiting for it.
func (d *Datapath) sweepSoon() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// near reports whether an instance or a table comes near its end.
func (d *Datapath) near() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	var total uint32
	for _, a := range d.allowances {
		rec := d.allowanceRecord(a.number)
		used := atomic.LoadUint32(&rec.Used)
		if used > atomic.LoadUint32(&rec.High) {
			return true
		}
		total += used
	}
	return total > min(d.HedgewardMaps.Flows.MaxEntries(), d.Pairs.MaxEntries())/2
}

// Run sweeps, and holds fragments that come too early, until ctx ends, which is no
// error.
func (d *Datapath) Run(ctx context.Context) error {
	holding := make(chan struct{})
	go func() {
		defer close(holding)
		if err := d.holdFragments(ctx); err != nil {
			d.cfg.Log.Error("fragments that come before their first one are dropped", "error", err)
		}
	}()
	defer func() { <-holding }()
	tick := time.NewTicker(sweepNear)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.tidy:
			if err := d.reclaimAside(); err != nil {
				d.cfg.Log.Error("cannot free what was replaced", "error", err)
			}
			continue
		case <-d.kick:
		case <-tick.C:
			if time.Since(last) < sweepEvery && !d.near() {
				continue
			}
		}
		if err := d.Sweep(ctx); err != nil && ctx.Err() == nil {
			d.cfg.Log.Error("sweep flows", "error", err)
		}
		last = time.Now()
	}
}
