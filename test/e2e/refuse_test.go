// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

// upFails runs `hedgeward up` where it cannot run and wants it to end by itself
// with the reason and the remedy, having served nothing and left nothing.
func upFails(t *testing.T, state string, cmd *exec.Cmd, texts ...string) {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run()
	if cmd.ProcessState.ExitCode() != 1 || out.Len() > 0 {
		t.Errorf("up ends with %s and says\n%s", cmd.ProcessState, out.String())
	}
	if lines := strings.Count(errs.String(), "\n"); !strings.HasPrefix(errs.String(), "hedgeward: ") || lines > 3 {
		t.Errorf("the reason is %d lines:\n%s", lines, errs.String())
	}
	for _, text := range texts {
		if !strings.Contains(errs.String(), text) {
			t.Errorf("up does not say %q but\n%s", text, errs.String())
		}
	}
	if left := (&rig.Server{State: state}).Traces(); len(left) > 0 {
		t.Errorf("up fails and leaves %v", left)
	}
}

func upOn(t *testing.T, state string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Timeout)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, rig.Program(), append([]string{"up", "--state", state, "--listen", "127.0.0.1:0"}, args...)...)
}

func TestSecondUpIsRefused(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	s.Refuses(t, []string{"state folder in use", "stop that process first", "--state", s.State}, "up", "--listen", "127.0.0.1:0")

	// The first goes on.
	resp, err := http.Get(s.API.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.Settle(t)
}

func TestUpOnATakenPort(t *testing.T) {
	t.Parallel()
	taken := strings.TrimPrefix(rig.Shared(t).API.Endpoint, "http://")
	state := filepath.Join(t.TempDir(), "state")
	upFails(t, state, upOn(t, state, "--listen", taken), taken, "address already in use", "--listen")
}

func TestUpOnStateThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	upFails(t, file, upOn(t, file), file, "--state")
	below := filepath.Join(file, "state")
	upFails(t, below, upOn(t, below), file, "--state")
	upFails(t, "/proc/hedgeward", upOn(t, "/proc/hedgeward"), "/proc/hedgeward", "--state")

	readOnly, small := mountTmpfs(t, syscall.MS_RDONLY, ""), mountTmpfs(t, 0, "size=512k")
	upFails(t, readOnly, upOn(t, readOnly), readOnly, "read-only file system", "--state")
	upFails(t, small, upOn(t, small), small, "no space left on device", "Make room")
}

// mountTmpfs returns a folder that is a file system of its own.
func mountTmpfs(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	dir, err := rig.NewFolder()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(dir, 0), os.Remove(dir)); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

func TestUpWithUnknownRegion(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	upFails(t, state, upOn(t, state, "--region", "mars-north-1"), "mars-north-1", "--region")
}

// TestUpNeedsRoot runs the program as somebody else, and as a root that may not
// load programs into the kernel.
func TestUpNeedsRoot(t *testing.T) {
	t.Parallel()
	dir, err := rig.NewFolder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	nobody := upOn(t, state)
	nobody.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	upFails(t, state, nobody, "needs root", "sudo hedgeward up")
	if _, err := os.Stat(state); err == nil {
		t.Error("a refused up makes the state folder")
	}

	up := upOn(t, state)
	weak := exec.Command("setpriv", append([]string{"--bounding-set", "-sys_admin,-bpf,-perfmon", "--inh-caps", "-all"}, up.Args...)...)
	upFails(t, state, weak, "BPF", "CAP_BPF")
}
