// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

// A program that crashes once is back at once; one that keeps ending is started
// less and less often, and again at once when it has run for a while.
func TestProgramsComeBack(t *testing.T) {
	var r revival
	now := time.Unix(1e9, 0)
	expect := func(ran, want time.Duration) {
		t.Helper()
		now = now.Add(r.pause + ran)
		if got := r.next(now); got != want {
			t.Errorf("a program that ran %s waits %s, want %s", ran, got, want)
		}
	}
	expect(time.Hour, 0)
	expect(time.Second, programPause)
	expect(time.Second, 2*programPause)
	for range 10 {
		now = now.Add(r.pause + time.Second)
		r.next(now)
	}
	expect(time.Second, longestProgram)
	expect(programSteady, 0)
}

// The instance of a program that ended is brought in line again, and one that is
// to end is not.
func TestAnEndedProgramIsStartedAgain(t *testing.T) {
	driver := newFakeDriver()
	r := newRig(t, newStrictKernel(t), driver)
	r.cfg.Program = func(*feed.Instance) []string { return []string{"stream"} }
	r.Apply(worldOfOne(5, secgroup.Running))
	<-driver.changed
	driver.mu.Lock()
	ended := driver.ended
	driver.mu.Unlock()
	ended()
	<-driver.changed // it was ensured again
	r.Apply(&feed.Delta{
		Revision:   6,
		Instances:  map[string]*feed.Instance{"i-1": {ID: "i-1", State: secgroup.ShuttingDown}},
		Interfaces: map[string]*feed.Interface{"eni-1": nil},
	})
	ended()
	if got := r.report(); got != (reported{"i-1", secgroup.Terminated, ""}) {
		t.Errorf("reported %+v", got)
	}
	driver.mu.Lock()
	defer driver.mu.Unlock()
	if len(driver.up) != 0 {
		t.Errorf("%v is up again", driver.up)
	}
}
