// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// talk is a conversation that a history comes back to.
type talk struct {
	first Packet // what its first side sends, without flags
	back  Packet // what its second side sends
	step  int    // TCP: place in the script
}

// The course of an ordinary connection: who speaks, and with which flags.
var script = []struct {
	back  bool
	flags flow.TCPFlags
}{
	{false, flow.SYN}, {true, flow.SYN | flow.ACK}, {false, flow.ACK},
	{false, flow.ACK | flow.PSH}, {true, flow.ACK | flow.PSH}, {true, flow.ACK},
	{false, flow.FIN | flow.ACK}, {true, flow.ACK}, {true, flow.FIN | flow.ACK}, {false, flow.ACK},
}

// What breaks into it.
var oddFlags = []flow.TCPFlags{
	flow.SYN, flow.SYN, flow.SYN | flow.ACK, flow.ACK, flow.ACK, flow.FIN | flow.ACK, flow.FIN | flow.ACK, flow.FIN,
	flow.RST, flow.RST | flow.ACK, flow.RST | flow.ACK, flow.SYN | flow.ECE | flow.CWR, flow.SYN | flow.FIN,
	flow.SYN | flow.RST, 0, flow.PSH, flow.RST | flow.FIN, flow.FIN | flow.PSH | flow.URG, flow.SYN | flow.ACK | flow.FIN,
}

// Pauses, mostly about one of the timeouts of section 3.6.
var pauses = []time.Duration{
	time.Second, 5 * time.Second, 9 * time.Second, 10 * time.Second, 11 * time.Second,
	29 * time.Second, 30 * time.Second, 31 * time.Second, 59 * time.Second, 60 * time.Second, 61 * time.Second,
	179 * time.Second, 180 * time.Second, 349 * time.Second, 350 * time.Second, 599 * time.Second, 600 * time.Second,
	3599 * time.Second, 3600 * time.Second, 431999 * time.Second, 432000 * time.Second,
}

func (g *generator) event() Event {
	switch n := g.r.IntN(100); {
	case n < 12:
		// The short ones keep flows alive; the long ones end whatever there is.
		d := pick(g.r, pauses[:1+g.r.IntN(len(pauses))]...)
		if g.o.Span > 0 && g.spent+d > g.o.Span {
			d = time.Second
		}
		g.spent += d
		return Event{Wait: d}
	case n < 20:
		if c := g.change(); c.Apply(g.w) == nil {
			return Event{Change: c}
		}
	case n < 30:
		p := g.fault()
		return Event{Packet: &p}
	case n < 45 && g.o.Rare:
		if p := g.rare(); p != nil {
			return Event{Packet: p}
		}
	}
	p := g.spoken()
	if !g.w.Interfaces[p.Gate].SourceDestCheck && g.chance(15) {
		g.forward(&p)
	}
	if g.recent = append(g.recent, p); len(g.recent) > 8 {
		g.recent = g.recent[1:]
	}
	return Event{Packet: &p}
}

// forward makes the packet one that its interface forwards for others.
func (g *generator) forward(p *Packet) {
	foreign := slices.Clone(outside)
	for _, name := range g.interfaces {
		foreign = append(foreign, g.w.Interfaces[name].Addresses[0].Addr())
	}
	if p.Outside {
		p.Dst = g.sameFamily(p.Dst, foreign)
	} else {
		p.Src = g.sameFamily(p.Src, foreign)
	}
}

func (g *generator) change() *Change {
	group, iface := pick(g.r, g.groups...), pick(g.r, g.interfaces...)
	switch n := g.r.IntN(100); {
	case n < 35:
		if rules := g.w.Groups[group].Rules; len(rules) > 0 {
			return &Change{Verb: "revoke", Name: group, Rule: pick(g.r, rules...)}
		}
		fallthrough
	case n < 70:
		if r := g.rule(g.w.Groups[group]); !has(g.w.Groups[group], r) {
			return &Change{Verb: "authorize", Name: group, Rule: r}
		}
		fallthrough
	case n < 90:
		return &Change{Verb: "groups", Name: iface, Groups: g.someGroups(g.w.Interfaces[iface].VPC)}
	case n < 94:
		return &Change{Verb: "check", Name: iface, On: !g.w.Interfaces[iface].SourceDestCheck}
	case n < 98 || !g.o.PrefixLists:
		return &Change{Verb: "timeouts", Name: iface, Timeouts: pick(g.r, timers...)}
	}
	return &Change{Verb: "relist", Name: pick(g.r, "pl1", "pl2"), Prefixes: g.blocks()}
}

// spoken returns the next packet of some conversation.
func (g *generator) spoken() Packet {
	if len(g.talks) == 0 || g.chance(12) {
		g.talks = append(g.talks, g.newTalk())
	}
	if len(g.talks) > 6 {
		g.talks = g.talks[1:]
	}
	t := pick(g.r, g.talks...)
	back := g.chance(50)
	switch t.first.Protocol {
	case flow.ProtoTCP:
		flags := pick(g.r, oddFlags...)
		if g.chance(65) {
			line := script[t.step%len(script)]
			t.step++
			back, flags = line.back, line.flags
		}
		t.first.Flags, t.back.Flags = flags, flags
	case flow.ProtoICMP, flow.ProtoICMPv6:
		if g.chance(10) { // both sides ask
			p := t.back
			p.Type = t.first.Type
			return p
		}
	}
	if back {
		return t.back
	}
	return t.first
}

func (g *generator) newTalk() *talk {
	e := g.w.Interfaces[pick(g.r, g.interfaces...)]
	own := g.addressOf(e)
	p := Packet{Gate: e.Name, Src: own}
	back := Packet{Dst: own}
	p.Dst, back.Gate, back.Outside = g.partner(e, own)
	if back.Outside {
		back.Gate = e.Name
	}
	back.Src = p.Dst
	p.SrcPort, p.DstPort = pick[uint16](g.r, 50000, 40000, 1030, 80, 500), pick[uint16](g.r, 22, 80, 53, 443, 81, 0)
	if g.chance(30) {
		p.SrcPort, p.DstPort = p.DstPort, p.SrcPort
	}
	back.SrcPort, back.DstPort = p.DstPort, p.SrcPort
	switch n := g.r.IntN(100); {
	case n < 50:
		p.Protocol = flow.ProtoTCP
	case n < 72:
		p.Protocol = flow.ProtoUDP
	case n < 90:
		p.Protocol, p.ID = flow.ProtoICMP, uint16(1+g.r.IntN(2))
		types := pick(g.r, [2]uint8{8, 0}, [2]uint8{8, 0}, [2]uint8{13, 14}, [2]uint8{42, 43}, [2]uint8{3, 11}, [2]uint8{5, 4})
		if own.Is6() {
			p.Protocol = flow.ProtoICMPv6
			types = pick(g.r, [2]uint8{128, 129}, [2]uint8{128, 129}, [2]uint8{139, 140}, [2]uint8{1, 2}, [2]uint8{144, 145})
		}
		p.Type, back.Type = types[0], types[1]
		if types[0] == 3 {
			p.Code, back.Code = 4, 0
		}
	default:
		p.Protocol = pick[uint8](g.r, 47, 50, 132, 4)
		if own.Is6() {
			p.Protocol = pick[uint8](g.r, 47, 50, 132, 51, 59)
		}
	}
	if p.Protocol != flow.ProtoTCP && p.Protocol != flow.ProtoUDP {
		p.SrcPort, p.DstPort, back.SrcPort, back.DstPort = 0, 0, 0, 0
	}
	back.Protocol, back.ID = p.Protocol, p.ID
	t := &talk{first: p, back: back}
	if g.chance(50) {
		t.first, t.back = t.back, t.first
		t.first.Type, t.back.Type = t.back.Type, t.first.Type
	}
	return t
}

func (g *generator) addressOf(e *oracle.Interface) netip.Addr {
	block := pick(g.r, e.Addresses...)
	a := block.Addr()
	if !block.IsSingleIP() {
		for range g.r.IntN(16) {
			a = a.Next()
		}
	}
	return a
}

// partner returns the far end of a conversation: another interface of the VPC,
// or an address outside it.
func (g *generator) partner(e *oracle.Interface, own netip.Addr) (a netip.Addr, gate string, isOutside bool) {
	for range 8 {
		o := g.w.Interfaces[pick(g.r, g.interfaces...)]
		if o == e || o.VPC != e.VPC || g.chance(20) {
			continue
		}
		if a = g.addressOf(o); a.Is4() == own.Is4() {
			return a, o.Name, false
		}
	}
	hosts := outside[:2]
	if own.Is6() {
		hosts = outside[2:]
	}
	return pick(g.r, hosts...), "", true
}
