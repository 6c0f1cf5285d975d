// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRebootEndsProgramsOnce(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	r.mustEnsure(s)
	leave := func() { // a program in the background
		t.Helper()
		if code, err := Exec(t.Context(), s.ID, []string{"sh", "-c", "sleep 1003 &"}, nil, os.Stdout, nil); err != nil || code != 0 {
			t.Fatalf("status %d, %v", code, err)
		}
	}
	programs := func(want int, when string) {
		t.Helper()
		if pids := r.residents(s.ID); len(pids) != want {
			t.Errorf("%s: programs %v, want %d", when, pids, want)
		}
	}
	leave()
	s.Reboots = 1
	r.mustEnsure(s)
	programs(0, "rebooted")
	r.check(s)
	leave()
	r.restart()
	r.mustEnsure(s)
	programs(1, "rebooted no more, by a new process")
	s.Reboots = 3 // two at once
	r.mustEnsure(s)
	programs(0, "rebooted again")

	// What was asked before a stop is done by it.
	leave()
	if err := r.destroy(s.ID); err != nil {
		t.Fatal(err)
	}
	s.Reboots = 4
	r.mustEnsure(s)
	leave()
	r.mustEnsure(s)
	programs(1, "started after a reboot")

	// A reboot that cannot be noted ends nothing.
	note := filepath.Join(r.state, "instances", s.ID, rebootsFile)
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(note, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Reboots = 5
	if err := r.ensure(s); err == nil {
		t.Error("a reboot that cannot be noted succeeds")
	}
	programs(1, "not noted")
}
