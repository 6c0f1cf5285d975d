// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"net/netip"
	"testing"
)

// TestRemoveTakesOnlyItsOwn: instances and devices of the installation go, and those
// of another on the same machine stay.
func TestRemoveTakesOnlyItsOwn(t *testing.T) {
	r, other := newRig(t), newRig(t)
	foreign := other.spec(5)
	other.mustEnsure(foreign)
	s := r.spec(4)
	r.mustEnsure(s)
	r.host.Address(t, "lo", "192.0.2.1/32")
	r.host.Do(func() {
		attach := func(string, int) error { return nil }
		if err := r.driver.EnsureUplink(Uplink{Unplugged: true}, attach); err != nil {
			t.Fatal(err)
		}
		if _, err := r.driver.EnsureOverlay(Overlay{Address: netip.MustParseAddr("192.0.2.1")}, attach); err != nil {
			t.Fatal(err)
		}
		removed, err := Own{r.driver}.Remove(t.Context())
		if err != nil || len(removed) != 4 { // namespace, link, uplink, overlay
			t.Errorf("removed %q, %v", removed, err)
		}
		if removed, err := (Own{r.driver}).Remove(t.Context()); err != nil || len(removed) != 0 {
			t.Errorf("the second time removed %q, %v", removed, err)
		}
	})
	if len(r.list(s.ID)) != 0 || len(other.list(foreign.ID)) != 1 {
		t.Errorf("left %v of its own, %v of another", r.list(s.ID), other.list(foreign.ID))
	}
}
