// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// Options says what random scenarios contain beyond the ordinary.
type Options struct {
	Events            int           // length of the history
	Span              time.Duration // longest time that it may take; 0 is any
	DelegatedPrefixes bool          // interfaces with whole blocks of addresses
	PrefixLists       bool          // rules with prefix lists, and changes of them
	Rare              bool          // fragments, ICMP errors, local services, odd paths, switches
	OwnSubnets        bool          // routers and broadcast addresses of an interface's own subnets only
}

// Random returns a random scenario: one or two VPCs with the same blocks, two to
// eight interfaces, few ports and addresses, so that rules match often; then
// conversations between them and with hosts outside, broken by pauses around the
// timeouts, by changes of rules, groups and settings, and by frames that no gate
// should let pass.
func Random(r *rand.Rand, o Options) *Scenario {
	g := &generator{r: r, o: o, s: New()}
	g.makeVPCs()
	g.makeInterfaces()
	g.makeRules()
	if o.Rare {
		g.throwSwitches()
	}
	g.w = Clone(g.s.World)
	for range o.Events {
		g.s.Events = append(g.s.Events, g.event())
	}
	return g.s
}

type generator struct {
	r *rand.Rand
	o Options
	s *Scenario
	w *oracle.World // as it is after the events so far

	interfaces, groups []string // names, in order
	talks              []*talk
	spent              time.Duration // of Span
	recent             []Packet      // that ICMP errors may be about
	fragments          []Packet      // that have not been sent yet
}

var (
	outside = []netip.Addr{
		netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"),
		netip.MustParseAddr("2001:db8:ffff::1"), netip.MustParseAddr("2001:db8:ffff::2"),
	}
	subnets = []string{"10.0.1.0/24", "10.0.2.0/24", "2001:db8:1:1::/64", "2001:db8:1:2::/64"}
	timers  = []oracle.Timeouts{
		{},
		{TCPEstablished: 60 * time.Second, UDP: 60 * time.Second, UDPStream: 60 * time.Second},
		{TCPEstablished: 350 * time.Second, UDP: 30 * time.Second, UDPStream: 180 * time.Second},
	}
)

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// chance reports true in so many of a hundred cases.
func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func (g *generator) makeVPCs() {
	for _, name := range []string{"v1", "v2"}[:1+g.r.IntN(2)] {
		v := &oracle.VPC{Name: name}
		v.CIDRs, _ = parsePrefixes([]string{"10.0.0.0/16", "2001:db8:1::/56"}, nil)
		v.Subnets, _ = parsePrefixes(subnets, nil)
		g.s.World.VPCs[name] = v
		for i := range 1 + g.r.IntN(4) {
			group := fmt.Sprintf("g%d%s", i+1, name)
			g.s.World.Groups[group] = &oracle.Group{Name: group, VPC: name}
			g.groups = append(g.groups, group)
		}
	}
	if g.o.PrefixLists {
		g.s.World.PrefixLists["pl1"] = g.blocks()
		g.s.World.PrefixLists["pl2"] = g.blocks()
	}
}

// blocks returns a few IPv4 blocks, as a prefix list may hold.
func (g *generator) blocks() []netip.Prefix {
	all, _ := parsePrefixes([]string{"203.0.113.1", "10.0.1.0/24", "10.0.1.10", "0.0.0.0/0", "203.0.113.0/24"}, nil)
	g.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:g.r.IntN(3)]
}

func (g *generator) makeInterfaces() {
	for i := range 2 + g.r.IntN(7) {
		name := string(rune('a' + i))
		vpc := "v1"
		if len(g.s.World.VPCs) > 1 && g.chance(40) {
			vpc = "v2"
		}
		// Interfaces of different VPCs often have the same addresses.
		subnet, host := 1+g.r.IntN(2), 10+i
		if twin := 10 + i/2; vpc == "v2" && g.s.World.Owner(vpc, addr4(subnet, twin)) == nil {
			host = twin
		}
		e := &oracle.Interface{
			Name: name, VPC: vpc, MAC: flow.MAC{2, 0, 0, 0, 0, byte(0x10 + i)},
			SourceDestCheck: !g.chance(20), Timeouts: pick(g.r, timers...),
			Groups: g.someGroups(vpc),
		}
		e.Addresses = append(e.Addresses, single(addr4(subnet, host)))
		if g.chance(60) {
			e.Addresses = append(e.Addresses, single(addr6(subnet, host)))
		}
		if g.chance(25) {
			e.Addresses = append(e.Addresses, single(addr4(subnet, 100+i)))
		}
		if g.o.DelegatedPrefixes && i < 7 && g.chance(20) { // up to .239: no broadcast
			e.Addresses = append(e.Addresses, netip.PrefixFrom(addr4(subnet, 128+16*i), 28))
		}
		g.s.World.Interfaces[name] = e
		g.interfaces = append(g.interfaces, name)
	}
}

func addr4(subnet, host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(subnet), byte(host)})
}

func addr6(subnet, host int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, byte(subnet), 15: byte(host)})
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// someGroups returns one to three groups of the VPC.
func (g *generator) someGroups(vpc string) []string {
	var own []string
	for _, name := range g.groups {
		if g.s.World.Groups[name].VPC == vpc {
			own = append(own, name)
		}
	}
	g.r.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
	return own[:min(len(own), 1+g.r.IntN(3))]
}

func (g *generator) makeRules() {
	for _, name := range g.groups {
		group := g.s.World.Groups[name]
		// Half of the groups begin as EC2's do: everything may leave, and some
		// like the default group: members may talk.
		if g.chance(50) {
			g.add(group, "out all 0/0")
			g.add(group, "out all ::/0")
		}
		if g.chance(30) {
			g.add(group, "in all <"+name)
		}
		for range g.r.IntN(9) {
			if r := g.rule(group); !has(group, r) {
				group.Rules = append(group.Rules, r)
			}
		}
	}
}

func (g *generator) add(group *oracle.Group, text string) {
	r, err := ParseRule(group.Name, text, nil)
	if err != nil {
		panic(err) // our own text
	}
	group.Rules = append(group.Rules, r)
}

func has(group *oracle.Group, r oracle.Rule) bool {
	return slices.ContainsFunc(group.Rules, func(o oracle.Rule) bool { return o.ID == r.ID })
}

func (g *generator) rule(group *oracle.Group) oracle.Rule {
	r := oracle.Rule{Direction: flow.Direction(g.r.IntN(2)), From: -1, To: -1}
	switch n := g.r.IntN(100); {
	case n < 35:
		r.Protocol = flow.ProtoTCP
		g.ports(&r)
	case n < 55:
		r.Protocol = flow.ProtoUDP
		g.ports(&r)
	case n < 65:
		r.Protocol = flow.ProtoICMP
		p := pick(g.r, [2]int{-1, -1}, [2]int{8, -1}, [2]int{8, 0}, [2]int{0, -1}, [2]int{3, 4}, [2]int{3, -1})
		r.From, r.To = p[0], p[1]
	case n < 73:
		r.Protocol = flow.ProtoICMPv6
		p := pick(g.r, [2]int{-1, -1}, [2]int{128, -1}, [2]int{128, 0}, [2]int{129, -1}, [2]int{2, 0})
		r.From, r.To = p[0], p[1]
	case n < 92:
		r.Protocol = oracle.AllProtocols
	default:
		r.Protocol = pick(g.r, 47, 50, 132, 59)
	}
	r.Peer = g.peer(group.VPC)
	r.ID = group.Name + " " + FormatRule(r)
	return r
}

func (g *generator) ports(r *oracle.Rule) {
	p := pick(g.r, [2]int{22, 22}, [2]int{80, 80}, [2]int{53, 53}, [2]int{443, 443}, [2]int{79, 81},
		[2]int{0, 65535}, [2]int{0, 65535}, [2]int{1024, 65535}, [2]int{0, 1023}, [2]int{1, 65535})
	r.From, r.To = p[0], p[1]
}

func (g *generator) peer(vpc string) (p oracle.Peer) {
	cidr := func(s string) { p.CIDR = netip.MustParsePrefix(s) }
	switch n := g.r.IntN(100); {
	case n < 25:
		cidr("0.0.0.0/0")
	case n < 40:
		cidr("::/0")
	case n < 65:
		p.Group = g.someGroups(vpc)[0]
	case n < 75:
		e := g.s.World.Interfaces[pick(g.r, g.interfaces...)]
		p.CIDR = pick(g.r, e.Addresses...)
	case n < 82:
		p.CIDR = single(pick(g.r, outside...))
	case n < 90:
		cidr(pick(g.r, subnets...))
	case n < 94:
		cidr(pick(g.r, "10.0.0.0/16", "203.0.113.0/24", "2001:db8:ffff::/48", "10.0.1.8/29"))
	case n < 97 && g.o.PrefixLists:
		p.PrefixList = pick(g.r, "pl1", "pl2")
	default:
		cidr(pick(g.r, "0.0.0.0/1", "128.0.0.0/1", "::/1", "2000::/3"))
	}
	return p
}
