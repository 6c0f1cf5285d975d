// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testworld"
)

// headers are the rows of 7.H, 7.I and 7.J that words cannot say: frames of the
// link layer, and headers in hexadecimal.
func headers() (rows []Row) {
	for _, f := range linkLayer() {
		rows = append(rows, Row{f.name, shut, "A raw " + f.hex + " " + f.want})
	}
	for _, f := range toA {
		rows = append(rows, Row{f.name, f.setup, ">A raw " + strings.ReplaceAll(f.hex, " ", "") + " " + f.want})
	}
	return rows
}

type frame struct{ name, setup, hex, want string }

// linkLayer returns what A says to its link.
func linkLayer() (out []frame) {
	s, err := testworld.Parse(topology)
	if err != nil {
		panic(err) // our own text
	}
	a := s.World.Interfaces["A"]
	ip := netip.MustParseAddr
	none, own, own6 := netip.Addr{}, ip("10.0.1.10"), ip("2001:db8:1:1::a")
	link, unspecified, solicited, everybody := ip("fe80::ff:fe00:a"), ip("::"), ip("ff02::1:ff00:a"), ip("ff02::1")
	foreign := flow.MAC{2, 0, 0, 0, 0, 0x99}
	add := func(name string, b []byte, want string) {
		out = append(out, frame{name: name, hex: fmt.Sprintf("%x", b), want: want})
	}
	relabelled := func(b []byte) []byte {
		copy(b[6:12], foreign[:])
		return b
	}
	ether := func(etherType ...byte) []byte {
		b := append(make([]byte, 6), a.MAC[:]...)
		return append(append(b, etherType...), make([]byte, 46)...)
	}
	arp := func(op uint16, mac flow.MAC, sender, target netip.Addr) []byte {
		return testworld.ARP(a, op, mac, sender, target)
	}
	router := ip("10.0.1.1")
	add("H11 who-has router", arp(1, a.MAC, own, router), "○ answered")
	add("H12 reply claiming another's address", arp(2, a.MAC, ip("10.0.1.99"), router), "⊘ spoof_arp")
	add("H12 gratuitous", arp(1, a.MAC, own, own), "○ answered")
	add("J03 sender MAC of another in ARP", arp(1, foreign, own, router), "⊘ spoof_arp")
	add("J03 Ethernet source of another in ARP", relabelled(arp(1, a.MAC, own, router)), "⊘ spoof_arp")
	add("J11 probe", arp(1, a.MAC, ip("0.0.0.0"), router), "○ answered")
	add("J02 ARP from a delegated address", arp(1, a.MAC, ip("10.0.1.70"), router), "○ answered")
	nd := func(typ uint8, src, dst, target netip.Addr) []byte { return testworld.ND(a, typ, src, dst, target) }
	add("H13 advertisement of own address", nd(flow.NeighbourAdvertisement, own6, everybody, own6), "○ answered")
	add("H13 advertisement of own link-local address", nd(flow.NeighbourAdvertisement, link, everybody, link), "○ answered")
	add("H13 advertisement of another's address", nd(flow.NeighbourAdvertisement, own6, everybody, ip("2001:db8:1:1::b")), "⊘ spoof_nd")
	add("H14 router solicitation", nd(flow.RouterSolicitation, link, ip("ff02::2"), none), "○ answered")
	add("H14 listener report", nd(flow.MLDv2Report, link, ip("ff02::16"), none), "○ answered")
	add("H14 duplicate address detection", nd(flow.NeighbourSolicitation, unspecified, solicited, own6), "○ answered")
	add("J10 solicitation from another's address", nd(flow.NeighbourSolicitation, ip("2001:db8:1:1::b"), solicited, own6), "⊘ spoof_ip")
	add("J03 solicitation with another's MAC", relabelled(nd(flow.NeighbourSolicitation, link, solicited, own6)), "⊘ spoof_mac")
	add("H15 router advertisement", nd(flow.RouterAdvertisement, link, everybody, none), "⊘ rogue_ra")
	add("H15 redirect", nd(flow.RedirectV6, link, ip("2001:db8:1:1::b"), own6), "⊘ rogue_ra")
	add("H22 LLDP", ether(0x88, 0xcc), "⊘ ethertype")
	add("H22 VLAN", ether(0x81, 0x00), "⊘ ethertype")
	add("H22 RARP", ether(0x80, 0x35), "⊘ ethertype")
	add("H22 MPLS", ether(0x88, 0x47), "⊘ ethertype")
	return out
}

const (
	macs = "02000000000a 020000000001 "
	v4   = macs + "0800 "
	v6   = macs + "86dd "
	h1a  = "cb007101 0a00010a " // H1 > A
	h6a6 = "20010db8ffff00000000000000000001 20010db800010001000000000000000a "
	ra6  = "fe800ec2000000000000000000000001 20010db800010001000000000000000a "
	b6a6 = "20010db800010001000000000000000b 20010db800010001000000000000000a "
	syn  = "c350 0016 00000001 00000000 5002 ffff 0000 0000 " // 50000 > 22
	open = "A: OPEN"
	ssh6 = "A: in tcp/22 H6/128"
)

// toA are frames that arrive at A from outside.
var toA = []frame{
	{"E15 UDP length 7", open, v4 + "4500001c 00004000 40110000" + h1a + "1388 0035 0007 0000", "⊘ malformed"},
	{"E15 UDP length beyond the packet", open, v4 + "4500001c 00004000 40110000" + h1a + "1388 0035 0009 0000", "⊘ malformed"},
	{"H15 router advertisement of the router", shut, v6 + "60000000 0010 3a ff" + ra6 + "8600 0000 40000000 00000000 00000000", "○"},
	{"H15 router advertisement of a neighbour", open, v6 + "60000000 0010 3a ff" + b6a6 + "8600 0000 40000000 00000000 00000000", "⊘ rogue_ra"},
	{"I06", open, v4 + "4500001c 00012000 40060000" + h1a + "c350 0016 00000001", "⊘ tiny_fragment"},
	{"I07", open, v4 + "4500001c 00010001 40060000" + h1a + "c350 0016 00000001", "⊘ tiny_fragment"},
	{"I10", ssh6, v6 + "60000000 001c 2c 40" + h6a6 + "0600 0000 00000001" + syn, "✓ rule"},
	{"I13", open, v6 + "60000000 0008 2c 40" + h6a6 + "0600 0001 00000001", "⊘ tiny_fragment"},
	{"I14", "A: in tcp/22 H1/32", v4 + "4600002c 00004000 40060000" + h1a + "94040000" + syn, "✓ rule"},
	{"I15", open, v4 + "4700003000004000 40060000" + h1a + "0183070408080808" + syn, "⊘ source_route"},
	{"I16 IHL 4", open, v4 + "44000028 00004000 40060000" + h1a + syn, "⊘ malformed"},
	{"I16 total length 10", open, v4 + "4500000a 00004000 40060000" + h1a + syn, "⊘ malformed"},
	{"I16 UDP without header", open, v4 + "45000014 00004000 40110000" + h1a, "⊘ malformed"},
	{"I16 version 6", open, v4 + "65000028 00004000 40060000" + h1a + syn, "⊘ malformed"},
	{"I16 TCP offset 4", open, v4 + "45000028 00004000 40060000" + h1a + "c350 0016 00000001 00000000 4002 ffff 0000 0000", "⊘ malformed"},
	{"I17", ssh6, v6 + "60000000 0024 00 40" + h6a6 + "3c00 010400000000 0600 010400000000" + syn, "✓ rule"},
	{"I18", ssh6, v6 + "60000000 0020 33 40" + h6a6 + "0601 0000 00000001 00000001" + syn, "✗ no_rule"},
	{"I19", "A: in proto 51 H6/128", v6 + "60000000 0020 33 40" + h6a6 + "0601 0000 00000001 00000001" + syn, "✓ rule"},
	{"I20 routing type 0", open, v6 + "60000000 001c 2b 40" + h6a6 + "0600 0000 00000000" + syn, "⊘ ext_chain"},
	{"I20 nine headers", open, v6 + "60000000 005c 3c 40" + h6a6 + strings.Repeat("3c00 010400000000", 8) + "0600 010400000000" + syn, "⊘ ext_chain"},
	{"I20 truncated", open, v6 + "60000000 0008 3c 40" + h6a6 + "0601 010400000000", "⊘ ext_chain"},
	{"I21 by a TCP rule", "A: in tcp/0-65535 ::/0", v6 + "60000000 0000 3b 40" + h6a6, "✗ no_rule"},
	{"I21 by a rule for all", "A: in all ::/0", v6 + "60000000 0000 3b 40" + h6a6, "✓ rule"},
	{"I22", open, v6 + "60000000 0008 01 40" + h6a6 + "0800 0000 0007 0001", "⊘ family_mismatch"},
	{"I26", "A: in tcp/22 H1/32", v4 + "45000028 00004000 40060000" + h1a + syn + "000000000000", "✓ rule"},
}
