// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
)

// BenchmarkSweepBesidePackets measures what packets of a known flow wait while
// 1,000,000 live flows are swept beside them, on another processor, and what they
// wait without that: the longest of all and the longest but one in ten thousand,
// the call into the kernel included.
func BenchmarkSweepBesidePackets(b *testing.B) {
	const flows = 1_000_000
	rig := bpftest.NewWith(b, func(c *datapath.Config) { c.MaxFlows = 1 << 20 })
	a := bpftest.Interface("eni-a", a1, a6)
	a.Allowance = 2 * flows
	l := &lab{rig, rig.Attach(a)}
	l.SetPolicy(l.a, world(rules{all("172.16.0.0/12")}, nil))
	for n := range flows {
		l.In(l.a, udp(fmt.Sprintf("172.16.%d.%d:%d", n>>8&255, n&255, 1024+n>>16), server))
	}
	hit := udp("172.16.0.0:1024", server)
	packets := func(until func() bool) (longest, rare time.Duration) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var all []time.Duration
		for !until() {
			began := time.Now()
			l.In(l.a, hit)
			all = append(all, time.Since(began))
		}
		slices.Sort(all)
		return all[len(all)-1], all[len(all)-1-len(all)/10000]
	}
	for b.Loop() {
		end := time.Now().Add(time.Second)
		quiet, quietRare := packets(func() bool { return time.Now().After(end) })
		done := make(chan time.Duration, 1)
		go func() {
			began := time.Now()
			if err := l.Sweep(context.Background()); err != nil {
				b.Error(err)
			}
			done <- time.Since(began)
		}()
		var pass time.Duration
		busy, busyRare := packets(func() bool {
			select {
			case pass = <-done:
				return true
			default:
				return false
			}
		})
		if s, err := l.Swept(); err != nil || s.Live < flows {
			b.Fatalf("swept %+v: %v", s, err)
		}
		b.ReportMetric(float64(pass.Milliseconds()), "ms/pass")
		for name, d := range map[string]time.Duration{"quiet-max": quiet, "quiet-rare": quietRare, "sweep-max": busy, "sweep-rare": busyRare} {
			b.ReportMetric(float64(d.Nanoseconds())/1e3, "us-"+name)
		}
	}
}
