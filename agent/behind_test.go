// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
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
