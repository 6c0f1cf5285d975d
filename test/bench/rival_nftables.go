// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// lines collects the text of a ruleset.
type lines struct{ strings.Builder }

func (l *lines) add(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

// nftRuleset returns what an expert writes for nftables: connection state first,
// one verdict map per direction to the end's own chain, one lookup in a
// concatenated interval set there, members in a hash set asked by address first.
func (c contender) nftRuleset(device [2]string) string {
	var b lines
	b.add("table ip firewall {")
	for end, name := range []string{"client_out", "server_in"} {
		b.add("set %s { type ipv4_addr . inet_proto . inet_service; flags interval; elements = {", name)
		for i := range c.rules {
			prefix, port := filler(i)
			b.add("%s . tcp . %d,", prefix, port)
		}
		for _, a := range admitted {
			prefix := endBlocks[1-end].String()
			if c.members > 0 {
				prefix = "192.0.2.0/24" // the members' set admits instead
			}
			b.add("%s . %s . %d-%d,", prefix, a.word, a.from, a.to)
		}
		b.add("} }")
	}
	if c.members > 0 {
		b.add("set members { type ipv4_addr; elements = { %s, %s,", addressOf(client), addressOf(server))
		for i := range c.members {
			b.add("%s,", member(i))
		}
		b.add("} }")
		b.add("set member_ports { type inet_proto . inet_service; flags interval; elements = {")
		for _, a := range admitted {
			b.add("%s . %d-%d,", a.word, a.from, a.to)
		}
		b.add("} }")
	}
	chain := func(name, address, set, pass string) {
		b.add("chain %s {", name)
		if c.members > 0 {
			b.add("ip %s @members meta l4proto . th dport @member_ports %s", address, pass)
		}
		b.add("ip %s . meta l4proto . th dport @%s %s", address, set, pass)
		b.add("drop\n}")
	}
	chain("server_ingress", "saddr", "server_in", "accept")
	b.add("chain to_end {\noifname vmap { %q : goto server_ingress }\ndrop\n}", device[server])
	chain("client_egress", "daddr", "client_out", "goto to_end")
	b.add("chain forward { type filter hook forward priority filter; policy drop;")
	b.add("ct state vmap { established : accept, related : accept, invalid : drop }")
	b.add("iifname vmap { %q : goto client_egress }\n}\n}", device[client])
	return b.String()
}
