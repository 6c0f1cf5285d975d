// SPDX-License-Identifier: Apache-2.0

package clock_test

import (
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/clock"
)

var (
	_ clock.Clock = clock.Real{}
	_ clock.Clock = (*clock.Fake)(nil)

	start = time.Unix(1_700_000_000, 0)
)

// fetch returns what is in c, or the zero time.
func fetch(c <-chan time.Time) time.Time {
	select {
	case t := <-c:
		return t
	default:
		return time.Time{}
	}
}

func TestFakeAfter(t *testing.T) {
	f := clock.NewFake(start)
	late, soon, past := f.After(2*time.Second), f.After(time.Second), f.After(0)
	if got := fetch(past); !got.Equal(start) {
		t.Errorf("After(0) delivers %v, want %v at once", got, start)
	}
	f.Advance(time.Second - 1)
	if got := fetch(soon); !got.IsZero() {
		t.Errorf("After(1s) fired early, at %v", got)
	}
	f.Advance(1)
	if got := fetch(soon); !got.Equal(start.Add(time.Second)) {
		t.Errorf("After(1s) delivers %v", got)
	}
	f.Advance(time.Hour)
	if got := fetch(late); !got.Equal(start.Add(2 * time.Second)) {
		t.Errorf("After(2s) delivers %v, want its own time", got)
	}
	if got, want := f.Now(), start.Add(time.Hour+time.Second); !got.Equal(want) {
		t.Errorf("Now is %v, want %v", got, want)
	}
}

func TestFakeTicker(t *testing.T) {
	f := clock.NewFake(start)
	tick := f.NewTicker(time.Second)
	f.Advance(3500 * time.Millisecond)
	if got := fetch(tick.C); !got.Equal(start.Add(time.Second)) {
		t.Errorf("first tick at %v, want %v", got, start.Add(time.Second))
	}
	if got := fetch(tick.C); !got.IsZero() {
		t.Errorf("ticks that nobody fetched were kept: %v", got)
	}
	f.Advance(500 * time.Millisecond)
	if got := fetch(tick.C); !got.Equal(start.Add(4 * time.Second)) {
		t.Errorf("next tick at %v, want the fourth second", got)
	}
	tick.Stop()
	f.Advance(time.Hour)
	if got := fetch(tick.C); !got.IsZero() {
		t.Errorf("a stopped ticker ticked at %v", got)
	}
}

func TestFakeAwaitWaiters(t *testing.T) {
	f := clock.NewFake(start)
	woken := make(chan time.Time)
	go func() { woken <- <-f.After(time.Minute) }()
	f.AwaitWaiters(1)
	f.Advance(time.Minute)
	if got := <-woken; !got.Equal(start.Add(time.Minute)) {
		t.Errorf("woken at %v", got)
	}
}

func TestRealTicker(t *testing.T) {
	tick := clock.Real{}.NewTicker(time.Microsecond)
	defer tick.Stop()
	if got := <-tick.C; got.Before(start) {
		t.Errorf("the real clock says %v", got)
	}
}
