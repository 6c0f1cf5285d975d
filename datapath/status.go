// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

// InterfaceStatus is what is in force at an interface.
type InterfaceStatus struct {
	ID       string
	VPC      string
	Device   string
	Attached bool // somebody else made the device
	Ifindex  int
	Policy   PolicyID // 0: none, closed
	Revision int64    // of that policy, as given to SetPolicy

	// Packets counts by direction and reason since the interface was attached;
	// an offloaded packet counts as its segments.
	Packets [flow.NumDirections][flow.NumReasons]uint64

	Flows int // live ones

	// Instance shares its allowance among its interfaces: Used of Allowance
	// flows, dead ones not yet swept included.
	Instance        string
	Allowance, Used int
}

// Flow is one tracked flow at one interface.
type Flow struct {
	Interface  string
	Local      netip.Addr // of the interface; for traffic it forwards, the far end
	Remote     netip.Addr
	Protocol   uint8
	LocalPort  uint16 // ICMP queries: the identifier; 0 without ports
	RemotePort uint16
	State      string
	Initiator  flow.Direction // Ingress: the remote side began it
	Rule       string         // id of the rule that admitted it; "" if it is not known any more
	Idle       time.Duration  // since the timer of its state was last reset
	Live       bool           // whether it still admits packets
	Packets    [flow.NumDirections]uint32
	Bytes      [flow.NumDirections]uint64

	key entry
}

// View reads a pinned datapath and changes nothing.
type View struct {
	tables
	clock *ebpf.Program
}

// Foreign returns the interfaces of what is pinned in dir whose devices somebody else
// made, and which Remove leaves there, open. Nothing pinned is none.
func Foreign(dir string) ([]InterfaceStatus, error) {
	v, err := OpenReadOnly(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := v.Interfaces()
	all = slices.DeleteFunc(all, func(i InterfaceStatus) bool { return !i.Attached })
	return all, errors.Join(err, v.Close())
}

// OpenReadOnly opens what is pinned in dir for reading, also while a process has
// it open for writing. dir "" is DefaultDir. Nothing there is fs.ErrNotExist.
func OpenReadOnly(dir string) (_ *View, err error) {
	if dir == "" {
		dir = DefaultDir
	}
	if found, err := pinnedLayout(dir); err != nil {
		return nil, err
	} else if found != 0 && found != layout {
		return nil, wrongLayout(dir, found)
	}
	v := &View{}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	if v.hz, err = hertz(); err != nil {
		return nil, err
	}
	maps := &v.HedgewardMaps
	for name, to := range map[string]**ebpf.Map{
		bpfobj.HedgewardMapInterfaces:   &maps.Interfaces,
		bpfobj.HedgewardMapCounters:     &maps.Counters,
		bpfobj.HedgewardMapAddresses:    &maps.Addresses,
		bpfobj.HedgewardMapFlows:        &maps.Flows,
		bpfobj.HedgewardMapFlowsTransit: &maps.FlowsTransit,
		bpfobj.HedgewardMapPairs:        &maps.Pairs,
		bpfobj.HedgewardMapAllowances:   &maps.Allowances,
		bpfobj.HedgewardMapUses:         &maps.Uses,
		bpfobj.HedgewardMapHandles:      &maps.Handles,
		bpfobj.HedgewardMapSteps:        &maps.Steps,
	} {
		if *to, err = ebpf.LoadPinnedMap(filepath.Join(dir, name), nil); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("no datapath in %s: %w", dir, err)
			}
			return nil, fmt.Errorf("open pinned map %s: %w", name, err)
		}
	}
	spec, err := bpfobj.LoadHedgeward()
	if err != nil {
		return nil, err
	}
	if v.clock, err = loadClock(spec); err != nil {
		return nil, err
	}
	return v, v.mapMemory(true)
}

// loadClock loads the program that tells the time, alone.
func loadClock(spec *ebpf.CollectionSpec) (*ebpf.Program, error) {
	var only struct {
		Clock *ebpf.Program `ebpf:"clock"`
	}
	if err := spec.LoadAndAssign(&only, nil); err != nil {
		return nil, fmt.Errorf("load the clock: %w", err)
	}
	return only.Clock, nil
}

// Close ends the view.
func (v *View) Close() error { return errors.Join(v.tables.close(), v.clock.Close()) }

// Interfaces returns the status of all interfaces, in order of slot.
func (v *View) Interfaces() ([]InterfaceStatus, error) { return v.interfaces(v.clock) }

// Flows calls f for each tracked flow until f returns false.
func (v *View) Flows(f func(Flow) bool) error { return v.flows(v.clock, f) }

// Interfaces returns the status of all interfaces, in order of slot.
func (d *Datapath) Interfaces() ([]InterfaceStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.interfaces(d.progs.Clock)
}

// Flows calls f for each tracked flow until f returns false. f must not call
// methods of d.
func (d *Datapath) Flows(f func(Flow) bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flows(d.progs.Clock, f)
}

func (t *tables) interfaces(clock *ebpf.Program) ([]InterfaceStatus, error) {
	live := make(map[string]int)
	err := t.flows(clock, func(f Flow) bool {
		if f.Live {
			live[f.Interface]++
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var out []InterfaceStatus
	t.used(func(number uint32, rec *bpfobj.HedgewardInterface) {
		s := InterfaceStatus{
			ID: goString(rec.Id[:]), VPC: goString(rec.VpcName[:]), Device: goString(rec.Device[:]),
			Attached: rec.Flags&interfaceAttached != 0,
			Ifindex:  int(rec.Ifindex), Policy: PolicyID(rec.Policy), Revision: int64(rec.Revision),
		}
		s.Flows = live[s.ID]
		a := t.allowanceRecord(rec.Allowance)
		s.Instance = goString(rec.Instance[:])
		s.Allowance, s.Used = int(atomic.LoadUint32(&a.Limit)), int(atomic.LoadUint32(&a.Used))
		var perCPU []bpfobj.HedgewardTally
		if e := t.Counters.Lookup(number, &perCPU); e != nil {
			err = fmt.Errorf("read counters of %s: %w", s.ID, e)
			return
		}
		for _, c := range perCPU {
			for dir := range s.Packets {
				for reason := range s.Packets[dir] {
					s.Packets[dir][reason] += c.Packets[dir][reason]
				}
			}
		}
		out = append(out, s)
	})
	return out, err
}

func (t *tables) zeroCounters(number uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	if err := t.Counters.Put(number, make([]bpfobj.HedgewardTally, cpus)); err != nil {
		return fmt.Errorf("reset counters: %w", err)
	}
	return nil
}
