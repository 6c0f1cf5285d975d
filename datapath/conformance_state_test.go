// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// Established data in either direction of the two connections of section 7.D.
var (
	toServer   = in(tcp(sc, server, "PA"), tracked)
	fromServer = out(tcp(server, sc, "PA"), tracked)
	toClient   = in(tcp(cs, client, "PA"), tracked)
	fromClient = out(tcp(client, cs, "PA"), tracked)
)

func TestTCP(t *testing.T) {
	any1000 := rules{rule(6, 1024, 65535, h1+"/32")}
	run(t, []conformance{
		{"PKT-D01", serverRules, seq(serverOpen, toServer, fromServer, serverClose, wait(59*second), toServer,
			wait(61*second), in(tcp(sc, server, "A"), noState))},
		{"PKT-D02", serverRules, seq(in(tcp(sc, server, "A"), noState))},
		{"PKT-D04", clientRules, seq(clientOpen, toClient)},
		{"PKT-D05 D06", clientRules, seq(tracking(350*second, 0, 0), clientOpen, wait(351*second),
			out(tcp(client, cs, "PA"), noState), out(tcp(a1+":40001", cs, "S"), byRule))},
		{"PKT-D07", clientRules, seq(tracking(350*second, 0, 0), clientOpen, slices.Repeat(seq(wait(300*second), fromClient), 12))},
		{"PKT-D08", serverRules, seq(tracking(60*second, 0, 0), serverOpen, wait(59*second), toServer, wait(59*second), toServer,
			wait(60*second), in(tcp(sc, server, "PA"), noState))},
		{"PKT-D09", world(nil, rules{rule(6, 0, 65535, h1+"/32")}), seq(out(tcp(server, sc, "SA"), byRule), in(tcp(sc, server, "A"), tracked))},
		{"PKT-D10", world(nil, nil), seq(in(tcp(cs, client, "SA"), noRule))},
		{"PKT-D11", world(any1000, nil), seq(in(tcp(cs, client, "SA"), byRule), out(tcp(client, cs, "A"), tracked))},
		{"PKT-D12 D13", world(nil, rules{rule(6, 6000, 6000, h1+"/32")}), seq(
			out(tcp(a1+":5000", h1+":6000", "S"), byRule), in(tcp(h1+":6000", a1+":5000", "S"), tracked),
			out(tcp(a1+":5000", h1+":6000", "SA"), tracked), in(tcp(h1+":6000", a1+":5000", "SA"), tracked),
			out(tcp(a1+":5000", h1+":6000", "PA"), tracked),
			in(tcp(h1+":6000", a1+":5000", "S"), noRule), in(tcp(h1+":6000", a1+":5000", "PA"), tracked))},
		{"PKT-D14", clientRules, seq(out(tcp(client, cs, "S"), byRule), in(tcp(cs, client, "RA"), tracked),
			wait(9*second), in(tcp(cs, client, "A"), tracked), wait(2*second), in(tcp(cs, client, "A"), noRule))},
		{"PKT-D15", clientRules, seq(clientOpen, in(tcp(cs, client, "R"), tracked), wait(second), fromClient,
			wait(second), toClient, wait(30*second), toClient)},
		{"PKT-D16", clientRules, seq(clientOpen, in(tcp(cs, client, "R"), tracked), wait(second), toClient,
			wait(11*second), in(tcp(cs, client, "PA"), noRule))},
		{"PKT-D17", clientRules, seq(clientOpen, out(tcp(client, cs, "FA"), tracked), toClient,
			slices.Repeat(seq(wait(60*second), toClient, out(tcp(client, cs, "A"), tracked)), 120))},
		{"PKT-D18", clientRules, seq(clientOpen, out(tcp(client, cs, "FA"), tracked), wait(3601*second), in(tcp(cs, client, "PA"), noRule))},
		{"PKT-D19", clientRules, seq(tracking(60*second, 0, 0), clientOpen, out(tcp(client, cs, "FA"), tracked),
			wait(61*second), in(tcp(cs, client, "PA"), noRule))},
		{"PKT-D20", serverRules, seq(serverOpen, serverClose, wait(10*second), serverOpen, flows(1))},
		{"PKT-D21", serverRules, seq(serverOpen, serverClose, wait(10*second), change(world(nil, nil)), in(tcp(sc, server, "S"), noRule))},
		{"PKT-D22", clientRules, seq(clientOpen, out(tcp(client, cs, "FA"), tracked), in(tcp(cs, client, "FA"), tracked),
			wait(10*second), in(tcp(cs, client, "S"), noRule))},
		{"PKT-D23", serverRules, seq(serverOpen, change(world(nil, nil)), in(tcp(sc, server, "S"), noRule), toServer)},
		{"PKT-D24", serverRules, seq(serverOpen, in(tcp(sc, server, "S"), byRule), out(tcp(server, sc, "A"), tracked),
			in(tcp(sc, server, "R"), tracked), in(tcp(sc, server, "S"), byRule), out(tcp(server, sc, "SA"), tracked))},
		{"PKT-D25", serverRules, seq(in(tcp(sc, server, "S"), byRule), wait(second), in(tcp(sc, server, "S"), tracked),
			wait(2*second), in(tcp(sc, server, "S"), tracked), wait(4*second), in(tcp(sc, server, "S"), tracked),
			out(tcp(server, sc, "SA"), tracked), flows(1))},
		{"PKT-D26", clientRules, seq(out(tcp(client, cs, "S"), byRule), wait(31*second), in(tcp(cs, client, "SA"), noRule))},
		{"PKT-D27", clientRules, seq(out(tcp(client, cs, "S"), byRule), in(tcp(cs, client, "A"), tracked), out(tcp(client, cs, "R"), tracked),
			out(tcp(client, cs, "S"), byRule), in(tcp(cs, client, "SA"), tracked))},
		{"PKT-D28", serverRules, seq(in(tcp(sc, server, "SF"), noState), in(tcp(sc, server, "SR"), noState),
			in(tcp(sc, server, ""), noState), in(tcp(sc, server, "FPU"), noState))},
		{"PKT-D29", serverRules, seq(serverOpen, in(tcp(sc, server, "SF"), badFlags), toServer)},
		{"PKT-D30", serverRules, seq(in(tcp(sc, server, "SEC"), byRule))},
		{"PKT-D32", serverRules, seq(in(tcp(sc, server, "S"), byRule), in(tcp(sc, server, "A"), tracked), toServer, toServer,
			wait(349*second), toServer, wait(350*second), in(tcp(sc, server, "PA"), noState))},
		{"PKT-D33", world(rules{rule(6, 1000, 1000, h1+"/32")}, rules{rule(6, 1000, 1000, h1+"/32")}), seq(
			out(tcp(a1+":1000", h1+":1000", "S"), byRule), in(tcp(h1+":1000", a1+":1000", "S"), tracked), flows(1))},
		{"PKT-D34", serverRules, seq(in(tcp(sc, server, "F"), noState))},
		{"PKT-D35", serverRules, seq(serverOpen, in(tcp(h1+":50001", server, "R"), noState))},
		{"a RST in TIME_WAIT changes nothing", serverRules, seq(serverOpen, serverClose, in(tcp(sc, server, "R"), tracked),
			wait(30*second), in(tcp(sc, server, "A"), tracked))},
		{"PKT-L09 closed before the first policy", world(nil, nil), seq(func(t *testing.T, l *lab) {
			b := l.Attach(bpftest.Interface("eni-b", "10.0.1.20"))
			if got := l.Out(b, tcp("10.0.1.20:1", h1+":2", "S")); got.Reason[flow.Egress] != flow.ReasonNoPolicy {
				t.Errorf("egress %s", got.Reason[flow.Egress])
			}
			if got := l.In(b, tcp(h1+":2", "10.0.1.20:1", "S")); got.Reason[flow.Ingress] != flow.ReasonNoPolicy || got.Passed {
				t.Errorf("ingress %s", got.Reason[flow.Ingress])
			}
		})},
	})
}

func TestUDP(t *testing.T) {
	base := world(nil, rules{rule(17, 0, 65535, "0.0.0.0/0")})
	local, remote := a1+":5000", h1+":53"
	q, r := out(udp(local, remote), tracked), in(udp(remote, local), tracked)
	q0, late := out(udp(local, remote), byRule), in(udp(remote, local), noRule)
	syslog := world(rules{rule(17, 514, 514, h1+"/32")}, nil)
	run(t, []conformance{
		{"PKT-E01", base, seq(q0, wait(29*second), r)},
		{"PKT-E02", base, seq(q0, wait(30*second), late)},
		{"PKT-E03", base, seq(q0, in(udp(h1+":54", local), noRule), in(udp(h2+":53", local), noRule))},
		{"PKT-E04", base, seq(q0, r, wait(29*second), r, wait(31*second), late)},
		{"PKT-E05", base, seq(q0, r, q, r, wait(179*second), r)},
		{"PKT-E06", base, seq(q0, r, q, r, wait(180*second), late)},
		{"PKT-E07", base, seq(q0, r, q, wait(31*second), late)},
		{"PKT-E08", base, seq(tracking(0, 60*second, 0), q0, wait(59*second), r)},
		{"PKT-E09", base, seq(q0, slices.Repeat(seq(wait(second), q), 3600), r, wait(31*second), late)},
		{"PKT-E10", base, seq(q0, r, q, r, wait(100*second), tracking(0, 0, 60*second), late)},
		{"PKT-E12", syslog, seq(in(udp(h1+":9", a1+":514"), byRule), change(world(nil, nil)),
			slices.Repeat(seq(wait(second), in(udp(h1+":9", a1+":514"), tracked)), 100), wait(30*second), in(udp(h1+":9", a1+":514"), noRule))},
		{"PKT-E14", world(rules{rule(17, 53, 53, h1+"/32")}, nil), seq(in(udp(h1+":9", a1+":53").With(14+20+6, 0, 0), byRule),
			in(udp(h1+":9", a1+":0"), noRule))},
		{"PKT-E15", world(rules{all("0.0.0.0/0")}, outAll), seq(in(udp(h1+":9", a1+":53").With(14+20+4, 0, 7), flow.ReasonMalformed),
			in(udp(h1+":9", a1+":53").With(14+20+4, 0, 99), flow.ReasonMalformed))},
	})
}

func TestICMP(t *testing.T) {
	ping := world(rules{rule(1, 8, -1, "0.0.0.0/0")}, nil)
	outOnly := world(nil, outAll)
	run(t, []conformance{
		{"PKT-F01", ping, seq(in(icmp(h1, a1, 8, 0, 5), byRule), out(icmp(a1, h1, 0, 0, 5), tracked))},
		{"PKT-F02", outOnly, seq(out(icmp(a1, h1, 8, 0, 7), byRule), in(icmp(h1, a1, 0, 0, 7), tracked), in(icmp(h1, a1, 0, 0, 8), noRule))},
		{"PKT-F03", outOnly, seq(in(icmp(h1, a1, 0, 0, 7), noRule))},
		{"PKT-F04", outOnly, seq(out(icmp(a1, h1, 8, 0, 7), byRule), in(icmp(h1, a1, 8, 0, 7), noRule))},
		{"PKT-F05", ping, seq(in(icmp(h1, a1, 13, 0, 7), noRule))},
		{"PKT-F06", world(rules{rule(1, 3, 4, "0.0.0.0/0")}, nil), seq(in(icmp(h1, a1, 3, 4, 0), byRule), in(icmp(h1, a1, 3, 1, 0), noRule), flows(0))},
		{"PKT-F18", world(rules{rule(1, -1, -1, "0.0.0.0/0")}, nil), seq(in(icmp(h6, a6, 128, 0, 1), noRule))},
		{"PKT-F19", world(rules{rule(58, -1, -1, "::/0")}, nil), seq(in(icmp(h6, a6, 128, 0, 1), byRule), out(icmp(a6, h6, 129, 0, 1), tracked))},
		{"PKT-F23 F24", ping, seq(in(icmp(h1, a1, 8, 0, 5), byRule), change(world(nil, nil)), wait(second), in(icmp(h1, a1, 8, 0, 5), tracked),
			in(icmp(h1, a1, 8, 0, 6), noRule), wait(30*time.Second), in(icmp(h1, a1, 8, 0, 5), noRule))},
		{"node information from outside", world(nil, nil), seq(in(bpftest.ICMPv6(h6, a6, 139, 0, make([]byte, 20)), noRule),
			in(bpftest.ICMPv6(h6, a6, 135, 0, make([]byte, 20)), noRule))},
		{"PKT-H15 advertisement to A", world(nil, nil), seq(in(bpftest.ICMPv6("fe80:ec2::1", a6, 134, 0, make([]byte, 12)), flow.ReasonExempt),
			in(bpftest.ICMPv6("2001:db8:1:1::b", a6, 134, 0, make([]byte, 12)), flow.ReasonRogueRA))},
		{"a reply that rules admit keeps no state", world(rules{rule(1, 0, -1, "0.0.0.0/0")}, nil), seq(in(icmp(h1, a1, 0, 0, 7), byRule), flows(0))},
	})
}
