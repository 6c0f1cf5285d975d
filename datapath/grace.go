// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
)

// grace waits until no program that runs now is still running. Updating a map of
// maps does that as a side effect in every kernel since 4.17, so that a program
// that uses the old inner map is done with it when the update returns.
type grace struct{ outer, inner *ebpf.Map }

func newGrace() (*grace, error) {
	spec := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	inner, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("make map for waiting: %w", err)
	}
	outer, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: spec,
	})
	if err != nil {
		inner.Close()
		return nil, fmt.Errorf("make map for waiting: %w", err)
	}
	return &grace{outer, inner}, nil
}

func (g *grace) wait() error {
	if err := g.outer.Put(uint32(0), g.inner); err != nil {
		return fmt.Errorf("wait for running programs: %w", err)
	}
	return nil
}

func (g *grace) close() error {
	if g == nil {
		return nil
	}
	g.inner.Close()
	return g.outer.Close()
}

// retire has undo called once no program can be reading any more what was in
// force until now.
func (d *Datapath) retire(undo func()) { d.retired = append(d.retired, undo) }

// reclaim frees what has been retired. It takes as long as the slowest program
// that is running, some milliseconds. d.mu is held: what is retired is out of
// force already, so only other changes wait, no packet does.
func (d *Datapath) reclaim() error {
	if len(d.retired) == 0 {
		return nil
	}
	if err := d.grace.wait(); err != nil {
		return err
	}
	for _, undo := range d.retired {
		undo()
	}
	d.retired = nil
	d.reclaims++
	return nil
}

// reclaimAside is reclaim for Run: nobody waits for it. What comes in meanwhile
// waits for the next time.
func (d *Datapath) reclaimAside() error {
	d.mu.Lock()
	n, reclaims := len(d.retired), d.reclaims
	d.mu.Unlock()
	if n == 0 {
		return nil
	}
	if err := d.grace.wait(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reclaims != reclaims {
		return nil // somebody could not wait
	}
	ready := d.retired[:n]
	d.retired = slices.Clone(d.retired[n:])
	d.reclaims++
	for _, undo := range ready {
		undo()
	}
	return nil
}

// reclaimSoon asks Run to reclaim without waiting for it.
func (d *Datapath) reclaimSoon() {
	select {
	case d.tidy <- struct{}{}:
	default:
	}
}
