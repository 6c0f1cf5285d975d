// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// work is what a thread has cost, system calls and the interrupts that ran in
// its time included. Cycles and Instructions are 0 where the machine does not
// count them, as most virtual ones do not; CPU, in ns, is always there.
type work struct {
	CPU                  int64
	Cycles, Instructions uint64
}

func (w work) plus(other work) work {
	return work{w.CPU + other.CPU, w.Cycles + other.Cycles, w.Instructions + other.Instructions}
}

// counted runs f, which stays on its thread, and adds what it cost.
func counted(f func() (outcome, error)) (outcome, error) {
	hardware := [2]uint64{unix.PERF_COUNT_HW_CPU_CYCLES, unix.PERF_COUNT_HW_INSTRUCTIONS}
	var counters [2]int
	for i, event := range hardware {
		attr := &unix.PerfEventAttr{Type: unix.PERF_TYPE_HARDWARE, Config: event, Size: unix.PERF_ATTR_SIZE_VER1}
		var err error
		if counters[i], err = unix.PerfEventOpen(attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC); err != nil {
			counters[i] = -1
		} else {
			defer unix.Close(counters[i])
		}
	}
	begun, err := threadTime()
	if err != nil {
		return outcome{}, err
	}
	got, err := f()
	ended, timeErr := threadTime()
	got.Work.CPU = ended - begun
	for i, to := range []*uint64{&got.Work.Cycles, &got.Work.Instructions} {
		var value [8]byte
		if counters[i] < 0 {
			continue
		}
		if _, err := unix.Read(counters[i], value[:]); err == nil {
			*to = binary.NativeEndian.Uint64(value[:])
		}
	}
	return got, errors.Join(err, timeErr)
}

func threadTime() (int64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read the thread's CPU time: %w", err)
	}
	return t.Nano(), nil
}
