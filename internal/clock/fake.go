// SPDX-License-Identifier: Apache-2.0

package clock

import (
	"slices"
	"sync"
	"time"
)

// Fake is a clock that moves only when told to.
type Fake struct {
	mu      sync.Mutex
	changed *sync.Cond // waiters came or went
	now     time.Time
	waiters []*waiter
}

type waiter struct {
	at     time.Time
	period time.Duration // 0: once
	c      chan time.Time
}

// NewFake returns a clock that stands at start.
func NewFake(start time.Time) *Fake {
	f := &Fake{now: start}
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *Fake) After(d time.Duration) <-chan time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &waiter{at: f.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		w.c <- f.now
		return w.c
	}
	f.add(w)
	return w.c
}

func (f *Fake) NewTicker(d time.Duration) *Ticker {
	if d <= 0 {
		panic("clock: ticker needs a positive period")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &waiter{at: f.now.Add(d), period: d, c: make(chan time.Time, 1)}
	f.add(w)
	return &Ticker{C: w.c, stop: func() { f.remove(w) }}
}

// Advance moves the clock by d and wakes, in order of their time, all whose time
// has come. A ticker's missed ticks are dropped, as the real one drops them.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.now.Add(d)
	for {
		i := f.next()
		if i < 0 || f.waiters[i].at.After(end) {
			break
		}
		w := f.waiters[i]
		f.now = w.at
		select {
		case w.c <- f.now:
		default:
		}
		if w.period > 0 {
			w.at = w.at.Add(w.period)
		} else {
			f.waiters = slices.Delete(f.waiters, i, i+1)
		}
	}
	f.now = end
	f.changed.Broadcast()
}

// AwaitWaiters blocks until at least n callers wait for the clock, tickers
// included. Tests call it before Advance, so that they need not sleep.
func (f *Fake) AwaitWaiters(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiters) < n {
		f.changed.Wait()
	}
}

func (f *Fake) next() int {
	first := -1
	for i, w := range f.waiters {
		if first < 0 || w.at.Before(f.waiters[first].at) {
			first = i
		}
	}
	return first
}

func (f *Fake) add(w *waiter) {
	f.waiters = append(f.waiters, w)
	f.changed.Broadcast()
}

func (f *Fake) remove(w *waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiters = slices.DeleteFunc(f.waiters, func(o *waiter) bool { return o == w })
	f.changed.Broadcast()
}
