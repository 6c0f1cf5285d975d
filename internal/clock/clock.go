// SPDX-License-Identifier: Apache-2.0

// Package clock is the time as our code asks for it, so that tests can hold it
// still. Code that waits or stamps takes a Clock; main passes Real, tests pass a
// Fake. Nothing else in it: deadlines of network calls stay with context.
package clock

import "time"

// Clock tells the time and wakes its callers. Implementations are safe for
// concurrent use.
type Clock interface {
	Now() time.Time
	// After returns a channel that gets the time once, when d has passed. A d
	// of zero or less has passed already.
	After(d time.Duration) <-chan time.Time
	// NewTicker returns a ticker with the period d, which must be positive.
	NewTicker(d time.Duration) *Ticker
}

// Ticker delivers the time on C once per period and drops what nobody fetches.
type Ticker struct {
	C    <-chan time.Time
	stop func()
}

// Stop ends the ticker. It does not close C.
func (t *Ticker) Stop() { t.stop() }

// Real is the machine's clock. The zero value is ready for use.
type Real struct{}

func (Real) Now() time.Time { return time.Now() }

func (Real) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (Real) NewTicker(d time.Duration) *Ticker {
	t := time.NewTicker(d)
	return &Ticker{C: t.C, stop: t.Stop}
}
