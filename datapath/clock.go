// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// hertz returns how many jiffies the kernel counts a second: the coarse clocks
// advance by one of them.
func hertz() (uint64, error) {
	var res unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &res); err != nil {
		return 0, fmt.Errorf("read the length of a jiffy: %w", err)
	}
	if res.Sec != 0 || res.Nsec <= 0 {
		return 0, fmt.Errorf("read the length of a jiffy: %d s %d ns makes no sense", res.Sec, res.Nsec)
	}
	return (uint64(time.Second) + uint64(res.Nsec)/2) / uint64(res.Nsec), nil
}

// jiffies converts a duration, rounding up.
func jiffies(d time.Duration, hz uint64) uint32 {
	return uint32((uint64(d)*hz + uint64(time.Second) - 1) / uint64(time.Second))
}

func duration(j uint32, hz uint64) time.Duration {
	return time.Duration(uint64(j) * uint64(time.Second) / hz)
}

// kernelNow asks the kernel for the time that flows are kept in.
func kernelNow(clock *ebpf.Program) (uint32, error) {
	now, err := clock.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
	if err != nil {
		return 0, fmt.Errorf("read the kernel's clock: %w", err)
	}
	return now, nil
}
