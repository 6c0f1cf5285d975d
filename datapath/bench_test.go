// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"fmt"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// BenchmarkProgram measures one judgement, in the kernel, without the frame's
// way there: the program's own time as BPF_PROG_TEST_RUN counts it.
func BenchmarkProgram(b *testing.B) {
	const repeat = 200000
	many := func(n int) (out rules) {
		for i := range n {
			out = append(out, rule(6, i+1, i+1, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&0xff)))
		}
		return out
	}
	cases := []struct {
		name  string
		rules policy.Source
		first bpftest.Frame // makes the state that frame meets
		frame bpftest.Frame
		dir   flow.Direction
	}{
		{"hit", serverRules, tcp(sc, server, "S"), tcp(sc, server, "A"), flow.Ingress},
		{"hit/UDP", world(rules{all(h1 + "/32")}, nil), udp(sc, server), udp(sc, server), flow.Ingress},
		{"hit/IPv6", world(rules{all(h6 + "/128")}, nil), udp("["+h6+"]:1", "["+a6+"]:1"), udp("["+h6+"]:1", "["+a6+"]:1"), flow.Ingress},
		{"deny/rules=10", world(many(10), nil), udp(sc, server), tcp("10.0.5.5:1", a1+":5000", "S"), flow.Ingress},
		{"deny/rules=1000", world(many(1000), nil), udp(sc, server), tcp("10.0.5.5:1", a1+":5000", "S"), flow.Ingress},
		{"untracked", webRules(outAll), udp(sc, server), tcp(h2+":50000", a1+":80", "A"), flow.Ingress},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			rig := bpftest.NewWith(b, func(c *datapath.Config) { c.MaxFlows = 512 << 10 })
			i := bpftest.Interface("eni-a", a1, a6)
			i.Ifindex, i.Device = 1, "lo"
			l := &lab{rig, rig.Attach(i)}
			l.SetPolicy(l.a, c.rules)
			l.In(l.a, c.first)
			for b.Loop() {
				mean, err := l.Time(c.dir, c.frame.Bytes, repeat)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(mean), "ns/packet")
			}
		})
	}
}
