// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// BenchmarkProgram measures one packet's judgement without the packet's way
// there, and without what any program costs: see bpftest.Meter.
func BenchmarkProgram(b *testing.B) {
	many := func(n int) (out rules) {
		for i := range n {
			out = append(out, rule(6, i+1, i+1, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&0xff)))
		}
		return out
	}
	const b1 = "10.0.1.20"
	toB := rules{all("10.0.1.0/24")}
	cases := []struct {
		name   string
		rules  policy.Source
		first  bpftest.Frame // makes the state that frame meets
		frame  bpftest.Frame
		dir    flow.Direction
		differ bool
	}{
		// At devices that somebody else made: each gate by itself.
		{"attached/in/hit", serverRules, tcp(sc, server, "S"), tcp(sc, server, "A"), flow.Ingress, false},
		{"attached/in/near/hit", world(rules{all(b1 + "/32")}, nil), udp(b1+":2", a1+":1"), udp(b1+":2", a1+":1"), flow.Ingress, false},
		{"attached/in/first", world(rules{all(h1 + "/32")}, nil), udp(sc, server), udp(sc, server), flow.Ingress, true},
		{"attached/out/hit", world(nil, toB), tcp(a1+":1", b1+":2", "S"), tcp(a1+":1", b1+":2", "A"), flow.Egress, false},
		{"attached/out/hit/UDP", world(nil, toB), udp(a1+":1", b1+":2"), udp(a1+":1", b1+":2"), flow.Egress, false},
		{"attached/out/hit/far", world(nil, rules{all(h1 + "/32")}), udp(a1+":1", h1+":2"), udp(a1+":1", h1+":2"), flow.Egress, false},
		{"attached/out/first", world(nil, toB), udp(a1+":1", b1+":2"), udp(a1+":1", b1+":2"), flow.Egress, true},

		{"in/hit", serverRules, tcp(sc, server, "S"), tcp(sc, server, "A"), flow.Ingress, false},
		{"in/hit/UDP", world(rules{all(h1 + "/32")}, nil), udp(sc, server), udp(sc, server), flow.Ingress, false},
		{"in/hit/IPv6", world(rules{all(h6 + "/128")}, nil), udp("["+h6+"]:1", "["+a6+"]:1"), udp("["+h6+"]:1", "["+a6+"]:1"), flow.Ingress, false},
		{"in/first", world(rules{all(h1 + "/32")}, nil), udp(sc, server), udp(sc, server), flow.Ingress, true},
		{"in/deny/rules=10", world(many(10), nil), udp(sc, server), tcp("10.0.5.5:1", a1+":5000", "S"), flow.Ingress, false},
		{"in/deny/rules=1000", world(many(1000), nil), udp(sc, server), tcp("10.0.5.5:1", a1+":5000", "S"), flow.Ingress, false},
		{"in/untracked", webRules(outAll), udp(sc, server), tcp(h2+":50000", a1+":80", "A"), flow.Ingress, false},
		{"both/hit", world(nil, toB), udp(a1+":1", b1+":2"), udp(a1+":1", b1+":2"), flow.Egress, false},
		{"both/hit/TCP", world(nil, toB), tcp(a1+":1", b1+":2", "S"), tcp(a1+":1", b1+":2", "A"), flow.Egress, false},
		{"both/hit/IPv6", world(nil, rules{all("2001:db8:1:1::/64")}), udp("["+a6+"]:1", "[2001:db8:1:1::b]:2"), udp("["+a6+"]:1", "[2001:db8:1:1::b]:2"), flow.Egress, false},
		{"both/first", world(nil, toB), udp(a1+":1", b1+":2"), udp(a1+":1", b1+":2"), flow.Egress, true},
		{"out/deny/rules=10", world(nil, many(10)), udp(a1+":1", b1+":2"), tcp(a1+":1", b1+":5000", "S"), flow.Egress, false},
		{"out/deny/rules=1000", world(nil, many(1000)), udp(a1+":1", b1+":2"), tcp(a1+":1", b1+":5000", "S"), flow.Egress, false},
		{"out/forged", world(nil, toB), udp(a1+":1", b1+":2"), tcp("10.0.1.77:1", b1+":2", "S"), flow.Egress, false},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			rig := bpftest.NewWith(b, func(c *datapath.Config) { c.MaxFlows, c.Testing = 512<<10, false })
			a, to := bpftest.Interface("eni-a", a1, a6), bpftest.Interface("eni-b", b1, "2001:db8:1:1::b")
			a.Attached = strings.HasPrefix(c.name, "attached")
			to.Attached = a.Attached
			l := &lab{rig, rig.Attach(a)}
			to = rig.Attach(to)
			l.SetPolicy(l.a, c.rules)
			l.SetPolicy(to, world(rules{all("10.0.1.0/24"), all("2001:db8:1::/48")}, nil))
			macs := [12]byte(append(append([]byte(nil), datapath.RouterMAC...), l.a.MAC...))
			meter, err := bpftest.NewMeter(macs)
			if err != nil {
				b.Fatal(err)
			}
			p, ingress := l.Judges(a.Attached)
			if c.dir == flow.Ingress {
				p = ingress
			}
			if strings.Contains(c.name, "near") {
				meter.From = to.Ifindex
			}
			if _, err := meter.Time(p, l.a.Ifindex, c.first.Bytes, 1, false); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				ns, err := meter.Time(p, l.a.Ifindex, c.frame.Bytes, 60000, c.differ)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(ns, "ns/packet")
			}
		})
	}
}

// BenchmarkChangeOfARule measures a rule that comes or goes until the kernel
// judges by it, without compiling and with the old policy's room given back.
func BenchmarkChangeOfARule(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			rig := bpftest.New(b)
			a := rig.Attach(bpftest.Interface("eni-a", a1, a6))
			many := make(rules, 0, n)
			for i := range n {
				many = append(many, rule(6, i+1, i+1, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&0xff)))
			}
			with, without := policy.Compile(world(many, nil)), policy.Compile(world(many[1:], nil))
			old := datapath.PolicyID(0)
			for b.Loop() {
				with, without = without, with
				id, err := rig.AddPolicy(with)
				if err != nil {
					b.Fatal(err)
				}
				if err := rig.Datapath.SetPolicy(a.ID, id, 1); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if old != 0 {
					if err := rig.DeletePolicy(old); err != nil {
						b.Fatal(err)
					}
				}
				old = id
				if err := rig.Sweep(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkRuleChange measures what one rule more or less of a thousand costs,
// from the rules to the switch: the first time, and once there is a spare.
func BenchmarkRuleChange(b *testing.B) {
	for _, spare := range []bool{false, true} {
		b.Run(fmt.Sprintf("rules=1000/spare=%v", spare), func(b *testing.B) {
			rig := bpftest.NewWith(b, func(c *datapath.Config) { c.Testing = false })
			a := rig.Attach(bpftest.Interface("eni-a", a1))
			var many rules
			for n := range 1000 {
				many = append(many, rule(6, n+1, n+1, fmt.Sprintf("172.%d.%d.0/24", 16+n>>8, n&0xff)))
			}
			var old datapath.PolicyID
			var took time.Duration
			for n := 0; b.Loop(); n++ {
				begun := time.Now()
				like := old
				if !spare {
					like = 0
				}
				id, err := rig.ReplacePolicy(like, policy.Compile(world(many[:999+n%2], nil)))
				if err == nil {
					err = rig.Datapath.SetPolicy(a.ID, id, 1)
				}
				took += time.Since(begun) // the timer stops the world to count allocations
				if err == nil && old != 0 {
					err = rig.DeletePolicy(old)
				}
				if err == nil {
					err = rig.Sweep(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
				old = id
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/change")
		})
	}
}
