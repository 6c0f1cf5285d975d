// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// Names gives addresses to the words that stand for them.
type Names map[string]netip.Addr

// addr reads an address or a name of one.
func (n Names) addr(s string) (netip.Addr, error) {
	if a, ok := n[s]; ok {
		return a, nil
	}
	return netip.ParseAddr(s)
}

// prefix reads a CIDR, NAME/bits, or the short form 0/0.
func (n Names) prefix(s string) (netip.Prefix, error) {
	if s == "0/0" {
		s = "0.0.0.0/0"
	}
	name, bits, _ := strings.Cut(s, "/")
	if a, ok := n[name]; ok {
		b, err := strconv.Atoi(bits)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("read %q as a block: %w", s, err)
		}
		return a.Prefix(b)
	}
	return netip.ParsePrefix(s)
}

// number reads a decimal number.
func number[T ~uint8 | ~uint16 | ~int](s string) (T, error) {
	n, err := strconv.Atoi(s)
	if err == nil && int(T(n)) != n {
		err = fmt.Errorf("%d is out of range", n)
	}
	return T(n), err
}

// parseRange reads a or a-b.
func parseRange(s string) (from, to int, err error) {
	a, b, two := strings.Cut(s, "-")
	if !two {
		b = a
	}
	if from, err = strconv.Atoi(a); err == nil {
		to, err = strconv.Atoi(b)
	}
	return from, to, err
}

// ParseRule reads a rule such as
//
//	in tcp/22 203.0.113.1/32
//	in tcp/7000-8000 <gB        (out …  >gB)
//	in icmp 8/-1 0/0            (or: in icmp all 0/0)
//	in proto 47 10.0.0.0/16     (or, with stored ports: in proto 47/1-2 …)
//	out all ::/0
//	in tcp/22 pl1
//
// Its id is the group's name and the rule in canonical form.
func ParseRule(group, text string, names Names) (oracle.Rule, error) {
	r, err := parseRule(strings.Fields(text), names)
	if err != nil {
		return oracle.Rule{}, fmt.Errorf("read rule %q: %w", text, err)
	}
	r.ID = group + " " + FormatRule(r)
	return r, nil
}

func parseRule(words []string, names Names) (r oracle.Rule, err error) {
	if len(words) < 3 {
		return r, fmt.Errorf("want a direction, a protocol and a peer")
	}
	switch words[0] {
	case "in":
		r.Direction = flow.Ingress
	case "out":
		r.Direction = flow.Egress
	default:
		return r, fmt.Errorf("%q is no direction", words[0])
	}
	peer := words[len(words)-1]
	name, rng, ranged := strings.Cut(strings.Join(words[1:len(words)-1], " "), " ")
	if !ranged {
		name, rng, _ = strings.Cut(name, "/")
	}
	r.From, r.To = -1, -1
	switch name {
	case "all":
		r.Protocol = oracle.AllProtocols
	case "tcp", "udp":
		r.Protocol = map[string]int{"tcp": flow.ProtoTCP, "udp": flow.ProtoUDP}[name]
		r.From, r.To, err = parseRange(rng)
	case "icmp", "icmpv6":
		r.Protocol = map[string]int{"icmp": flow.ProtoICMP, "icmpv6": flow.ProtoICMPv6}[name]
		if rng != "" && rng != "all" {
			t, c, _ := strings.Cut(rng, "/")
			if r.From, err = strconv.Atoi(t); err == nil {
				r.To, err = strconv.Atoi(c)
			}
		}
	case "proto":
		num, stored, has := strings.Cut(rng, "/")
		r.Protocol, err = strconv.Atoi(num)
		if err == nil && has {
			r.From, r.To, err = parseRange(stored)
		}
	default:
		err = fmt.Errorf("%q is no protocol", name)
	}
	if err != nil {
		return r, err
	}
	switch {
	case strings.HasPrefix(peer, "<") || strings.HasPrefix(peer, ">"):
		r.Peer.Group = peer[1:]
	case strings.HasPrefix(peer, "pl"):
		r.Peer.PrefixList = peer
	default:
		r.Peer.CIDR, err = names.prefix(peer)
	}
	return r, err
}

// FormatRule returns the rule as ParseRule reads it, without names.
func FormatRule(r oracle.Rule) string {
	var b strings.Builder
	arrow := "<"
	if r.Direction == flow.Egress {
		b.WriteString("out ")
		arrow = ">"
	} else {
		b.WriteString("in ")
	}
	switch r.Protocol {
	case oracle.AllProtocols:
		b.WriteString("all")
	case flow.ProtoTCP, flow.ProtoUDP:
		b.WriteString(map[int]string{flow.ProtoTCP: "tcp/", flow.ProtoUDP: "udp/"}[r.Protocol])
		b.WriteString(strconv.Itoa(r.From))
		if r.To != r.From {
			fmt.Fprintf(&b, "-%d", r.To)
		}
	case flow.ProtoICMP, flow.ProtoICMPv6:
		b.WriteString(map[int]string{flow.ProtoICMP: "icmp", flow.ProtoICMPv6: "icmpv6"}[r.Protocol])
		if r.From == -1 {
			b.WriteString(" all")
		} else {
			fmt.Fprintf(&b, " %d/%d", r.From, r.To)
		}
	default:
		fmt.Fprintf(&b, "proto %d", r.Protocol)
		if r.From >= 0 {
			fmt.Fprintf(&b, "/%d-%d", r.From, r.To)
		}
	}
	switch {
	case r.Peer.Group != "":
		b.WriteString(" " + arrow + r.Peer.Group)
	case r.Peer.PrefixList != "":
		b.WriteString(" " + r.Peer.PrefixList)
	default:
		b.WriteString(" " + r.Peer.CIDR.String())
	}
	return b.String()
}
