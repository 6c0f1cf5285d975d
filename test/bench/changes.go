// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ruleSizes are R of the group that changes; its quota is raised for the last.
var ruleSizes = []int{10, 60, 1000}

// timing is how long changes took, in ns.
type timing struct {
	answered []int64 // from the call to its answer
	enforced []int64 // from the answer until a packet is judged by it; not below zero
	total    []int64
}

// changeRows measures how long a change takes until it is in force: one instance
// whose group names another one with many members.
func (i *installation) changeRows(ctx context.Context) (rows []row, err error) {
	const (
		ruleSection = "A rule is added or revoked until a packet sees it: p50 from the call as ratio"
		joinSection = "A member joins or leaves until a packet sees it: p50 from the call as ratio"
	)
	w, err := i.newWorld(ctx)
	if err != nil {
		return nil, err
	}
	var rules, joins []row
	ruleSizes := ruleSizes
	if i.Short {
		ruleSizes = ruleSizes[:1]
	}
	for _, size := range i.Members {
		if err := w.members(ctx, size); err != nil {
			return nil, err
		}
		for _, r := range ruleSizes {
			if err := w.rules(ctx, r); err != nil {
				return nil, err
			}
			settle()
			name := fmt.Sprintf("R=%d, M=%d", r, size)
			change, err := w.time(ctx, w.changeRule, w.stranger, rulePort)
			if err != nil {
				return nil, fmt.Errorf("change a rule with %s: %w", name, err)
			}
			rules = append(rules, change.row(ruleSection, name, rules))
			join, err := w.time(ctx, w.changeMember, w.address, memberPort)
			if err != nil {
				return nil, fmt.Errorf("change a member with %s: %w", name, err)
			}
			joins = append(joins, join.row(joinSection, name, joins))
		}
	}
	return append(rules, joins...), nil
}

func (t timing) row(section, name string, before []row) row {
	for _, all := range [][]int64{t.answered, t.enforced, t.total} {
		slices.Sort(all)
	}
	show := func(all []int64) string {
		return nanos(float64(percentile(all, 50))) + " / " + nanos(float64(percentile(all, 99)))
	}
	r := row{Section: section, Name: name, Value: float64(percentile(t.total, 50)),
		Figures: fmt.Sprintf("p50 / p99: %s after the answer, %s after the call", show(t.enforced), show(t.total))}
	if len(before) > 0 {
		r.Against = before[0].Name
		r.Ratio = r.Value / before[0].Value
	}
	return r
}

// world is what changes are made in.
type world struct {
	*installation
	subnet    *secgroup.Subnet
	web, db   string // groups; rules of web admit db
	present   int    // members of db
	fillers   int    // rules of web that are there for their number
	changing  string // an interface that joins db and leaves it
	ruleAdded string
	joined    bool

	probe    *probe     // the instance's gate
	address  netip.Addr // of the interface that changes
	stranger netip.Addr // to whom rules open the instance, and to nobody else
}

// Ports that rules open, of UDP: to members, and by the rule that changes.
const memberPort, rulePort = 80, 443

func (i *installation) newWorld(ctx context.Context) (*world, error) {
	w := &world{installation: i}
	for subnet := range i.control.Read().Subnets.All() {
		w.subnet = subnet
		break
	}
	for name, id := range map[string]*string{"web": &w.web, "db": &w.db} {
		g, err := i.control.CreateSecurityGroup(ctx, i.caller, control.NewGroup{Name: name, Description: "bench"})
		if err != nil {
			return nil, err
		}
		*id = g.ID
	}
	_, err := i.control.AuthorizeSecurityGroup(ctx, i.caller, control.GroupRef{ID: w.web}, false,
		[]secgroup.Permission{{Protocol: secgroup.UDP, From: memberPort, To: memberPort, Peers: []secgroup.Pair{{Peer: secgroup.Peer{Group: w.db}}}}}, nil)
	if err != nil {
		return nil, err
	}
	spec := control.InterfaceSpec{Subnet: w.subnet.ID, Groups: []string{w.web}}
	if _, err := i.control.RunInstances(ctx, i.caller, control.Launch{
		Image: "ami-netns", Min: 1, Max: 1, Interfaces: []control.LaunchInterface{{InterfaceSpec: spec}},
	}); err != nil {
		return nil, err
	}
	ifc, err := i.control.CreateNetworkInterface(ctx, i.caller, spec, control.ClientToken{})
	if err != nil {
		return nil, err
	}
	w.changing, w.address, w.stranger = ifc.ID, ifc.Addresses[0], lastOf(w.subnet.CIDR)
	if err := w.running(ctx); err != nil {
		return nil, err
	}
	if err := w.enforced(ctx); err != nil {
		return nil, err
	}
	w.probe, err = i.newProbe(w.changing)
	return w, err
}

// lastOf returns the last address of a block but one, which nobody has.
func lastOf(block netip.Prefix) netip.Addr {
	b := block.Addr().As4()
	n := binary.BigEndian.Uint32(b[:]) | (1<<(32-block.Bits()) - 2)
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// running waits until the instance runs, so that the kernel judges its packets.
func (w *world) running(ctx context.Context) error {
	sub := w.model.Subscribe()
	defer sub.Close()
	for {
		snap, _, _, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		for in := range snap.Instances.All() {
			if in.State == secgroup.Running {
				return nil
			}
		}
	}
}

// members brings the number of members of db up to size: rows of the store, as
// interfaces of other hosts are.
func (w *world) members(ctx context.Context, size int) error {
	first := w.present
	err := w.commit(ctx, size-first, 2000, func(tx *model.Tx, k int) {
		n := first + k
		tx.Interfaces.Put(&secgroup.Interface{
			Scope: w.caller.Scope, ID: fmt.Sprintf("eni-%017x", n), VPC: w.subnet.VPC, Subnet: w.subnet.ID,
			MAC: fmt.Sprintf("02:00:01:%02x:%02x:%02x", n>>16, n>>8&255, n&255), Addresses: []netip.Addr{member(n)},
			Groups: []string{w.db}, SourceDestCheck: true, Created: time.Now().UTC().Round(0),
		})
	})
	if err != nil {
		return err
	}
	w.present = max(first, size)
	return w.enforced(ctx)
}

// rules brings the number of web's other rules to size.
func (w *world) rules(ctx context.Context, size int) error {
	var add, drop []secgroup.Permission
	for n := min(size, w.fillers); n < max(size, w.fillers); n++ {
		block, port := filler(n)
		p := secgroup.Permission{Protocol: secgroup.TCP, From: int32(port), To: int32(port), Peers: []secgroup.Pair{{Peer: secgroup.Peer{Prefix: block}}}}
		if n >= w.fillers {
			add = append(add, p)
		} else {
			drop = append(drop, p)
		}
	}
	w.fillers = size
	ref := control.GroupRef{ID: w.web}
	if len(add) > 0 {
		if _, err := w.control.AuthorizeSecurityGroup(ctx, w.caller, ref, false, add, nil); err != nil {
			return err
		}
	}
	if len(drop) > 0 {
		if _, err := w.control.RevokeSecurityGroup(ctx, w.caller, ref, false, drop); err != nil {
			return err
		}
	}
	return w.enforced(ctx)
}

// enforced waits until the kernel judges by everything that has been answered.
func (w *world) enforced(ctx context.Context) error {
	return w.agent.Await(ctx, w.model.Snapshot().Revision)
}

// changeRule adds a rule, or revokes the one that was added before.
func (w *world) changeRule(ctx context.Context) error {
	ref := control.GroupRef{ID: w.web}
	if w.ruleAdded != "" {
		_, err := w.control.RevokeSecurityGroupRules(ctx, w.caller, ref, false, []string{w.ruleAdded})
		w.ruleAdded = ""
		return err
	}
	got, err := w.control.AuthorizeSecurityGroup(ctx, w.caller, ref, false,
		[]secgroup.Permission{{Protocol: secgroup.UDP, From: rulePort, To: rulePort, Peers: []secgroup.Pair{{Peer: secgroup.Peer{Prefix: netip.PrefixFrom(w.stranger, 32)}}}}}, nil)
	if err == nil {
		w.ruleAdded = got.Rules[0].ID
	}
	return err
}

// changeMember puts the interface into db, or takes it out again.
func (w *world) changeMember(ctx context.Context) error {
	groups := []string{w.db}
	if w.joined {
		groups = []string{w.web}
	}
	w.joined = !w.joined
	return w.control.ModifyNetworkInterfaceAttribute(ctx, w.caller, w.changing, control.InterfaceChange{Groups: groups})
}

// time makes a change again and again and says how long it took until a packet
// from an address, to a port, was judged by it: it passes after the first change,
// not after the next, and so on.
func (w *world) time(ctx context.Context, change func(context.Context) error, from netip.Addr, port int) (timing, error) {
	var t timing
	for n := range 2 * w.Changes {
		begun := time.Now()
		if err := change(ctx); err != nil {
			return t, err
		}
		answered := time.Now()
		if err := w.probe.until(ctx, n%2 == 0, from, port); err != nil {
			return t, err
		}
		done := time.Now()
		t.answered = append(t.answered, int64(answered.Sub(begun)))
		t.enforced = append(t.enforced, int64(done.Sub(answered)))
		t.total = append(t.total, int64(done.Sub(begun)))
		if err := w.enforced(ctx); err != nil { // what comes after the switch is not the next change's
			return t, err
		}
	}
	return t, nil
}
