// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// RuleUse is what one rule has admitted, on all interfaces of this host: every
// packet of a tracked flow, in both directions, counts for the rule that admitted
// the first. It is kept while a policy holds the rule or a flow is its, and beyond
// that until its place is needed.
type RuleUse struct {
	Rule    string
	Packets uint64
	Bytes   uint64        // of IP packets
	Flows   uint64        // tracked ones that it admitted, live ones included
	Live    int           // of these, what is live now
	Idle    time.Duration // since it last admitted a packet; meaningless if Packets is 0
}

// Uses returns the use of all rules, in order of their ids.
func (v *View) Uses() ([]RuleUse, error) { return v.uses(v.clock) }

// Uses returns the use of all rules, in order of their ids.
func (d *Datapath) Uses() ([]RuleUse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.uses(d.progs.Clock)
}

func (t *tables) uses(clock *ebpf.Program) ([]RuleUse, error) {
	now, err := kernelNow(clock)
	if err != nil {
		return nil, err
	}
	rules, err := t.ruleNames()
	if err != nil {
		return nil, err
	}
	all := make(map[string]*RuleUse)
	for n, rule := range rules {
		var perCPU []bpfobj.HedgewardUse
		if err := t.HedgewardMaps.Uses.Lookup(n, &perCPU); err != nil {
			return nil, fmt.Errorf("read the use of %s: %w", rule, err)
		}
		u := &RuleUse{Rule: rule}
		var last uint64
		for _, c := range perCPU {
			u.Packets, u.Bytes, u.Flows, last = u.Packets+c.Packets, u.Bytes+c.Bytes, u.Flows+c.Flows, max(last, c.Last)
		}
		u.Idle = duration(now-uint32(last), t.hz)
		all[rule] = u
	}
	err = t.flows(clock, func(f Flow) bool {
		u := all[f.Rule]
		if u == nil {
			return true
		}
		if u.Packets == 0 || f.Idle < u.Idle {
			u.Idle = f.Idle
		}
		u.Flows++
		if f.Live {
			u.Live++
		}
		for dir := range f.Packets {
			u.Packets += uint64(f.Packets[dir])
			u.Bytes += f.Bytes[dir]
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	out := make([]RuleUse, 0, len(all))
	for _, u := range all {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b RuleUse) int { return cmp.Compare(a.Rule, b.Rule) })
	return out, nil
}

// Filter selects flows of one interface. What is zero selects all.
type Filter struct {
	Interface string // required
	Peer      netip.Prefix
	Protocol  uint8
	Port      uint16 // of either end
}

// Matches reports whether the filter selects a flow.
func (f Filter) Matches(x Flow) bool {
	return x.Interface == f.Interface &&
		(!f.Peer.IsValid() || f.Peer.Contains(x.Remote)) &&
		(f.Protocol == 0 || f.Protocol == x.Protocol) &&
		(f.Port == 0 || f.Port == x.LocalPort || f.Port == x.RemotePort)
}

// Cut ends what an interface remembers of the flows that a filter selects (section
// 2.5): their next packets are judged by the rules, and TCP's then lack a state.
// What the other end remembers stays. It returns how many it has ended.
func (d *Datapath) Cut(f Filter) (int, error) {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slots[f.Interface] == nil {
		return 0, fmt.Errorf("cut flows of interface %s: %w", f.Interface, ErrNotFound)
	}
	var found []bpfobj.HedgewardVictim
	err := d.flows(d.progs.Clock, func(x Flow) bool {
		if x.Live && f.Matches(x) {
			found = append(found, x.key.victim())
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	n := 0
	for some := range slices.Chunk(found, maxVictims) {
		done, err := d.run(d.progs.Cut, some)
		n += int(done)
		if err != nil {
			return n, fmt.Errorf("cut flows of interface %s: %w", f.Interface, err)
		}
	}
	return n, nil
}

// victim is how programs are told of an end.
func (e entry) victim() (v bpfobj.HedgewardVictim) {
	k := &v.Key.Flow
	k.Local = e.local<<8 | uint32(e.protocol)
	k.LocalPort, k.RemotePort = e.localPort, e.remotePort
	k.Remote.Word, v.Key.Local.Word = e.remote, e.far
	v.Pair, v.End = e.pair, uint32(e.end)
	switch {
	case e.remoteID != 0:
		v.Table = inPairs
	case e.far != [4]uint32{}:
		v.Table = inTransit
	default:
		v.Table = inFlows
	}
	return v
}
