// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// call returns the id of the n-th call.
func call(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// TestDeltasSayWhichCallsTheyGoBackTo: those since the last one, the newest of many,
// and none where nothing changes for the host.
func TestDeltasSayWhichCallsTheyGoBackTo(t *testing.T) {
	w := newWorld(t)
	told := Tell(w.model, "h")
	defer told.Close()
	next := func() *feed.Delta {
		t.Helper()
		d, err := told.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	w.change(func(tx *model.Tx) {
		tx.Instances.Put(&secgroup.Instance{ID: "i-1", Host: "h", State: secgroup.Pending})
		tx.Answers(call(1))
	})
	if d := next(); len(d.Instances) != 1 || len(d.Origin.Requests)+d.Origin.More != 0 {
		t.Errorf("what tells everything goes back to %v", d.Origin)
	}
	w.change(func(tx *model.Tx) {
		tx.Instances.Put(&secgroup.Instance{ID: "i-1", Host: "h", State: secgroup.Running})
		tx.Answers(call(2))
	})
	d := next()
	if got := d.Origin.LogValue().String(); got != call(2) || d.Origin.Waited <= 0 {
		t.Errorf("a change goes back to %q after %v, want %s", got, d.Origin.Waited, call(2))
	}
	w.change(func(tx *model.Tx) {
		tx.Instances.Put(&secgroup.Instance{ID: "i-2", Host: "another", State: secgroup.Running})
		tx.Answers(call(3))
	})
	if d := next(); !d.Empty() || len(d.Origin.Requests)+d.Origin.More != 0 || d.Origin.Waited != 0 {
		t.Errorf("a change of another host's goes back to %v here", d.Origin)
	}
	// The host is slow.
	for n := range 20 {
		w.change(func(tx *model.Tx) {
			tx.Instances.Put(&secgroup.Instance{ID: "i-1", Host: "h", State: secgroup.Running, Reboots: n + 1})
			if n == 19 {
				tx.Answers("not an id of ours")
			} else {
				tx.Answers(call(100 + n))
			}
		})
	}
	o := next().Origin
	newest, _ := feed.ParseRequestID(call(118))
	if len(o.Requests) != feed.MaxRequests-1 || !slices.Contains(o.Requests, newest) || o.More != 5 {
		t.Errorf("20 changes go back to %d calls and %d: %v", len(o.Requests), o.More, o)
	}
}
