// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestEveryFolderHasItsPins(t *testing.T) {
	const usualDir, usual = "/var/lib/hedgeward", "/sys/fs/bpf/hedgeward"
	t.Chdir("/var/lib")
	for _, dir := range []string{usualDir, usualDir + "/", "/var/lib/../lib/hedgeward", "hedgeward"} {
		if got := Pins(dir, usualDir, usual); got != usual {
			t.Errorf("Pins(%q) = %q, want the usual %q", dir, got, usual)
		}
	}
	one, two := Pins("/tmp/one", usualDir, usual), Pins("/tmp/two", usualDir, usual)
	if one == two || one == usual || !strings.HasPrefix(one, usual+"-") {
		t.Errorf("two folders have the pins %q and %q, want two beside %q", one, two, usual)
	}
}

// The lock is of the open file, so a second Lock in one process meets it as another
// process does.
func TestOneProcessHoldsAFolder(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(t.Context(), dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(t.Context(), dir, 0)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())+" works on "+dir) {
		t.Errorf("the second Lock: %v, want ErrHeld that names this process and the folder", err)
	}
	given := make(chan error)
	go func() {
		release, err := Lock(t.Context(), dir, time.Minute)
		if err == nil {
			release()
		}
		given <- err
	}()
	release()
	if err := <-given; err != nil {
		t.Errorf("a Lock with patience: %v, want it once the holder is gone", err)
	}
	if _, err := Lock(t.Context(), filepath.Join(dir, "none"), 0); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "--state") {
		t.Errorf("Lock of a folder that does not exist: %v, want that and what to do", err)
	}
}
