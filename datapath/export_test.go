// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// HoldFragments is the part of Run that makes a device, in the network namespace of
// the calling thread.
func (d *Datapath) HoldFragments(ctx context.Context) error { return d.holdFragments(ctx) }

// Judges returns the programs at the devices of interfaces: from them and to them.
func (d *Datapath) Judges(attached bool) (from, to *ebpf.Program) {
	if attached {
		return d.progs.AttachedFrom, d.progs.AttachedTo
	}
	return d.progs.FromInstance, d.progs.ToInstance
}

// Holder is the device that fragments are handed to, 0 for none.
func (d *Datapath) Holder() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.settings.Holder)
}

// BackTo4 puts what is in force, and pinned, back to layout 4: object is what the last
// version with that layout loaded.
func (d *Datapath) BackTo4(object string) (err error) {
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return err
	}
	for name, value := range map[string]uint32{
		bpfobj.HedgewardVarSlotMask: slotMask(d.HedgewardMaps.Interfaces.MaxEntries()),
		bpfobj.HedgewardVarMargin:   jiffies(margin, d.hz),
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return err
		}
	}
	shared := map[string]*ebpf.Map{}
	defer func() {
		for _, m := range shared {
			err = errors.Join(err, m.Close())
		}
	}()
	for name, m := range spec.Maps {
		if strings.HasPrefix(name, ".") { // variables, which nobody pins
			continue
		}
		pinned, err := ebpf.LoadPinnedMap(filepath.Join(d.cfg.Dir, name), nil)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		m.MaxEntries = pinned.MaxEntries()
		if name == bpfobj.HedgewardMapInterfaces {
			pinned.Close()
			continue
		}
		shared[name] = pinned
	}
	old, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: shared})
	if err != nil {
		return fmt.Errorf("load layout 4: %w", err)
	}
	defer old.Close()
	interfaces := old.Maps[bpfobj.HedgewardMapInterfaces]
	for number := range interfaces.MaxEntries() {
		rec := (*[unsafe.Sizeof(bpfobj.HedgewardInterface{})]byte)(unsafe.Pointer(d.record(number)))[:]
		value := append(append([]byte(nil), rec[:interfaceSplit]...), rec[interfaceSplit+interfaceAdded:]...)
		if err := interfaces.Put(number, value); err != nil {
			return err
		}
	}
	d.progs.FromInstance, d.progs.ToInstance = old.Programs["from_instance"], old.Programs["to_instance"]
	for _, s := range d.slots {
		if err := d.link(s.id, int(d.record(s.number).Ifindex), hooks); err != nil {
			return err
		}
	}
	pins, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return err
	}
	for _, pin := range pins { // layout 4 knows nothing of these maps
		if _, known := shared[pin.Name()]; !known && !pin.IsDir() {
			if err := os.Remove(filepath.Join(d.cfg.Dir, pin.Name())); err != nil {
				return err
			}
		}
	}
	if err := interfaces.Pin(filepath.Join(d.cfg.Dir, bpfobj.HedgewardMapInterfaces)); err != nil {
		return err
	}
	return d.names.mark(layoutMark, previousLayout)
}

// RunFrame runs a frame to an instance through a program, asking nobody else.
func RunFrame(prog *ebpf.Program, ifindex int, frame []byte) error {
	_, err := runFrame(prog, ifindex, frame, 1, 0)
	return err
}

// SweepEverything is a sweep that takes all flows for dead.
func (d *Datapath) SweepEverything() (Swept, error) {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	p := &pass{d: d}
	pairs := map[bpfobj.HedgewardPairKey]bool{}
	err := d.Flows(func(x Flow) bool {
		if x.key.remoteID == 0 || !pairs[x.key.pair] {
			p.victims = append(p.victims, x.key.victim())
		}
		pairs[x.key.pair] = true
		return true
	})
	if err != nil {
		return Swept{}, err
	}
	err = p.end()
	return p.found, err
}

// IDs returns how many ids of addresses and interfaces flows may carry.
func (d *Datapath) IDs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ids)
}

// RunFrom runs a frame to an instance through a program, as if it had come in by a
// device.
func RunFrom(prog *ebpf.Program, from, ifindex int, frame []byte) (ProgramRun, error) {
	return runWith(prog, skbuff{IngressIfindex: uint32(from), Ifindex: uint32(ifindex)}, frame)
}
