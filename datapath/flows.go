// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

// readBatch is how many entries are read from the kernel at once.
const readBatch = 4096

var stateNames = [...]string{
	"none", "syn_sent", "synack_seen", "syn_recv", "oneway", "established",
	"half_closed", "half_closed", "time_wait", "rst_seen", "rst_seen", "rst_seen",
	"udp", "udp", "udp", "udp_stream", "query", "other",
}

// Fields of a flow's mark, as bpf/layout.h has them.
const (
	markState       = 0x1f
	remoteInitiated = 0x20
	buried          = 1<<32 - 1
)

// entry is the key of one end of a flow. Ports are in network order.
type entry struct {
	local      uint32 // id
	protocol   uint8
	localPort  uint16
	remotePort uint16
	remote     [4]uint32
	remoteID   uint32    // instead of remote, if both are interfaces of this host
	far        [4]uint32 // instead of the local id's address, for ids without one
	pair       bpfobj.HedgewardPairKey
	end        int // of the pair
}

func ofFlow(k *bpfobj.HedgewardFlowKey) entry {
	return entry{
		local: k.Local >> 8, protocol: uint8(k.Local), localPort: k.LocalPort, remotePort: k.RemotePort,
		remote: k.Remote.Word,
	}
}

func ofPair(k *bpfobj.HedgewardPairKey, end int) entry {
	e := entry{
		local: k.Low >> 8, remoteID: k.High, protocol: uint8(k.Low), localPort: k.Port[end], remotePort: k.Port[1-end],
		pair: *k, end: end,
	}
	if end == 1 {
		e.local, e.remoteID = e.remoteID, e.local
	}
	if isICMP(e.protocol) {
		e.localPort = k.Port[0]
	}
	return e
}

func isICMP(protocol uint8) bool { return protocol == 1 || protocol == 58 }

// eachSlice calls f with all entries of a map, at most so many at once, until it fails.
func eachSlice[K, V any](m *ebpf.Map, size int, f func([]K, []V) error) error {
	var cursor ebpf.MapBatchCursor
	keys, values := make([]K, size), make([]V, size)
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		last := errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !last {
			return fmt.Errorf("read flows: %w", err)
		}
		if err := f(keys[:n], values[:n]); err != nil || last {
			return err
		}
	}
}

var errEnough = errors.New("no more is wanted")

// batches calls f with all entries of one flow table, until it returns false.
func batches[K, V any](m *ebpf.Map, f func(*K, *V) bool) (more bool, err error) {
	err = eachSlice(m, readBatch, func(keys []K, values []V) error {
		for i := range keys {
			if !f(&keys[i], &values[i]) {
				return errEnough
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return false, nil
	}
	return err == nil, err
}

// eachEnd calls f with all that interfaces remember, live or not, until it returns
// false.
func (t *tables) eachEnd(f func(entry, *bpfobj.HedgewardFlow) bool) error {
	some := func(e entry, v *bpfobj.HedgewardFlow) bool {
		if v.Mark&markState == 0 || v.Mark == buried {
			return true
		}
		return f(e, v)
	}
	more, err := batches(t.HedgewardMaps.Flows, func(k *bpfobj.HedgewardFlowKey, v *bpfobj.HedgewardFlow) bool {
		return some(ofFlow(k), v)
	})
	if err != nil || !more {
		return err
	}
	more, err = batches(t.FlowsTransit, func(k *bpfobj.HedgewardTransitKey, v *bpfobj.HedgewardFlow) bool {
		e := ofFlow(&k.Flow)
		e.far = k.Local.Word
		return some(e, v)
	})
	if err != nil || !more {
		return err
	}
	_, err = batches(t.Pairs, func(k *bpfobj.HedgewardPairKey, v *bpfobj.HedgewardPair) bool {
		return some(ofPair(k, 0), &v.End[0]) && some(ofPair(k, 1), &v.End[1])
	})
	return err
}

// localOwner says whose flows carry an id.
type localOwner struct {
	record *bpfobj.HedgewardInterface
	addr   netip.Addr // invalid for the id of forwarded traffic and of a delegated prefix
}

// locals returns who has which id now.
func (t *tables) locals() (map[uint32]localOwner, error) {
	out := make(map[uint32]localOwner)
	t.used(func(_ uint32, rec *bpfobj.HedgewardInterface) {
		out[rec.Self] = localOwner{record: rec}
	})
	var key bpfobj.HedgewardAddressKey
	var value bpfobj.HedgewardOwner
	it := t.HedgewardMaps.Addresses.Iterate()
	for it.Next(&key, &value) {
		if value.Slot != 0 && value.Slot < reservedFirst {
			owner := localOwner{record: t.record(uint32(value.Slot) - 1)}
			if p := placeOf(key); p.bits == 0 {
				owner.addr = p.addr
			}
			out[value.Local&^delegated] = owner
		}
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	return out, nil
}

// live reports whether a flow still admits packets, by the rules of bpf/flows.h.
func (t *tables) live(f *bpfobj.HedgewardFlow, rec *bpfobj.HedgewardInterface, now uint32) bool {
	state := f.Mark & markState
	if state <= uint32(bpfobj.HedgewardStateSYN_RECV) {
		a := t.allowanceRecord(rec.Allowance)
		if atomic.LoadUint32(&a.Used) > atomic.LoadUint32(&a.High) {
			state += shortTimeout
		}
	}
	age := now - f.Seen
	return int32(age) < 0 || age < rec.Timeout[state&31]
}

// ruleNames returns the rules by their handles.
func (t *tables) ruleNames() (map[uint32]string, error) {
	out := make(map[uint32]string)
	var key bpfobj.HedgewardName
	var n uint32
	it := t.Handles.Iterate()
	for it.Next(&key, &n) {
		out[n] = goString(key.Text[:])
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read handles of rules: %w", err)
	}
	return out, nil
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
	rules, err := t.ruleNames()
	if err != nil {
		return err
	}
	return t.eachEnd(func(k entry, e *bpfobj.HedgewardFlow) bool {
		owner, ok := locals[k.local]
		if !ok {
			return true // of an address that is gone
		}
		state := e.Mark & markState
		out := Flow{
			Interface: goString(owner.record.Id[:]), Local: owner.addr, Protocol: k.protocol,
			LocalPort: swap(k.localPort), RemotePort: swap(k.remotePort), Rule: rules[e.Mark>>8],
			Packets: e.Packets, Bytes: e.Bytes, Live: t.live(e, owner.record, now),
			Idle: duration(now-e.Seen, t.hz), key: k,
		}
		if int(state) < len(stateNames) {
			out.State = stateNames[state]
		}
		if e.Mark&remoteInitiated == 0 {
			out.Initiator = flow.Egress
		}
		fam := flow.IPv6
		if !owner.addr.IsValid() {
			// Forwarded: an address says its family by what it leaves empty.
			if k.far[1]|k.far[2]|k.far[3]|k.remote[1]|k.remote[2]|k.remote[3] == 0 {
				fam = flow.IPv4
			}
			out.Local = addrOf(k.far, fam)
		} else {
			fam = familyOf(owner.addr)
		}
		if k.remoteID != 0 {
			out.Remote = locals[k.remoteID].addr // invalid: of an address that is gone
		} else {
			out.Remote = addrOf(k.remote, fam)
		}
		if isICMP(k.protocol) {
			out.RemotePort = 0
		}
		return f(out)
	})
}

func swap(v uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], v)
	return binary.BigEndian.Uint16(b[:])
}
