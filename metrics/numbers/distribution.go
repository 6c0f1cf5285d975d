// SPDX-License-Identifier: Apache-2.0

package numbers

import (
	"slices"
	"sync"
	"time"
)

// Distribution counts durations by how long they are. It is safe for concurrent
// use.
type Distribution struct {
	bounds []float64 // seconds, ascending

	mu     sync.Mutex
	counts []uint64 // one for each bound, and one for what is above all
	sum    float64  // seconds
}

// delays are bounds in seconds, from a member that joins on an idle machine to a
// host that was away.
var delays = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}

// NewDelays returns a distribution of how long changes take to come into force.
func NewDelays() *Distribution {
	return &Distribution{bounds: delays, counts: make([]uint64, len(delays)+1)}
}

// Observe counts one duration.
func (d *Distribution) Observe(took time.Duration) {
	at, _ := slices.BinarySearch(d.bounds, took.Seconds()) // a bound includes what is as long as it is
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[at]++
	d.sum += took.Seconds()
}

// Counts is a distribution at one moment.
type Counts struct {
	Bounds []float64 // seconds, ascending
	UpTo   []uint64  // how many were no longer than each bound; last, how many there were
	Sum    float64   // seconds
}

// Count returns how many durations there were.
func (c *Counts) Count() uint64 { return c.UpTo[len(c.UpTo)-1] }

// Counts returns what was counted so far.
func (d *Distribution) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := Counts{Bounds: d.bounds, UpTo: slices.Clone(d.counts), Sum: d.sum}
	for i := 1; i < len(c.UpTo); i++ {
		c.UpTo[i] += c.UpTo[i-1]
	}
	return c
}
