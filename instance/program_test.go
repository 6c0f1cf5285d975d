// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"slices"
	"syscall"
	"testing"
	"time"
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

// The end of a program is told, whoever started it, and the next Ensure starts
// another one.
func TestTheEndOfAProgramIsTold(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	ended := make(chan struct{}, 10)
	s.Program = []string{"sleep", "1005"}
	tell := func() { ended <- struct{}{} }
	for _, begin := range []struct {
		what    string
		restart bool // of the driver's process, while the program runs
	}{{"its own", false}, {"an earlier process's", true}} {
		if begin.restart { // it is started for somebody who is gone when it ends
			s.Ended = nil
			r.mustEnsure(s)
			r.restart()
		}
		s.Ended = tell
		r.mustEnsure(s)
		r.mustEnsure(s)
		programs := r.residents(s.ID)
		if len(programs) != 1 {
			t.Fatalf("%s program: %v, want one", begin.what, programs)
		}
		if err := syscall.Kill(programs[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(soon):
			t.Fatalf("nobody says that %s program has ended", begin.what)
		}
	}
	if err := r.destroy(s.ID); err != nil {
		t.Fatal(err)
	}
	if n := len(ended); n > 0 {
		t.Errorf("%d ends are told twice", n)
	}
}
