// SPDX-License-Identifier: Apache-2.0

package threeway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
	"github.com/hedgeward/hedgeward/policy"
)

// kernel plays scenarios through the loaded programs. One serves a whole test,
// and the interfaces stay attached from world to world: attaching waits for
// every processor, changing does not.
type kernel struct {
	t        *testing.T
	rig      *bpftest.Rig
	attached map[string]datapath.Interface // by id
	named    map[place]bool
}

// place is an address within a VPC.
type place struct {
	vpc  string
	addr netip.Addr
}

func newKernel(t *testing.T) *kernel {
	if err := datapath.Check(); err != nil {
		t.Fatalf("the comparison with the loaded programs cannot run here: %v", err)
	}
	return &kernel{t: t, rig: bpftest.New(t), attached: map[string]datapath.Interface{}, named: map[place]bool{}}
}

func (k *kernel) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// id names an interface in the kernel, where it cannot change its VPC.
func id(e *oracle.Interface) string { return e.VPC + "-" + e.Name }

func (k *kernel) of(e *oracle.Interface) datapath.Interface { return k.attached[id(e)] }

// clear takes away the world before: addresses, groups, and all flows, whose
// time it lets pass.
func (k *kernel) clear() {
	k.t.Helper()
	for p := range k.named {
		k.must(k.rig.DeleteAddress(p.vpc, p.addr))
	}
	clear(k.named)
	for _, i := range k.attached {
		if i.Addresses != nil {
			i.Addresses = nil
			k.attached[i.ID] = k.rig.Attach(i)
		}
	}
	k.rig.Advance(6 * 24 * time.Hour)
	k.must(k.rig.Sweep(context.Background()))
}

// load brings the world into the kernel.
func (k *kernel) load(w *oracle.World) {
	k.t.Helper()
	k.clear()
	for _, e := range w.Interfaces {
		k.attach(w, e)
		k.name(e)
		k.rig.SetPolicy(k.of(e), source(w, e))
	}
}

// attach brings the interface into force, or up to date.
func (k *kernel) attach(w *oracle.World, e *oracle.Interface) {
	k.t.Helper()
	i := k.of(e)
	i.ID, i.VPC, i.MAC, i.SourceDestCheck = id(e), e.VPC, net.HardwareAddr(e.MAC[:]), e.SourceDestCheck
	i.Tracking = e.Timeouts
	i.VPCPrefixes = w.VPCs[e.VPC].CIDRs
	i.Addresses, i.RouterAddresses = nil, nil
	for _, p := range e.Addresses {
		i.Addresses = append(i.Addresses, p.Addr())
	}
	for _, s := range w.VPCs[e.VPC].Subnets {
		if !slices.ContainsFunc(i.Addresses, s.Contains) {
			continue
		}
		i.RouterAddresses = append(i.RouterAddresses, s.Addr().Next())
		if s.Addr().Is4() {
			i.Subnet = s
		}
	}
	k.attached[i.ID] = k.rig.Attach(i)
}

// name tells the groups of the interface's addresses.
func (k *kernel) name(e *oracle.Interface) {
	k.t.Helper()
	for _, p := range e.Addresses {
		k.must(k.rig.PutAddress(datapath.Address{VPC: e.VPC, Addr: p.Addr(), Interface: id(e), Groups: e.Groups}))
		k.named[place{e.VPC, p.Addr()}] = true
	}
}

// change brings a change that w has already seen into the kernel.
func (k *kernel) change(w *oracle.World, c *testworld.Change) {
	k.t.Helper()
	switch c.Verb {
	case "check", "timeouts":
		k.attach(w, w.Interfaces[c.Name])
		return
	case "groups":
		k.name(w.Interfaces[c.Name])
		k.rig.SetPolicy(k.of(w.Interfaces[c.Name]), source(w, w.Interfaces[c.Name]))
		return
	}
	for _, e := range w.Interfaces {
		if c.Verb == "relist" || slices.Contains(e.Groups, c.Name) {
			k.rig.SetPolicy(k.of(e), source(w, e))
		}
	}
}

// judge plays the scenario through the oracle and the programs and returns the
// first thing that they disagree about.
func (k *kernel) judge(s *testworld.Scenario) error {
	k.t.Helper()
	w, now := testworld.Clone(s.World), time.Duration(0)
	k.load(w)
	t := compile(w)
	for i, ev := range s.Events {
		switch {
		case ev.Change != nil:
			if ev.Change.Apply(w) != nil {
				return errUnfit
			}
			k.change(w, ev.Change)
			t = compile(w)
		case ev.Packet != nil && later(w, *ev.Packet):
		case ev.Packet != nil:
			want := ev.Packet.Deliver(w, now)
			if err := k.packet(w, t, *ev.Packet, want); err != nil {
				return fmt.Errorf("event %d, %s: %w", i+1, ev, err)
			}
		default:
			now += ev.Wait
			k.rig.Advance(ev.Wait)
		}
	}
	for name, e := range w.Interfaces {
		if got, want := len(k.rig.Flows(k.of(e))), w.Entries(e, now); got != want {
			return fmt.Errorf("at the end %s has %d live flows, by the specification %d", name, got, want)
		}
	}
	return nil
}

func (k *kernel) packet(w *oracle.World, t tables, p testworld.Packet, want oracle.Delivery) error {
	gate, d := k.of(w.Interfaces[p.Gate]), flow.Egress
	if p.Outside {
		d = flow.Ingress
	}
	got, err := k.rig.RunProgram(d, gate.Ifindex, p.Frame(w), 1)
	if errors.Is(err, unix.EINVAL) && p.Raw != nil && judgement(want).Reason == flow.ReasonMalformed {
		return nil // the kernel itself runs nothing on a frame without an IP header
	}
	if err != nil {
		return err
	}
	if p.Outside {
		if got.Passed != want.Ingress.Verdict().Passes() {
			return fmt.Errorf("passed %t; by the specification %s", got.Passed, want.Ingress.Reason)
		}
		return agree(w, t[p.Gate].Tables[flow.Ingress].Rules, flow.Ingress, p, got, want.Ingress)
	}
	if err := agree(w, t[p.Gate].Tables[flow.Egress].Rules, flow.Egress, p, got, want.Egress); err != nil {
		return err
	}
	to := 0 // whose device gets the frame
	switch {
	case want.Ingress != nil:
		if err := agree(w, t[want.To.Name].Tables[flow.Ingress].Rules, flow.Ingress, p, got, want.Ingress); err != nil {
			return err
		}
		if want.Ingress.Verdict().Passes() {
			to = k.of(want.To).Ifindex
		}
	case want.Reason() == flow.ReasonNoRoute:
		if !got.Judged[flow.Ingress] || got.Reason[flow.Ingress] != flow.ReasonNoRoute {
			return fmt.Errorf("judged at ingress %t, %s; by the specification there is no route", got.Judged[flow.Ingress], got.Reason[flow.Ingress])
		}
	case got.Judged[flow.Ingress]:
		return fmt.Errorf("judged at ingress as %s; by the specification it got no further than %s at egress", got.Reason[flow.Ingress], want.Egress.Reason)
	case want.Egress.Reason == flow.ReasonAnswered && got.Redirect != 0:
		to = gate.Ifindex // the answer goes back
	}
	if got.Redirect != to {
		return fmt.Errorf("goes to device %d, want %d", got.Redirect, to)
	}
	return nil
}

// services are the blocks of the local services (section 4.1).
var services = []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fd00:ec2::/32")}

// later reports a packet that the oracle judges and the programs refuse as yet:
// fragments, and what goes to or comes from local services, or is DHCP.
func later(w *oracle.World, p testworld.Packet) bool {
	d := p.Decode(w)
	local := func(b netip.Prefix) bool { return b.Contains(d.Src) || b.Contains(d.Dst) }
	return d.Fragment.Is || slices.ContainsFunc(services, local)
}

// judgement returns that of the packet's first gate.
func judgement(d oracle.Delivery) *oracle.Judgement {
	if d.Egress != nil {
		return d.Egress
	}
	return d.Ingress
}

// agree compares one gate's answer. rules are the ids of its rules, by number.
func agree(
	w *oracle.World, rules []string, d flow.Direction, p testworld.Packet,
	got datapath.ProgramRun, want *oracle.Judgement,
) error {
	reason := got.Reason[d]
	if !got.Judged[d] || !alike(p, reason, want.Reason) {
		return fmt.Errorf("%s: judged %t, %s; by the specification %s", d, got.Judged[d], reason, want.Reason)
	}
	if reason != flow.ReasonRule {
		return nil
	}
	// A SYN on a tuple that carries a connection, and that would be untracked
	// otherwise, is admitted without a number.
	if n := int(got.Rule[d]); n == policy.NoRule && flow.Decode(p.Frame(w)).Flags.Has(flow.SYN) {
		return nil
	} else if n >= len(rules) || rules[n] != want.Rules[0] {
		return fmt.Errorf("%s: admitted by rule %d of %q; by the specification %q", d, n, rules, want.Rules)
	}
	return nil
}

// classes are reasons to discard between which the order of checks decides, and
// the specification leaves it open which of a packet's faults is named.
var classes = [][]flow.Reason{
	{flow.ReasonMartian, flow.ReasonSpoofIP, flow.ReasonNotMine, flow.ReasonLinkLocal, flow.ReasonMulticast, flow.ReasonBroadcast},
	{flow.ReasonFragment, flow.ReasonTinyFragment},
}

// alike reports whether two reasons say the same.
func alike(p testworld.Packet, got, want flow.Reason) bool {
	if got == want {
		return true
	}
	if got.Verdict() != flow.Discard || want.Verdict() != flow.Discard {
		// Advertisements end here either way. What a link-local address of the
		// interface is, 4.2 does not say: the one of its MAC, or any it sends from.
		return p.Raw != nil && got == flow.ReasonSpoofND && want == flow.ReasonAnswered
	}
	// A raw frame may have many faults.
	return p.Raw != nil || slices.ContainsFunc(classes, func(c []flow.Reason) bool {
		return slices.Contains(c, got) && slices.Contains(c, want)
	})
}

func TestThreeWay(t *testing.T) {
	k := newKernel(t)
	seed := testrand.Seed(t)
	// Jiffies have 32 bits: what a flow table remembers is younger than 24 days,
	// and so must a history be that nobody sweeps.
	options := testworld.Options{Events: 60, PrefixLists: true, OwnSubnets: true, Span: 15 * 24 * time.Hour}
	n := uint64(0)
	for end := time.Now().Add(duration(t)); time.Now().Before(end); n++ {
		s := testworld.Random(testrand.New(seed+n), options)
		if err := k.judge(s); err != nil {
			report(t, seed+n, s, k.judge)
		}
	}
	t.Logf("%d worlds", n)
}
