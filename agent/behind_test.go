// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestAnInterfaceThatTheKernelRefusesIsBehind: until a later try succeeds, with the
// revision that judges it meanwhile; one that is not there has none.
func TestAnInterfaceThatTheKernelRefusesIsBehind(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
	r.report()
	if behind, _ := r.Behind(); len(behind) != 0 {
		t.Errorf("behind: %v", behind)
	}
	r.mu.Lock()
	r.kernel.full = errors.New("no room")
	r.mu.Unlock()
	next := rulesOnly(6, rule("sgr-2"))
	other := iface("sg-1")
	other.ID, other.Instance = "eni-2", "i-2" // of an instance that is not told
	next.Interfaces = map[string]*feed.Interface{"eni-2": other}
	r.Apply(next)
	behind, changed := r.Behind()
	if is, there := behind["eni-2"]; behind["eni-1"] != 5 || !there || is != 0 || len(behind) != 2 {
		t.Errorf("behind: %v, want eni-1 at 5 and eni-2 at 0", behind)
	}
	r.mu.Lock()
	r.kernel.full = nil
	r.mu.Unlock()
	deadline := time.After(10 * time.Second)
	for {
		if _, still := behind["eni-1"]; !still {
			return
		}
		select {
		case <-changed:
			behind, changed = r.Behind()
		case <-deadline:
			t.Fatalf("still behind: %v", behind)
		}
	}
}

// TestWhatIsInForceIsSaidOnce: who must not wait is told nothing new while a delta is
// being brought in, and each delta is told of when it is in force.
func TestWhatIsInForceIsSaidOnce(t *testing.T) {
	kernel := newStrictKernel(t)
	r := newRig(t, kernel, newFakeDriver())
	var log strings.Builder
	var said []int64
	r.cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.cfg.Applied = func(d *feed.Delta, took time.Duration) {
		if revision, behind, ok := r.InForceNow(); !ok || revision != d.Revision || len(behind) != 0 && revision == 6 || took <= 0 {
			t.Errorf("delta %d after %v: revision %d, behind %v, %v", d.Revision, took, revision, behind, ok)
		}
		said = append(said, d.Revision)
	}
	r.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
	r.report()
	kernel.step = func() {
		if _, _, ok := r.InForceNow(); ok {
			t.Error("in force while it is being brought in")
		}
	}
	next := rulesOnly(6, rule("sgr-2"))
	next.Origin = feed.Origin{Requests: []feed.RequestID{{1}}, Waited: time.Hour}
	r.Apply(next)
	r.mu.Lock()
	kernel.step = nil
	r.mu.Unlock()
	if !slices.Equal(said, []int64{5, 6}) {
		t.Errorf("told of %v", said)
	}
	want := regexp.MustCompile(`level=DEBUG msg="in force" revision=6 requests=01000000-0000-0000-0000-000000000000 instances=0 interfaces=0 groups=1 addresses=0 routes=0 took=\S+ delay=1h0m0.\S+\n`)
	if !want.MatchString(log.String()) {
		t.Errorf("no line %s in\n%s", want, log.String())
	}
	r.mu.Lock()
	kernel.full = errors.New("no room")
	r.mu.Unlock()
	r.Apply(rulesOnly(7, rule("sgr-3")))
	if s := r.Status(); s.Failures == 0 || s.Failures < uint64(len(s.Faults)) {
		t.Errorf("%d failures, %d faults", s.Failures, len(s.Faults))
	}
}
