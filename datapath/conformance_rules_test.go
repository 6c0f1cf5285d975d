// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"testing"

	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

func TestMatching(t *testing.T) {
	ssh := rules{rule(6, 22, 22, h1+"/32")}
	syn := func(src, dst string) bpftest.Frame { return tcp(src, dst, "S") }
	run(t, []conformance{
		{"PKT-A01", world(nil, outAll), seq(in(syn(h1+":50000", a1+":22"), noRule))},
		{"PKT-A02", world(nil, nil), seq(out(syn(a1+":40000", h1+":443"), noRule))},
		{"PKT-A03", world(ssh, nil), seq(serverOpen, out(tcp(server, sc, "PA"), tracked), in(tcp(sc, server, "PA"), tracked))},
		{"PKT-A04", world(ssh, nil), seq(in(syn(h2+":50000", a1+":22"), noRule))},
		{"PKT-A05", world(ssh, nil), seq(in(syn(sc, a1+":21"), noRule), in(syn(sc, a1+":23"), noRule))},
		{"PKT-A06", world(rules{rule(6, 7000, 8000, h1+"/32")}, nil), seq(in(syn(sc, a1+":6999"), noRule),
			in(syn(sc, a1+":7000"), byRule), in(syn(sc, a1+":8000"), byRule), in(syn(sc, a1+":8001"), noRule))},
		{"PKT-A07", world(rules{rule(6, 0, 65535, h1+"/32")}, nil), seq(in(syn(sc, a1+":0"), byRule), in(syn(sc, a1+":65535"), byRule))},
		{"PKT-A08", world(rules{rule(17, 53, 53, h1+"/32")}, nil), seq(in(syn(sc, a1+":53"), noRule), in(udp(sc, a1+":53"), byRule))},
		{"PKT-A09", world(rules{all(h1 + "/32")}, nil), seq(in(syn(sc, a1+":9"), byRule), in(udp(sc, a1+":9"), byRule),
			in(icmp(h1, a1, 8, 0, 1), byRule), in(bpftest.IP(h1, a1, 47, make([]byte, 8)), byRule), in(syn(h2+":50000", a1+":9"), noRule))},
		{"PKT-A10", world(rules{rule(50, 1, 2, h1+"/32")}, nil), seq(in(bpftest.IP(h1, a1, 50, make([]byte, 8)), byRule))},
		{"PKT-A11", world(rules{rule(6, 22, 22, h1+"/32"), rule(6, 22, 22, "0.0.0.0/0")}, nil), seq(in(syn(h2+":50000", a1+":22"), byRule))},
		{"PKT-A13", world(nil, rules{rule(6, 443, 443, "0.0.0.0/0")}), seq(out(syn(client, cs), byRule), in(tcp(cs, client, "SA"), tracked), out(syn(client, h1+":80"), noRule))},
		{"PKT-A14", world(nil, rules{rule(6, 443, 443, "0.0.0.0/0")}), seq(out(syn(a1+":443", h1+":5000"), noRule))},
		{"PKT-A15", world(rules{rule(6, 80, 80, h1+"/32")}, nil), seq(in(syn(h1+":80", a1+":5000"), noRule))},
		{"PKT-A16", world(rules{rule(6, 80, 80, "0.0.0.0/0")}, outAll), seq(in(syn("["+h6+"]:50000", "["+a6+"]:80"), noRule))},
		{"PKT-A17", world(rules{rule(6, 80, 80, "::/0")}, nil), seq(in(syn("["+h6+"]:50000", "["+a6+"]:80"), byRule))},
		{"PKT-A18", world(rules{all("::/0")}, nil), seq(in(syn("["+h6+"]:50000", "["+a6+"]:80").With(14+8,
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 1), flow.ReasonMartian))},
		{"PKT-A19", world(rules{rule(6, 80, 80, h1+"/32")}, nil), seq(in(syn(sc, a11+":80"), byRule))},
		{"PKT-A20", world(rules{rule(6, 80, 80, h1+"/32")}, nil), seq(in(syn(sc, a70+":80"), byRule))},
		{"PKT-G01", world(nil, outAll), seq(out(bpftest.IP(a1, h1, 47, make([]byte, 8)), byRule), wait(599*second),
			in(bpftest.IP(h1, a1, 47, make([]byte, 8)), tracked), wait(600*second), in(bpftest.IP(h1, a1, 47, make([]byte, 8)), noRule))},
		{"PKT-G02", world(nil, outAll), seq(out(bpftest.IP(a1, h1, 47, make([]byte, 8)), byRule), in(bpftest.IP(h1, a1, 50, make([]byte, 8)), noRule))},
		{"PKT-G03", world(rules{rule(47, -1, -1, h1+"/32")}, nil), seq(in(bpftest.IP(h1, a1, 47, make([]byte, 8)), byRule),
			out(bpftest.IP(a1, h1, 47, make([]byte, 8)), tracked), out(bpftest.IP(a1, h2, 47, make([]byte, 8)), noRule))},
		{"PKT-G04", world(rules{rule(132, -1, -1, h1+"/32")}, nil), seq(in(bpftest.IP(h1, a1, 132, make([]byte, 12)), byRule))},
		{"PKT-G05", world(ssh, nil), seq(in(bpftest.IP(h1, a1, 4, syn(h1+":50000", a1+":22").Bytes[14:]), noRule))},
		{"PKT-G06", world(rules{all(h1 + "/32")}, nil), seq(in(bpftest.IP(h1, a1, 253, nil), byRule))},
		{"PKT-L13", serverRules, seq(in(syn(sc, server), byRule), change(world(nil, nil)), in(syn(sc, a1+":23"), noRule),
			change(world(rules{rule(6, 23, 23, h1+"/32")}, nil)), in(syn(sc, a1+":23"), byRule))},
		{"PKT-L21", world(last(960), nil), seq(in(syn(sc, a1+":960"), byRule))},
	})
}

// last returns n rules of which only the last is about H1.
func last(n int) (out rules) {
	for i := range n - 1 {
		out = append(out, rule(6, i+1, i+1, "10.0.0.0/8"))
	}
	return append(out, rule(6, n, n, h1+"/32"))
}

func TestTracking(t *testing.T) {
	web, wc := a1+":80", h2+":50000"
	open := func(server, client string, first, then flow.Reason) []event {
		return seq(in(tcp(client, server, "S"), first), out(tcp(server, client, "SA"), then), in(tcp(client, server, "A"), then))
	}
	ingress80 := func(egress ...policy.Rule) policy.Source {
		return world(rules{rule(6, 80, 80, "0.0.0.0/0")}, egress)
	}
	run(t, []conformance{
		{"PKT-C01", webRules(outAll), seq(serverOpen, flows(1))},
		{"PKT-C02", webRules(outAll), seq(open(web, wc, untracked, untracked), flows(0))},
		{"PKT-C03", webRules(outAll), seq(in(icmp(h2, a1, 8, 0, 1), byRule), out(icmp(a1, h2, 0, 0, 1), tracked), flows(1))},
		{"PKT-C04", webRules(outAll[1:]), seq(open(web, wc, byRule, tracked), flows(1))},
		{"PKT-C05", webRules(outAll[1:]), seq(open("["+a6+"]:80", "["+h6+"]:50000", untracked, untracked), flows(0))},
		{"PKT-C06", webRules(outAll), seq(open(web, wc, untracked, untracked), change(serverRules),
			in(tcp(wc, web, "PA"), noRule), out(tcp(web, wc, "PA"), noRule))},
		{"PKT-C07", webRules(outAll), seq(open(web, wc, untracked, untracked), change(webRules(nil)),
			in(tcp(wc, web, "PA"), noState), out(tcp(web, wc, "PA"), noRule))},
		{"PKT-C08", webRules(outAll), seq(serverOpen, change(ingress80(outAll...)), in(tcp(sc, server, "PA"), tracked),
			out(tcp(server, sc, "PA"), tracked), in(tcp(h1+":50001", server, "S"), noRule))},
		{"PKT-C10", webRules(nil), seq(tracking(60*second, 0, 0), serverOpen, wait(60*second),
			in(tcp(sc, server, "PA"), noState), out(tcp(server, sc, "PA"), noRule))},
		{"PKT-C11", webRules(outAll), seq(open(web, wc, untracked, untracked), wait(864000*second), in(tcp(wc, web, "PA"), untracked))},
		{"PKT-C12", ingress80(rule(6, 0, 65535, "0.0.0.0/0")), seq(open(web, wc, untracked, untracked), flows(0))},
		{"PKT-C13", ingress80(rule(6, 1024, 65535, "0.0.0.0/0")), seq(open(web, wc, byRule, tracked), flows(1))},
		{"PKT-C14", ingress80(rule(17, 0, 65535, "0.0.0.0/0")), seq(open(web, wc, byRule, tracked), flows(1))},
		{"PKT-C15", world(rules{rule(6, 80, 80, "0.0.0.0/1"), rule(6, 80, 80, "128.0.0.0/1")}, outAll), seq(open(web, wc, byRule, tracked), flows(1))},
		{"PKT-C18", webRules(outAll), seq(out(tcp(client, h2+":443", "S"), byRule), flows(1))},
		{"PKT-C19", world(rules{rule(6, 0, 65535, "0.0.0.0/0")}, outAll), seq(out(tcp(client, h2+":443", "S"), untracked), flows(0))},
		{"PKT-C20", world(rules{all("0.0.0.0/0")}, outAll), seq(out(udp(client, "8.8.8.8:53"), untracked), in(udp("8.8.8.8:53", client), untracked), flows(0))},
		{"PKT-C22", webRules(outAll), seq(out(tcp(web, h2+":6000", "S"), untracked), in(tcp(h2+":6000", web, "SA"), untracked), flows(0))},
		{"PKT-C28", world(rules{all("0.0.0.0/0")}, outAll), seq(in(bpftest.IP(h2, a1, 47, make([]byte, 8)), byRule), flows(1))},
		{"PKT-C29", world(rules{rule(6, 80, 80, h2+"/32")}, nil), seq(tracking(60*second, 0, 0), open(web, wc, byRule, tracked),
			change(ingress80(outAll...)), in(tcp(wc, web, "PA"), tracked), wait(61*second), in(tcp(wc, web, "PA"), untracked))},
		{"PKT-C32", webRules(outAll), seq(open(web, wc, untracked, untracked), change(world(rules{rule(6, 80, 80, h2+"/32")}, outAll)),
			in(tcp(wc, web, "PA"), noState), in(tcp(wc, web, "S"), byRule))},
		{"PKT-C33", world(rules{rule(6, 0, 65535, "0.0.0.0/0")}, rules{rule(6, 1024, 65535, "0.0.0.0/0")}), seq(
			in(tcp(h2+":50000", web, "S"), untracked), flows(0), in(tcp(h2+":500", web, "S"), byRule), flows(1))},
		{"PKT-D03", webRules(outAll), seq(in(tcp(wc, web, "A"), untracked), out(tcp(web, wc, "R"), untracked))},
	})
}
