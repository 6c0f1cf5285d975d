// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// crowded is a lab in which one interface has so many live flows, in a table of
// 1,048,576 places, and a packet of one of them.
func crowded(b *testing.B, flows int) (*lab, bpftest.Frame) {
	rig := bpftest.NewWith(b, func(c *datapath.Config) { c.MaxFlows = 1 << 20 })
	a := bpftest.Interface("eni-a", a1, a6)
	a.Allowance = 2 * flows
	l := &lab{rig, rig.Attach(a)}
	l.SetPolicy(l.a, world(rules{all("172.16.0.0/12")}, nil))
	for n := range flows {
		l.In(l.a, udp(fmt.Sprintf("172.16.%d.%d:%d", n>>8&255, n&255, 1024+n>>16), server))
	}
	return l, udp("172.16.0.0:1024", server)
}

// swept sweeps and returns what the calling thread spent on it, on the clock and on
// the processor.
func swept(b *testing.B, l *lab, flows int) (pass, cpu time.Duration) {
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &before); err != nil {
		b.Error(err)
	}
	began := time.Now()
	if err := l.Sweep(context.Background()); err != nil {
		b.Error(err)
	}
	pass = time.Since(began)
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &after); err != nil {
		b.Error(err)
	}
	if s := l.Swept(); int(s.Live) < flows {
		b.Errorf("swept %+v", s)
	}
	nano := func(u unix.Rusage) int64 { return u.Utime.Nano() + u.Stime.Nano() }
	return pass, time.Duration(nano(after) - nano(before))
}

// BenchmarkSweepBesidePackets measures what packets of a known flow wait while
// 1,000,000 live flows are swept beside them, on another processor, and what they
// wait without that: the longest of all and the longest but one in ten thousand,
// the call into the kernel included.
func BenchmarkSweepBesidePackets(b *testing.B) {
	const flows = 1_000_000
	l, hit := crowded(b, flows)
	program := l.Program(flow.Ingress)
	packets := func(until func() bool) (longest, rare time.Duration) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var all []time.Duration
		for !until() {
			began := time.Now()
			if err := datapath.RunFrame(program, l.a.Ifindex, hit.Bytes); err != nil {
				b.Error(err)
			}
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
			pass, _ := swept(b, l, flows)
			done <- pass
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
		b.ReportMetric(float64(pass.Milliseconds()), "ms/pass")
		for name, d := range map[string]time.Duration{"quiet-max": quiet, "quiet-rare": quietRare, "sweep-max": busy, "sweep-rare": busyRare} {
			b.ReportMetric(float64(d.Nanoseconds())/1e3, "us-"+name)
		}
	}
}

// BenchmarkSweepBesideTask measures how long another task of the processor that
// sweeps is kept from it: one of real-time priority that wants to run every 200 us,
// so that only what the kernel does not interrupt keeps it waiting. The table is full,
// or as good as empty: then one call goes past all its places.
func BenchmarkSweepBesideTask(b *testing.B) {
	for _, flows := range []int{1, 1_000_000} {
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) {
			l, _ := crowded(b, flows)
			wake, stop := make(chan struct{}), make(chan struct{})
			ready, late := make(chan struct{}), make(chan time.Duration)
			go func() {
				defer close(late)
				pin(b)
				if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 50}, 0); err != nil {
					b.Error(err)
				}
				close(ready)
				for range wake {
					late <- lateness(b, stop)
				}
			}()
			defer func() { close(wake); <-late }()
			<-ready
			runtime.LockOSThread()
			pin(b)
			var quiet, busy, pass, cpu []time.Duration
			for b.Loop() {
				wake <- struct{}{}
				spin(50 * time.Millisecond)
				stop <- struct{}{}
				quiet = append(quiet, <-late)
				wake <- struct{}{}
				took, spent := swept(b, l, flows)
				stop <- struct{}{}
				busy, pass, cpu = append(busy, <-late), append(pass, took), append(cpu, spent)
			}
			for name, all := range map[string][]time.Duration{"quiet-max": quiet, "sweep-max": busy, "pass": pass, "cpu": cpu} {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1e3, "us-"+name)
			}
		})
	}
}

// pin keeps the calling goroutine on the first processor that it may use, for good.
func pin(b *testing.B) {
	runtime.LockOSThread()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		b.Error(err)
	}
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			set = unix.CPUSet{}
			set.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		b.Error(err)
	}
}

// spin keeps the processor busy in user space.
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// lateness is the longest that a sleep of 200 us took too long, until stop. The
// runtime is told nothing of the calls, so that it has no part in it.
func lateness(b *testing.B, stop chan struct{}) (worst time.Duration) {
	const nap = 200 * time.Microsecond
	ts := unix.NsecToTimespec(int64(nap))
	for {
		select {
		case <-stop:
			return worst
		default:
		}
		began := time.Now()
		if _, _, err := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0); err != 0 && err != unix.EINTR {
			b.Error(err)
		}
		worst = max(worst, time.Since(began)-nap)
	}
}
