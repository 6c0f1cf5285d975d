// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// judge is what stands between the two ends.
type judge int

const (
	nobody   judge = iota // plain forwarding by the kernel, no connection tracking
	nftables              // the same with a ruleset on the forward hook
	ours                  // the datapath of this tree
)

// contender is one way to let the same two ends talk.
type contender struct {
	name    string
	judge   judge
	rules   int  // per direction and end that match nothing here, beside those that do
	members int  // of the groups by which the ends admit each other; 0: by address block
	open    bool // ours: everything both ways, so flows are not tracked
	small   bool // ours: no traffic, only program runs
}

// baseline is what every ratio of the traffic refers to.
const baseline = 0

// contenders returns who takes part. The first is the baseline, the second its
// copy, which shows the noise.
func contenders(o options) []contender {
	all := []contender{
		{name: "plain forwarding"},
		{name: "plain forwarding (A/A)"},
	}
	if o.nft {
		for _, r := range o.rules {
			if r > 0 {
				all = append(all, contender{name: fmt.Sprintf("nftables, R=%d", r), judge: nftables, rules: r})
			}
		}
		if n := len(o.members); n > 0 {
			m := o.members[n-1]
			all = append(all, contender{name: fmt.Sprintf("nftables, R=10, M=%d", m), judge: nftables, rules: 10, members: m})
		}
	}
	for _, r := range o.rules {
		all = append(all, contender{name: fmt.Sprintf("hedgeward, R=%d", r), judge: ours, rules: r})
	}
	for _, m := range o.members {
		all = append(all, contender{name: fmt.Sprintf("hedgeward, R=10, M=%d", m), judge: ours, rules: 10, members: m})
	}
	return append(all, contender{name: "hedgeward, untracked", judge: ours, open: true})
}

// Where the two ends of a lab are.
var (
	vpcBlock  = netip.MustParsePrefix("10.66.0.0/16")
	endBlocks = [2]netip.Prefix{netip.MustParsePrefix("10.66.1.0/24"), netip.MustParsePrefix("10.66.2.0/24")}
)

const (
	client = iota
	server
)

func routerOf(end int) netip.Addr  { return endBlocks[end].Addr().Next() }
func addressOf(end int) netip.Addr { return netip.AddrFrom4([4]byte{10, 66, byte(end + 1), 10}) }

// blackhole is an address in the server's block at which plain forwarding drops.
var blackhole = netip.MustParseAddr("10.66.2.66")

// filler returns the i-th of the rules that match nothing here.
func filler(i int) (prefix netip.Prefix, port int) {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i>>8), byte(i), 0}), 24), 1000 + i
}

// admitted are the protocols and ports that the measured traffic needs.
var admitted = []struct {
	protocol int
	word     string
	from, to int
}{
	{6, "tcp", requestPort, bulkPort},
	{17, "udp", packetPort, packetPort},
	{17, "udp", firstNewPort, lastNewPort},
}

const memberGroup = "sg-member" // the group of both ends, where groups admit

// source returns the rules of one end: the client's egress and the server's
// ingress admit the traffic; the other direction of each admits none of it.
func (c contender) source(end int) policy.Source {
	var src policy.Source
	if c.open {
		all := policy.Rule{ID: "sgr-open", Protocol: policy.All, From: policy.All, To: policy.All, Peer: policy.Peer{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}}
		return policy.Source{{all}, {all}}
	}
	for dir := range src {
		for i := range c.rules {
			prefix, port := filler(i)
			src[dir] = append(src[dir], policy.Rule{ID: fmt.Sprint("sgr-", i), Protocol: 6, From: port, To: port, Peer: policy.Peer{Prefix: prefix}})
		}
	}
	dir := flow.Egress
	if end == server {
		dir = flow.Ingress
	}
	peer := policy.Peer{Prefix: endBlocks[1-end]}
	if c.members > 0 {
		peer = policy.Peer{Group: memberGroup}
	}
	for i, a := range admitted {
		src[dir] = append(src[dir], policy.Rule{ID: fmt.Sprint("sgr-admit-", i), Protocol: a.protocol, From: a.from, To: a.to, Peer: peer})
	}
	return src
}

// member returns the address of the i-th member that is neither end.
func member(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(128 + i>>16), byte(i >> 8), byte(i)})
}

// ruleset returns what an expert writes for nftables: connection state first,
// one verdict map per direction to the end's own chain, one lookup in a
// concatenated interval set there, members in a hash set asked by address first.
func (c contender) ruleset(device [2]string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("table ip firewall {")
	for end, name := range []string{"client_out", "server_in"} {
		p("set %s { type ipv4_addr . inet_proto . inet_service; flags interval; elements = {", name)
		for i := range c.rules {
			prefix, port := filler(i)
			p("%s . tcp . %d,", prefix, port)
		}
		for _, a := range admitted {
			prefix := endBlocks[1-end].String()
			if c.members > 0 {
				prefix = "192.0.2.0/24" // the members' set admits instead
			}
			p("%s . %s . %d-%d,", prefix, a.word, a.from, a.to)
		}
		p("} }")
	}
	if c.members > 0 {
		p("set members { type ipv4_addr; elements = { %s, %s,", addressOf(client), addressOf(server))
		for i := range c.members {
			p("%s,", member(i))
		}
		p("} }")
		p("set member_ports { type inet_proto . inet_service; flags interval; elements = {")
		for _, a := range admitted {
			p("%s . %d-%d,", a.word, a.from, a.to)
		}
		p("} }")
	}
	chain := func(name, address, set, pass string) {
		p("chain %s {", name)
		if c.members > 0 {
			p("ip %s @members meta l4proto . th dport @member_ports %s", address, pass)
		}
		p("ip %s . meta l4proto . th dport @%s %s", address, set, pass)
		p("drop\n}")
	}
	chain("server_ingress", "saddr", "server_in", "accept")
	p("chain to_end {\noifname vmap { %q : goto server_ingress }\ndrop\n}", device[server])
	chain("client_egress", "daddr", "client_out", "goto to_end")
	p("chain forward { type filter hook forward priority filter; policy drop;")
	p("ct state vmap { established : accept, related : accept, invalid : drop }")
	p("iifname vmap { %q : goto client_egress }\n}\n}", device[client])
	return b.String()
}
