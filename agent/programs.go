// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// A program that ends while its instance runs is started again: at once if it ran
// for a while, later and later if it keeps ending.
const (
	programSteady  = 10 * time.Second // a program that ran so long has not kept ending
	programPause   = 500 * time.Millisecond
	longestProgram = 30 * time.Second // between two starts
)

// revival is what is known of the program of an instance that ended.
type revival struct {
	at    time.Time     // when it ended last
	pause time.Duration // before the last start
}

// next returns how long to wait with the next start of a program that ends now.
func (r *revival) next(now time.Time) time.Duration {
	steady := now.Sub(r.at) >= r.pause+programSteady
	r.at = now
	switch {
	case steady:
		r.pause = 0
	case r.pause == 0:
		r.pause = programPause
	default:
		r.pause = min(2*r.pause, longestProgram)
	}
	return r.pause
}

// programEnded has the instance of a program looked at again, which starts it.
func (a *Agent) programEnded(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if want := a.instances[id]; want == nil || want.State != secgroup.Running && want.State != secgroup.Pending || a.ctx != nil && a.ctx.Err() != nil {
		delete(a.revivals, id)
		return
	}
	if a.revivals[id] == nil {
		a.revivals[id] = &revival{}
	}
	pause := a.revivals[id].next(time.Now())
	a.cfg.Log.Warn("a program has ended while its instance runs; starting it again", "instance", id, "in", pause)
	if pause == 0 {
		a.work(id)
		return
	}
	time.AfterFunc(pause, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.instances[id] != nil {
			a.work(id)
		}
	})
}
