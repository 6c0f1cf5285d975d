// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/oracle"
)

// Rows of sections 7.H and 7.J about the link layer, and of 7.I about headers
// that words cannot say.

func TestConformanceLinkLayer(t *testing.T) {
	ip := netip.MustParseAddr
	none := netip.Addr{}
	own, own6 := ip("10.0.1.10"), ip("2001:db8:1:1::a")
	ll, unspecified, solicited := ip("fe80::ff:fe00:a"), ip("::"), ip("ff02::1:ff00:a")
	l := newLab(t, "A: IN∅; OUT∅")
	a := l.w.Interfaces["A"]
	foreign := flow.MAC{2, 0, 0, 0, 0, 0x99}
	arp := func(op uint16, mac flow.MAC, sender netip.Addr) []byte {
		return testworld.ARP(a, op, mac, sender, ip("10.0.1.1"))
	}
	relabelled := func(b []byte) []byte {
		copy(b[6:12], foreign[:])
		return b
	}
	tests := []struct {
		name  string
		frame []byte
		want  flow.Reason
	}{
		{"H11 who-has router", arp(1, a.MAC, own), flow.ReasonAnswered},
		{"H12 reply claiming another's address", arp(2, a.MAC, ip("10.0.1.99")), flow.ReasonSpoofARP},
		{"H12 gratuitous", testworld.ARP(a, 1, a.MAC, own, own), flow.ReasonAnswered},
		{"sender MAC of another", arp(1, foreign, own), flow.ReasonSpoofARP},
		{"Ethernet source of another", relabelled(arp(1, a.MAC, own)), flow.ReasonSpoofARP},
		{"J11 probe", arp(1, a.MAC, ip("0.0.0.0")), flow.ReasonAnswered},
		{"delegated address", arp(1, a.MAC, ip("10.0.1.70")), flow.ReasonAnswered},
		{"H13 advertisement of own address", testworld.ND(a, flow.NeighbourAdvertisement, own6, ip("ff02::1"), own6), flow.ReasonAnswered},
		{"advertisement of own link-local address", testworld.ND(a, flow.NeighbourAdvertisement, ll, ip("ff02::1"), ll), flow.ReasonAnswered},
		{"H13 advertisement of another's address", testworld.ND(a, flow.NeighbourAdvertisement, own6, ip("ff02::1"), ip("2001:db8:1:1::b")), flow.ReasonSpoofND},
		{"H14 router solicitation", testworld.ND(a, flow.RouterSolicitation, ll, ip("ff02::2"), none), flow.ReasonAnswered},
		{"H14 listener report", testworld.ND(a, flow.MLDv2Report, ll, ip("ff02::16"), none), flow.ReasonAnswered},
		{"H14 duplicate address detection", testworld.ND(a, flow.NeighbourSolicitation, unspecified, solicited, own6), flow.ReasonAnswered},
		{"solicitation from another's address", testworld.ND(a, flow.NeighbourSolicitation, ip("2001:db8:1:1::b"), solicited, own6), flow.ReasonSpoofIP},
		{"solicitation with another's MAC", relabelled(testworld.ND(a, flow.NeighbourSolicitation, ll, solicited, own6)), flow.ReasonSpoofMAC},
		{"H15 router advertisement", testworld.ND(a, flow.RouterAdvertisement, ll, ip("ff02::1"), none), flow.ReasonRogueRA},
		{"redirect", testworld.ND(a, flow.RedirectV6, ll, ip("2001:db8:1:1::b"), own6), flow.ReasonRogueRA},
		{"H22 LLDP", testworld.Packet{Gate: "A", Raw: append(make([]byte, 12), 0x88, 0xcc, 0, 0)}.Frame(l.w), flow.ReasonEthertype},
	}
	for _, tt := range tests {
		if got := l.w.Judge(a, flow.Egress, flow.Decode(tt.frame), nil, 0); got.Reason != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.Reason, tt.want)
		}
	}
	in := func(src string, typ uint8) oracle.Judgement {
		f := testworld.Arriving(testworld.ND(a, typ, ip(src), own6, none), a)
		return l.w.Judge(a, flow.Ingress, flow.Decode(f), nil, 0)
	}
	if got := in("fe80:ec2::1", flow.RouterAdvertisement); got.Reason != flow.ReasonExempt {
		t.Errorf("H15 router advertisement from the router: %s, want exempt", got.Reason)
	}
	if got := in("2001:db8:1:1::b", flow.RouterAdvertisement); got.Reason != flow.ReasonRogueRA {
		t.Errorf("router advertisement from a neighbour: %s, want rogue_ra", got.Reason)
	}
	if n := a.Entries(0); n != 0 {
		t.Errorf("H25: %d entries after exempt traffic, want 0", n)
	}
}

func TestConformanceHeaders(t *testing.T) {
	const (
		macs = "02000000000a 020000000001 "
		v4   = macs + "0800 "
		v6   = macs + "86dd "
		h1a  = "cb007101 0a00010a "
		h6a6 = "20010db8ffff00000000000000000001 20010db800010001000000000000000a "
		syn  = "c350 0016 00000001 00000000 5002 ffff 0000 0000 "
		open = "A: OPEN"
	)
	tests := []struct {
		name, setup, frame string
		want               flow.Reason
	}{
		{"I06 tiny fragment", open, v4 + "4500001c 00012000 40060000" + h1a + "c350 0016 00000001", flow.ReasonTinyFragment},
		{"I07 offset 1", open, v4 + "4500001c 00010001 40060000" + h1a + "c350 0016 00000001", flow.ReasonTinyFragment},
		{"I10 atomic fragment", "A: in tcp/22 H6/128", v6 + "60000000 001c 2c 40" + h6a6 + "0600 0000 00000001" + syn, flow.ReasonRule},
		{"I13 no upper layer", open, v6 + "60000000 0008 2c 40" + h6a6 + "0600 0001 00000001", flow.ReasonTinyFragment},
		{"I14 router alert", "A: in tcp/22 H1/32", v4 + "4600002c 00004000 40060000" + h1a + "94040000" + syn, flow.ReasonRule},
		{"I15 source route", open, v4 + "4700003000004000 40060000" + h1a + "0183070408080808" + syn, flow.ReasonSourceRoute},
		{"I16 IHL 4", open, v4 + "44000028 00004000 40060000" + h1a + syn, flow.ReasonMalformed},
		{"I16 total length 10", open, v4 + "4500000a 00004000 40060000" + h1a + syn, flow.ReasonMalformed},
		{"I16 UDP without header", open, v4 + "45000014 00004000 40110000" + h1a, flow.ReasonMalformed},
		{"I16 version 6", open, v4 + "65000028 00004000 40060000" + h1a + syn, flow.ReasonMalformed},
		{"I16 TCP offset 4", open, v4 + "45000028 00004000 40060000" + h1a + "c350 0016 00000001 00000000 4002 ffff 0000 0000", flow.ReasonMalformed},
		{"E15 UDP length 7", open, v4 + "4500001c 00004000 40110000" + h1a + "1388 0035 0007 0000", flow.ReasonMalformed},
		{"I17 extension chain", "A: in tcp/22 H6/128", v6 + "60000000 0024 00 40" + h6a6 + "3c00 010400000000 0600 010400000000" + syn, flow.ReasonRule},
		{"I18 AH is terminal", "A: in tcp/22 H6/128", v6 + "60000000 0020 33 40" + h6a6 + "0601 0000 00000001 00000001" + syn, flow.ReasonNoRule},
		{"I19 AH by its number", "A: in proto 51 H6/128", v6 + "60000000 0020 33 40" + h6a6 + "0601 0000 00000001 00000001" + syn, flow.ReasonRule},
		{"I20 routing type 0", open, v6 + "60000000 001c 2b 40" + h6a6 + "0600 0000 00000000" + syn, flow.ReasonExtChain},
		{"I20 nine headers", open, v6 + "60000000 005c 3c 40" + h6a6 + strings.Repeat("3c00 010400000000", 8) + "0600 010400000000" + syn, flow.ReasonExtChain},
		{"I20 truncated", open, v6 + "60000000 0008 3c 40" + h6a6 + "0601 010400000000", flow.ReasonExtChain},
		{"I21 no next header, TCP rule", "A: in tcp/0-65535 ::/0", v6 + "60000000 0000 3b 40" + h6a6, flow.ReasonNoRule},
		{"I21 no next header, all", "A: in all ::/0", v6 + "60000000 0000 3b 40" + h6a6, flow.ReasonRule},
		{"I22 ICMP in IPv6", open, v6 + "60000000 0008 01 40" + h6a6 + "0800 0000 0007 0001", flow.ReasonFamilyMismatch},
		{"I26 padding", "A: in tcp/22 H1/32", v4 + "45000028 00004000 40060000" + h1a + syn + "000000000000", flow.ReasonRule},
		{"H22 VLAN", open, macs + "8100 0001 0800" + strings.Repeat("00", 46), flow.ReasonEthertype},
	}
	for _, tt := range tests {
		b, err := hex.DecodeString(strings.ReplaceAll(tt.frame, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		l := newLab(t, tt.setup)
		if got := l.w.Judge(l.w.Interfaces["A"], flow.Ingress, flow.Decode(b), nil, 0); got.Reason != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.Reason, tt.want)
		}
	}
}
