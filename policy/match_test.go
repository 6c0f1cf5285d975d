// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hedgeward/hedgeward/flow"
)

func cidr(s string) Peer  { return Peer{Prefix: netip.MustParsePrefix(s)} }
func group(s string) Peer { return Peer{Group: s} }
func list(s ...string) Peer {
	var p Peer
	for _, e := range s {
		p.Prefixes = append(p.Prefixes, netip.MustParsePrefix(e))
	}
	return p
}

// TestMatch names the cases of docs/spec/packet-semantics.md section 7 whose
// answer is a matter of rules alone.
func TestMatch(t *testing.T) {
	const h1, h2, h6 = "203.0.113.1", "203.0.113.2", "2001:db8:ffff::1"
	tests := []struct {
		name   string
		rules  []Rule
		remote string
		groups []string
		proto  uint8
		port   uint16
		want   string // rule id; "" is no match
	}{
		{"PKT-A01 no rules", nil, h1, nil, 6, 22, ""},
		{"PKT-A03 exact", []Rule{{"r", 6, 22, 22, cidr(h1 + "/32")}}, h1, nil, 6, 22, "r"},
		{"PKT-A04 other peer", []Rule{{"r", 6, 22, 22, cidr(h1 + "/32")}}, h2, nil, 6, 22, ""},
		{"PKT-A05 port below", []Rule{{"r", 6, 22, 22, cidr(h1 + "/32")}}, h1, nil, 6, 21, ""},
		{"PKT-A05 port above", []Rule{{"r", 6, 22, 22, cidr(h1 + "/32")}}, h1, nil, 6, 23, ""},
		{"PKT-A06 range low", []Rule{{"r", 6, 7000, 8000, cidr(h1 + "/32")}}, h1, nil, 6, 7000, "r"},
		{"PKT-A06 range high", []Rule{{"r", 6, 7000, 8000, cidr(h1 + "/32")}}, h1, nil, 6, 8000, "r"},
		{"PKT-A06 beyond", []Rule{{"r", 6, 7000, 8000, cidr(h1 + "/32")}}, h1, nil, 6, 8001, ""},
		{"PKT-A07 port 0", []Rule{{"r", 6, 0, 65535, cidr(h1 + "/32")}}, h1, nil, 6, 0, "r"},
		{"PKT-A07 port 65535", []Rule{{"r", 6, 0, 65535, cidr(h1 + "/32")}}, h1, nil, 6, 65535, "r"},
		{"PKT-A08 protocol", []Rule{{"r", 17, 53, 53, cidr(h1 + "/32")}}, h1, nil, 6, 53, ""},
		{"PKT-A09 all", []Rule{{"r", All, 0, 0, cidr(h1 + "/32")}}, h1, nil, 47, 0, "r"},
		{"PKT-A10 ports ignored", []Rule{{"r", 50, 1, 2, cidr(h1 + "/32")}}, h1, nil, 50, 0, "r"},
		{"PKT-A11 widest wins", []Rule{
			{"narrow", 6, 22, 22, cidr(h1 + "/32")}, {"wide", 6, 22, 22, cidr("0.0.0.0/0")},
		}, h2, nil, 6, 22, "wide"},
		{"lowest number is named", []Rule{
			{"wide", 6, 22, 22, cidr("0.0.0.0/0")}, {"narrow", 6, 22, 22, cidr(h1 + "/32")},
		}, h1, nil, 6, 22, "wide"},
		{"group before prefix", []Rule{
			{"group", 6, 22, 22, group("g")}, {"cidr", 6, 22, 22, cidr("0.0.0.0/0")},
		}, h1, []string{"g"}, 6, 22, "group"},
		{"PKT-A16 families apart", []Rule{{"r", 6, 80, 80, cidr("0.0.0.0/0")}}, h6, nil, 6, 80, ""},
		{"PKT-A17", []Rule{{"r", 6, 80, 80, cidr("::/0")}}, h6, nil, 6, 80, "r"},
		{"PKT-B01 member", []Rule{{"r", 6, 5432, 5432, group("gB")}}, h1, []string{"gB"}, 6, 5432, "r"},
		{"PKT-B02 no member", []Rule{{"r", 6, 5432, 5432, group("gB")}}, h1, []string{"gX"}, 6, 5432, ""},
		{"PKT-B10 both families", []Rule{{"r", 6, 5432, 5432, group("gB")}}, h6, []string{"gB"}, 6, 5432, "r"},
		{"PKT-B26 prefix list", []Rule{{"r", 6, 22, 22, list("198.51.100.0/24", "203.0.113.0/24")}}, h1, nil, 6, 22, "r"},
		{"PKT-B29 empty reference", []Rule{{"r", All, 0, 0, group("gE")}}, h1, nil, 6, 22, ""},
		{"zero peer", []Rule{{"r", All, 0, 0, Peer{}}}, h1, nil, 6, 22, ""},
		{"PKT-F05 type", []Rule{{"r", 1, 8, -1, cidr("0.0.0.0/0")}}, h1, nil, 1, 13 << 8, ""},
		{"PKT-F01 type, any code", []Rule{{"r", 1, 8, -1, cidr("0.0.0.0/0")}}, h1, nil, 1, 8<<8 | 3, "r"},
		{"PKT-F06 code", []Rule{{"r", 1, 3, 4, cidr("0.0.0.0/0")}}, h1, nil, 1, 3<<8 | 4, "r"},
		{"PKT-F06 other code", []Rule{{"r", 1, 3, 4, cidr("0.0.0.0/0")}}, h1, nil, 1, 3<<8 | 1, ""},
		{"PKT-F18 icmp is not icmpv6", []Rule{{"r", 1, -1, -1, group("g")}}, h6, []string{"g"}, 58, 128 << 8, ""},
		{"PKT-F19 icmpv6", []Rule{{"r", 58, -1, -1, cidr("::/0")}}, h6, nil, 58, 128 << 8, "r"},
		{"upside down", []Rule{{"r", 6, 9, 8, cidr("0.0.0.0/0")}}, h1, nil, 6, 8, ""},
		{"out of bounds", []Rule{{"r", 6, 9, 70000, cidr("0.0.0.0/0")}}, h1, nil, 6, 10, ""},
		{"PKT-L21 last of many", many(960), "10.1.3.191", nil, 6, 959, "r959"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var src Source
			src[flow.Ingress] = tt.rules
			p := Compile(src)
			got, ok := p.Match(flow.Ingress, netip.MustParseAddr(tt.remote), tt.groups, tt.proto, tt.port)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("Match = %q, %v, want %q", got, ok, tt.want)
			}
			if _, ok := p.Match(flow.Egress, netip.MustParseAddr(tt.remote), tt.groups, tt.proto, tt.port); ok {
				t.Error("matches in the other direction too")
			}
		})
	}
}

// many returns rules for tcp port i from the address 10.1.x.y that i spells.
func many(n int) []Rule {
	rules := make([]Rule, n)
	for i := range rules {
		rules[i] = Rule{fmt.Sprint("r", i), 6, i, i, cidr(fmt.Sprintf("10.1.%d.%d/32", i>>8, i&0xff))}
	}
	return rules
}

// TestUntracked is the matrix of section 2.2, cell by cell.
func TestUntracked(t *testing.T) {
	any4, narrow := cidr("0.0.0.0/0"), cidr("203.0.113.0/24")
	ingress := [][]Rule{
		{},
		{{"", 6, 80, 80, any4}},
		{{"", 6, 80, 80, narrow}},
		{{"", 6, 0, 65535, any4}},
		{{"", All, 0, 0, any4}},
		{{"", All, 0, 0, narrow}},
	}
	egress := [][]Rule{
		{},
		{{"", 6, 443, 443, any4}},
		{{"", 6, 443, 443, narrow}},
		{{"", 6, 0, 65535, any4}},
		{{"", All, 0, 0, any4}},
		{{"", 6, 1024, 65535, any4}},
		{{"", 6, 0, 65535, narrow}},
		{{"", 17, 0, 65535, any4}},
	}
	outside := []string{"--------", "TTTUUTTT", "TTTTTTTT", "TTTUUUTT", "TTTUUUTT", "TTTTTTTT"}
	inside := []string{"-TTTT-T-", "-TTTT-T-", "-TTTT-T-", "-UTUU-T-", "-UTUU-T-", "-TTTT-T-"}
	remote := netip.MustParseAddr("203.0.113.1")
	cell := func(p *Policy, d flow.Direction, src, dst uint16) byte {
		if _, ok := p.Match(d, remote, nil, 6, dst); !ok {
			return '-'
		}
		if p.Untracked(d, flow.IPv4, 6, src, dst) {
			// The reverse packet must agree, or the answer would be dropped.
			if !p.Untracked(d.Opposite(), flow.IPv4, 6, dst, src) {
				return '!'
			}
			return 'U'
		}
		return 'T'
	}
	for i := range ingress {
		for o := range egress {
			p := Compile(Source{flow.Ingress: ingress[i], flow.Egress: egress[o]})
			if got := cell(p, flow.Ingress, 50000, 80); got != outside[i][o] {
				t.Errorf("I%d O%d from outside: %c, want %c", i, o, got, outside[i][o])
			}
			if got := cell(p, flow.Egress, 40000, 443); got != inside[i][o] {
				t.Errorf("I%d O%d from inside: %c, want %c", i, o, got, inside[i][o])
			}
		}
	}
}

// TestUntrackedPeers are the cases in which a wide peer is no any-CIDR peer.
func TestUntrackedPeers(t *testing.T) {
	open := []Rule{{"", All, 0, 0, cidr("0.0.0.0/0")}, {"", All, 0, 0, cidr("::/0")}}
	tests := []struct {
		name    string
		ingress []Rule
		egress  []Rule
		fam     flow.Family
		proto   uint8
		remote  uint16
		want    bool
	}{
		{"PKT-C02", []Rule{{"", 6, 80, 80, cidr("0.0.0.0/0")}}, open, flow.IPv4, 6, 5000, true},
		{"PKT-C05 IPv4", []Rule{{"", 6, 80, 80, cidr("0.0.0.0/0")}}, open[1:], flow.IPv4, 6, 5000, false},
		{"PKT-C05 IPv6", []Rule{{"", 6, 80, 80, cidr("::/0")}}, open[1:], flow.IPv6, 6, 5000, true},
		{"PKT-C15 two halves", []Rule{
			{"", 6, 80, 80, cidr("0.0.0.0/1")}, {"", 6, 80, 80, cidr("128.0.0.0/1")},
		}, open, flow.IPv4, 6, 5000, false},
		{"PKT-C16 prefix list", []Rule{{"", 6, 80, 80, list("0.0.0.0/0")}}, open, flow.IPv4, 6, 5000, false},
		{"PKT-C28 GRE", open, open, flow.IPv4, 47, 0, false},
		{"PKT-C33 high", []Rule{{"", 6, 0, 65535, cidr("0.0.0.0/0")}},
			[]Rule{{"", 6, 1024, 65535, cidr("0.0.0.0/0")}}, flow.IPv4, 6, 50000, true},
		{"PKT-C33 low", []Rule{{"", 6, 0, 65535, cidr("0.0.0.0/0")}},
			[]Rule{{"", 6, 1024, 65535, cidr("0.0.0.0/0")}}, flow.IPv4, 6, 500, false},
		{"two ranges are not all ports", []Rule{
			{"", 6, 0, 100, cidr("0.0.0.0/0")}, {"", 6, 101, 65535, cidr("0.0.0.0/0")},
		}, []Rule{{"", 6, 1024, 65535, cidr("0.0.0.0/0")}}, flow.IPv4, 6, 50000, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Compile(Source{flow.Ingress: tt.ingress, flow.Egress: tt.egress})
			if got := p.Untracked(flow.Ingress, tt.fam, tt.proto, tt.remote, 80); got != tt.want {
				t.Errorf("ingress: %v, want %v", got, tt.want)
			}
			if got := p.Untracked(flow.Egress, tt.fam, tt.proto, 80, tt.remote); got != tt.want {
				t.Errorf("egress: %v, want %v", got, tt.want)
			}
		})
	}
}

// naive is section 1.4 read aloud: the first rule in the list that matches.
func naive(rules []Rule, remote netip.Addr, groups []string, proto uint8, port uint16) string {
	for _, r := range rules {
		switch {
		case r.Protocol == All:
		case r.Protocol != int(proto):
			continue
		case proto == 6 || proto == 17:
			if r.From != All && (int(port) < r.From || int(port) > r.To) {
				continue
			}
		case proto == 1 || proto == 58:
			if (proto == 1) != remote.Is4() ||
				r.From != All && r.From != int(port>>8) || r.To != All && r.To != int(port&0xff) {
				continue
			}
		}
		in := func(p netip.Prefix) bool { return p.Contains(remote) }
		if r.Peer.Prefix.IsValid() && in(r.Peer.Prefix) || slices.ContainsFunc(r.Peer.Prefixes, in) ||
			r.Peer.Group != "" && slices.Contains(groups, r.Peer.Group) {
			return r.ID
		}
	}
	return ""
}

func drawAddr(t *rapid.T) netip.Addr {
	b := [16]byte{0x20, 1, 0xd, 0xb8, 15: byte(rapid.IntRange(0, 15).Draw(t, "v6"))}
	if rapid.Bool().Draw(t, "ipv6") {
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 3).Draw(t, "net")), byte(rapid.IntRange(0, 15).Draw(t, "host"))})
}

func drawPrefix(t *rapid.T) netip.Prefix {
	a := drawAddr(t)
	bits := rapid.SampledFrom([]int{0, 1, 8, 22, 24, 28, 30, 32}).Draw(t, "bits")
	if a.Is6() && bits > 0 {
		bits += 96
	}
	return netip.PrefixFrom(a, bits)
}

func drawRules(t *rapid.T) []Rule {
	rules := make([]Rule, rapid.IntRange(0, 12).Draw(t, "rules"))
	for i := range rules {
		r := Rule{ID: fmt.Sprint("r", i), Protocol: rapid.SampledFrom([]int{All, 1, 6, 17, 47, 58}).Draw(t, "protocol")}
		switch r.Protocol {
		case 6, 17:
			r.From = rapid.IntRange(0, 12).Draw(t, "from")
			r.To = rapid.IntRange(r.From, 12).Draw(t, "to")
			if rapid.IntRange(0, 3).Draw(t, "whole") == 0 {
				r.From, r.To = 0, 65535
			}
		case 1, 58:
			r.From = rapid.IntRange(-1, 3).Draw(t, "type")
			r.To = All
			if r.From != All {
				r.To = rapid.IntRange(-1, 2).Draw(t, "code")
			}
		}
		switch rapid.IntRange(0, 2).Draw(t, "peer") {
		case 0:
			r.Peer.Prefix = drawPrefix(t)
		case 1:
			r.Peer.Prefixes = []netip.Prefix{drawPrefix(t), drawPrefix(t)}
		case 2:
			r.Peer.Group = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group")
		}
		rules[i] = r
	}
	return rules
}

// TestMatchAgreesWithRules holds the compiled tables against the rules.
func TestMatchAgreesWithRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := Source{flow.Egress: drawRules(t)}
		p := Compile(src)
		if again := Compile(src); !reflect.DeepEqual(p, again) {
			t.Fatal("Compile is not deterministic")
		}
		for range 20 {
			remote := drawAddr(t)
			proto := rapid.SampledFrom([]uint8{1, 6, 17, 47, 58}).Draw(t, "packet protocol")
			var port uint16
			switch proto {
			case 6, 17:
				port = rapid.SampledFrom([]uint16{0, 1, 2, 5, 11, 12, 13, 65535}).Draw(t, "port")
			case 1, 58:
				port = uint16(rapid.IntRange(0, 3).Draw(t, "type"))<<8 | uint16(rapid.IntRange(0, 2).Draw(t, "code"))
			}
			groups := rapid.SampledFrom([][]string{nil, {"a"}, {"b", "c"}, {"x"}}).Draw(t, "groups")
			want := naive(src[flow.Egress], remote, groups, proto, port)
			got, _ := p.Match(flow.Egress, remote, groups, proto, port)
			if got != want {
				t.Fatalf("%v proto %d port %#x groups %v: got %q, want %q", remote, proto, port, groups, got, want)
			}
		}
	})
}
