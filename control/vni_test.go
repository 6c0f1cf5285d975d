// SPDX-License-Identifier: Apache-2.0

package control

import (
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// TestVPCsAreNumbered: every VPC has a number between hosts, no two have one, and
// those of an older version get theirs at the next start, and keep it.
func TestVPCsAreNumbered(t *testing.T) {
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := serve(t, db, Config{})
	for _, account := range []string{"111122223333", "444455556666"} {
		if err := s.EnsureRegion(t.Context(), secgroup.Scope{Account: account, Region: "us-east-1"}); err != nil {
			t.Fatal(err)
		}
	}
	numbers := func(s *Service) map[string]uint32 {
		t.Helper()
		out, taken := map[string]uint32{}, map[uint32]bool{}
		for v := range s.Read().VPCs.All() {
			if v.VNI == 0 || v.VNI > maxVNI || taken[v.VNI] {
				t.Errorf("%s has number %d; taken %v", v.ID, v.VNI, taken)
			}
			out[v.ID], taken[v.VNI] = v.VNI, true
		}
		return out
	}
	if made := numbers(s); len(made) != 2 {
		t.Fatalf("%d VPCs, want 2", len(made))
	}
	err = s.write(t.Context(), installation, func(tx *model.Tx) error {
		for v := range s.Read().VPCs.All() {
			old := *v
			old.VNI = 0
			tx.VPCs.Put(&old)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var first map[string]uint32
	for range 2 {
		next := serve(t, db, Config{})
		if _, _, err := next.Bootstrap(t.Context()); err != nil {
			t.Fatal(err)
		}
		now := numbers(next)
		for id, n := range first {
			if now[id] != n {
				t.Errorf("the number of %s became %d, was %d", id, now[id], n)
			}
		}
		first = now
	}
}
