// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"slices"
	"testing"
)

func TestAProgramRunsOnceAndAsLongAsItsInstance(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	s.Program = []string{"sleep", "1004"}
	r.mustEnsure(s)
	first := r.residents(s.ID)
	if len(first) != 1 {
		t.Fatalf("programs %v, want one", first)
	}
	r.mustEnsure(s)
	r.restart()
	r.mustEnsure(s)
	if now := r.residents(s.ID); !slices.Equal(now, first) {
		t.Errorf("after a restart programs %v, want %v still", now, first)
	}
	s.Reboots = 1 // ends it, as everything inside
	r.mustEnsure(s)
	if now := r.residents(s.ID); len(now) != 1 || now[0] == first[0] {
		t.Errorf("after a reboot programs %v, want another one than %v", now, first)
	}
	if err := r.destroy(s.ID); err != nil {
		t.Fatal(err)
	}
	s.Program = []string{"no-such-program"}
	if err := r.ensure(s); err == nil {
		t.Error("an instance whose program cannot be started is there")
	}
}
