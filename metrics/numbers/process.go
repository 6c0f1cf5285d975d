// SPDX-License-Identifier: Apache-2.0

package numbers

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process returns what a process costs, under the names that the library of
// Prometheus gives such numbers. began is when the process did.
func Process(began time.Time) ([]Family, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return nil, fmt.Errorf("read the time this process used: %w", err)
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return nil, fmt.Errorf("read the memory of this process: %w", err)
	}
	var size, resident int64
	if _, err := fmt.Fscan(strings.NewReader(string(text)), &size, &resident); err != nil {
		return nil, fmt.Errorf("read the memory of this process: /proc/self/statm has %q: %w", text, err)
	}
	cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
	return []Family{
		{Name: "process_cpu_seconds_total", Kind: Counter, Samples: []Sample{{Value: cpu.Seconds()}}, Help: "User and system time used."},
		{Name: "process_resident_memory_bytes", Kind: Gauge, Samples: []Sample{{Value: float64(resident * int64(os.Getpagesize()))}}, Help: "Resident memory."},
		{Name: "process_start_time_seconds", Kind: Gauge, Samples: []Sample{{Value: seconds(began)}}, Help: "When the process began."},
		{Name: "go_goroutines", Kind: Gauge, Samples: []Sample{{Value: float64(runtime.NumGoroutine())}}, Help: "Goroutines that exist."},
	}, nil
}
