// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

const (
	sweepEvery = 5 * time.Second
	sweepBatch = 4096

	// margin is how long a flow stays after its end, so that collection never
	// races with a packet that has just found it live.
	margin = 2 * time.Second
)

var stateNames = [...]string{
	"none", "syn_sent", "synack_seen", "syn_recv", "oneway", "established",
	"half_closed", "half_closed", "time_wait", "rst_seen", "rst_seen", "rst_seen",
	"udp", "udp", "udp", "udp_stream", "query", "other",
}

// owner of a local id: whose flows carry it.
type localOwner struct {
	record *bpfobj.HedgewardInterface
	addr   netip.Addr // invalid for the id of transit traffic
}

// locals returns who has which local id now.
func (t *tables) locals() (map[uint32]localOwner, error) {
	out := make(map[uint32]localOwner)
	t.used(func(_ uint32, rec *bpfobj.HedgewardInterface) {
		out[rec.Self] = localOwner{record: rec}
	})
	var key bpfobj.HedgewardAddressKey
	var value bpfobj.HedgewardOwner
	it := t.HedgewardMaps.Addresses.Iterate()
	for it.Next(&key, &value) {
		if value.Slot != 0 {
			addr := addrOf(key.Addr.Word, familyOfNetwork(key.Network))
			out[value.Local] = localOwner{t.record(uint32(value.Slot) - 1), addr}
		}
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	return out, nil
}

// live reports whether a flow still admits packets, some time ago.
func live(f *bpfobj.HedgewardFlow, rec *bpfobj.HedgewardInterface, now uint32, ago uint32) bool {
	age := now - f.Seen
	if int32(age) < 0 {
		return true // refreshed since now was read
	}
	return age < rec.Timeout[f.State&31]+ago
}

// each calls f with all entries of one flow table, in batches.
func each[K any](m *ebpf.Map, f func(*K, *bpfobj.HedgewardFlow) bool) error {
	var cursor ebpf.MapBatchCursor
	keys := make([]K, sweepBatch)
	flows := make([]bpfobj.HedgewardFlow, sweepBatch)
	for {
		n, err := m.BatchLookup(&cursor, keys, flows, nil)
		for i := range n {
			if !f(&keys[i], &flows[i]) {
				return nil
			}
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read flows: %w", err)
		}
	}
}

func (t *tables) flows(clock *ebpf.Program, f func(Flow) bool) error {
	now, err := kernelNow(clock)
	if err != nil {
		return err
	}
	locals, err := t.locals()
	if err != nil {
		return err
	}
	more := true
	show := func(k *bpfobj.HedgewardFlowKey, e *bpfobj.HedgewardFlow, far [4]uint32) bool {
		owner, ok := locals[k.Local>>8]
		if !ok {
			return true // of an address that is gone
		}
		out := Flow{
			Interface: goString(owner.record.Id[:]), Local: owner.addr, Protocol: uint8(k.Local),
			LocalPort: swap(k.LocalPort), RemotePort: swap(k.RemotePort), Rule: e.Rule,
			Packets: e.Packets, Bytes: e.Bytes, Live: live(e, owner.record, now, 0),
			Idle: duration(now-e.Seen, t.hz),
		}
		if int(e.State) < len(stateNames) {
			out.State = stateNames[e.State]
		}
		if e.Flags&1 == 0 {
			out.Initiator = flow.Egress
		}
		fam := flow.IPv6
		if !owner.addr.IsValid() {
			// Transit: an address says its family by what it leaves empty.
			if far[1]|far[2]|far[3]|k.Remote.Word[1]|k.Remote.Word[2]|k.Remote.Word[3] == 0 {
				fam = flow.IPv4
			}
			out.Local = addrOf(far, fam)
		} else {
			fam = familyOf(owner.addr)
		}
		out.Remote = addrOf(k.Remote.Word, fam)
		if e.State == uint8(bpfobj.HedgewardStateQUERY) {
			out.RemotePort = 0
		}
		more = f(out)
		return more
	}
	err = each(t.HedgewardMaps.Flows, func(k *bpfobj.HedgewardFlowKey, e *bpfobj.HedgewardFlow) bool {
		return show(k, e, [4]uint32{})
	})
	if err != nil || !more {
		return err
	}
	return each(t.FlowsTransit, func(k *bpfobj.HedgewardTransitKey, e *bpfobj.HedgewardFlow) bool {
		return show(&k.Flow, e, k.Local.Word)
	})
}

func swap(v uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], v)
	return binary.BigEndian.Uint16(b[:])
}

// Sweep frees the room of flows that are dead, and of what has been retired. No
// verdict depends on it: the programs decide themselves whether a flow is live.
func (d *Datapath) Sweep(ctx context.Context) error {
	d.mu.Lock()
	err := d.reclaim()
	locals, err2 := d.locals()
	highest := d.names.byName[highestMark]
	d.mu.Unlock()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	now, err := kernelNow(d.progs.Clock)
	if err != nil {
		return err
	}
	ago := jiffies(margin, d.hz)
	dead := func(local uint32, e *bpfobj.HedgewardFlow) bool {
		owner, ok := locals[local>>8]
		if !ok {
			return local>>8 <= highest // not of an address that came just now
		}
		return !live(e, owner.record, now, ago)
	}
	err = sweep(ctx, d.HedgewardMaps.Flows, func(k *bpfobj.HedgewardFlowKey, e *bpfobj.HedgewardFlow) bool {
		return dead(k.Local, e)
	})
	if err != nil {
		return err
	}
	return sweep(ctx, d.FlowsTransit, func(k *bpfobj.HedgewardTransitKey, e *bpfobj.HedgewardFlow) bool {
		return dead(k.Flow.Local, e)
	})
}

// sweep deletes the entries of one table that are dead. Between reading an entry
// and deleting it a packet may have begun a new flow in its place: then it is
// put back, unless yet another one has been made meanwhile.
func sweep[K any](ctx context.Context, m *ebpf.Map, dead func(*K, *bpfobj.HedgewardFlow) bool) error {
	var keys []K
	err := each(m, func(k *K, e *bpfobj.HedgewardFlow) bool {
		if dead(k, e) {
			keys = append(keys, *k)
		}
		return ctx.Err() == nil
	})
	if err != nil {
		return err
	}
	for i := range keys {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var e bpfobj.HedgewardFlow
		err := m.LookupAndDelete(&keys[i], &e)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("delete dead flow: %w", err)
		}
		if !dead(&keys[i], &e) {
			err := m.Update(&keys[i], &e, ebpf.UpdateNoExist)
			if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
				return fmt.Errorf("put back flow: %w", err)
			}
		}
	}
	return nil
}

// Run sweeps until ctx ends, which is no error.
func (d *Datapath) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := d.Sweep(ctx); err != nil && ctx.Err() == nil {
				d.cfg.Log.Error("sweep flows", "error", err)
			}
		}
	}
}
