// SPDX-License-Identifier: Apache-2.0

// Package inforce brings the worlds of the oracle into force in the loaded
// programs, packet by packet and change by change, as an agent would. Only tests
// import it.
//
// What the host does not have yet, a packet is told: over what class of path it
// goes (Path.Class of package oracle), and so whether references may match and
// whether tracking is forced.
package inforce

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/conformance"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
	"github.com/hedgeward/hedgeward/policy"
)

// Kernel plays worlds through the loaded programs. One serves a whole test, and
// the interfaces stay attached from world to world: attaching waits for every
// processor, changing does not.
type Kernel struct {
	t        testing.TB
	Rig      *bpftest.Rig
	attached map[string]datapath.Interface // by id
	named    map[place]bool
	held     []held
	now      time.Duration
	exceeded map[string]int // packets that had exceeded their allowance when the world came, by id
	limited  bool           // some instance has a limit, so that dead flows must not count long
}

var _ conformance.Judge = (*Kernel)(nil)

// place is an address within a VPC.
type place struct {
	vpc  string
	addr netip.Addr
}

// New makes a Kernel. It needs root.
func New(t testing.TB) *Kernel {
	if err := datapath.Check(); err != nil {
		t.Fatalf("the comparison with the loaded programs cannot run here: %v", err)
	}
	k := &Kernel{t: t, Rig: bpftest.New(t), attached: map[string]datapath.Interface{}, named: map[place]bool{}}
	const loopback = 1
	k.must(k.Rig.HandTo(loopback)) // where no frame ever gets
	return k
}

// Join lets a subtest use the Kernel until it ends.
func (k *Kernel) Join(t testing.TB) {
	t.Helper()
	parent := k.t
	k.t = t
	t.Cleanup(func() { k.t = parent })
	k.Rig.Join(t)
}

func (k *Kernel) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// id names an interface in the kernel, where it cannot change its VPC.
func id(e *oracle.Interface) string { return e.VPC + "-" + e.Name }

// Of returns the interface of a world as it is attached.
func (k *Kernel) Of(e *oracle.Interface) datapath.Interface { return k.attached[id(e)] }

// clear takes away the world before: addresses, groups, and all flows, whose
// time it lets pass.
func (k *Kernel) clear() {
	k.t.Helper()
	for p := range k.named {
		k.must(k.Rig.DeleteAddress(p.vpc, p.addr))
	}
	clear(k.named)
	for _, i := range k.attached {
		if i.Addresses != nil {
			i.Addresses = nil
			k.attached[i.ID] = k.Rig.Attach(i)
		}
	}
	k.Forget()
}

// Forget lets so much time pass that nothing is remembered of any packet.
func (k *Kernel) Forget() {
	k.t.Helper()
	k.held = nil
	k.Rig.Advance(6 * 24 * time.Hour)
	k.sweep()
	k.now = 0
}

// sweep takes dead flows away, as the datapath does by itself within a second.
func (k *Kernel) sweep() {
	k.t.Helper()
	k.must(k.Rig.Sweep(context.Background()))
}

// Load brings the world into the kernel in place of the one before.
func (k *Kernel) Load(w *oracle.World) {
	k.t.Helper()
	k.clear()
	for _, e := range w.Interfaces {
		if len(e.Groups) == 0 {
			k.detach(e) // the policy of the world before is not to be adopted
		}
		k.attach(w, e)
	}
	k.name(w)
	for _, e := range w.Interfaces {
		k.police(w, e)
	}
	k.configure(w)
	k.exceeded = map[string]int{}
	k.limited = len(w.Instances) > 0
	all, err := k.Rig.Interfaces()
	k.must(err)
	for _, s := range all {
		k.exceeded[s.ID] = exceededOf(s)
	}
}

// configure throws the switches.
func (k *Kernel) configure(w *oracle.World) {
	k.t.Helper()
	s := w.Switches
	k.must(k.Rig.Configure(datapath.Settings{
		NoRelated: s.NoRelated, NoPathMTU: s.NoPathMTU, FragmentContext: s.FragmentContext,
		FragmentLimit: s.FragmentLimit, Grace: max(s.GraceUntil-k.now, 0),
	}))
}

func (k *Kernel) detach(e *oracle.Interface) {
	k.t.Helper()
	if i, ok := k.attached[id(e)]; ok {
		k.must(k.Rig.Detach(i.ID))
		delete(k.attached, i.ID)
		k.attached[i.ID] = datapath.Interface{Device: i.Device, Ifindex: i.Ifindex}
	}
}

// attach brings the interface into force, or up to date.
func (k *Kernel) attach(w *oracle.World, e *oracle.Interface) {
	k.t.Helper()
	i := k.Of(e)
	i.ID, i.VPC, i.MAC, i.SourceDestCheck = id(e), e.VPC, net.HardwareAddr(e.MAC[:]), e.SourceDestCheck
	i.Tracking = e.Timeouts
	i.VPCPrefixes = w.VPCs[e.VPC].CIDRs
	i.Addresses, i.RouterAddresses = addressesOf(e), nil
	i.Subnets = w.VPCs[e.VPC].Subnets
	i.Instance, i.Allowance = "", 0
	if e.Instance != "" {
		i.Instance = e.VPC + "-" + e.Instance
	}
	if in := w.Instances[e.Instance]; in != nil {
		i.Allowance = in.Allowance
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
	k.attached[i.ID] = k.Rig.Attach(i)
}

// addressesOf returns every address of the interface, those of delegated prefixes
// one by one.
func addressesOf(e *oracle.Interface) (out []netip.Addr) {
	for _, p := range e.Addresses {
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			out = append(out, a)
		}
	}
	return out
}

// name tells who has which address, in every VPC that reaches it, and in which
// groups.
func (k *Kernel) name(w *oracle.World) {
	k.t.Helper()
	now := map[place]bool{}
	for vpc := range w.VPCs {
		for _, e := range w.Interfaces {
			if e.VPC != vpc && !linked(w, vpc, e.VPC) {
				continue
			}
			for _, a := range addressesOf(e) {
				k.must(k.Rig.PutAddress(datapath.Address{VPC: vpc, Addr: a, Interface: id(e), Groups: e.Groups}))
				now[place{vpc, a}] = true
			}
		}
	}
	for p := range k.named {
		if !now[p] {
			k.must(k.Rig.DeleteAddress(p.vpc, p.addr))
		}
	}
	k.named = now
}

func linked(w *oracle.World, a, b string) bool {
	return slices.ContainsFunc(w.Links, func(l oracle.Link) bool {
		return l.Active && (l.A == a && l.B == b || l.A == b && l.B == a)
	})
}

// police puts the rules of the interface's groups in force.
func (k *Kernel) police(w *oracle.World, e *oracle.Interface) {
	k.t.Helper()
	if len(e.Groups) > 0 {
		k.Rig.SetPolicy(k.Of(e), Source(w, e))
	}
}

// Source is the union of the rules of the interface's groups as the compiler
// takes it: in order of groups and rules, prefix lists resolved.
func Source(w *oracle.World, e *oracle.Interface) (src policy.Source) {
	for _, name := range e.Groups {
		for _, r := range w.Groups[name].Rules {
			out := policy.Rule{ID: r.ID, Protocol: r.Protocol, From: r.From, To: r.To}
			switch {
			case r.Peer.CIDR.IsValid():
				out.Peer.Prefix = r.Peer.CIDR.Masked()
			case r.Peer.PrefixList != "":
				out.Peer.Prefixes = w.PrefixLists[r.Peer.PrefixList]
			default:
				out.Peer.Group = r.Peer.Group
			}
			src[r.Direction] = append(src[r.Direction], out)
		}
	}
	return src
}

// Change brings a change that the world has already seen into the kernel.
func (k *Kernel) Change(w *oracle.World, c *testworld.Change) {
	k.t.Helper()
	e := w.Interfaces[c.Name]
	switch c.Verb {
	case "check", "timeouts":
		k.attach(w, e)
	case "addresses":
		k.attach(w, e)
		k.name(w)
	case "groups":
		k.name(w)
		k.police(w, e)
	case "purge":
		k.detach(e)
		k.attach(w, e)
		k.name(w)
		k.police(w, e)
	case "link":
		k.name(w)
	case "switch":
		k.configure(w)
	case "allowance", "block":
		for _, e := range w.Interfaces {
			k.attach(w, e)
		}
	default:
		for _, e := range w.Interfaces {
			if c.Verb == "relist" || slices.Contains(e.Groups, c.Name) {
				k.police(w, e)
			}
		}
	}
}

// Advance lets time pass, and dead flows be taken away where they count. Where they
// do not, a longer timeout is to revive them (section 2.5).
func (k *Kernel) Advance(d time.Duration) {
	k.t.Helper()
	k.now += d
	k.Rig.Advance(d)
	if k.limited {
		k.sweep()
	}
}

// Entries returns how many live flows the interface has.
func (k *Kernel) Entries(_ *oracle.World, e *oracle.Interface) int { return len(k.Rig.Flows(k.Of(e))) }

// Counted returns what the interface's live flows have counted.
func (k *Kernel) Counted(_ *oracle.World, e *oracle.Interface) (packets, octets [flow.NumDirections]int) {
	for _, f := range k.Rig.Flows(k.Of(e)) {
		for d := range packets {
			packets[d] += int(f.Packets[d])
			octets[d] += int(f.Bytes[d])
		}
	}
	return packets, octets
}
