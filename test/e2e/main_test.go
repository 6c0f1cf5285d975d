// SPDX-License-Identifier: Apache-2.0

// Package e2e_test drives the whole system from outside, as its users do: the
// program that go build makes, the unmodified AWS CLI and SDK against the profile
// that it writes, and real sockets inside instances. It imports nothing of this
// module and reads no state but what a user is shown.
//
// Every server has a state folder of its own under /tmp and so its own instances
// and pins, and tests run side by side. One server is shared by the tests that
// need no life cycle of their own; each of them makes a VPC for itself.
package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a server may take until it is ready, on a machine
// that is busy with other tests. What it should take is measured, not asserted.
const startTimeout = 60 * time.Second

// program is what is under test; self is this test program, which also runs
// inside instances (inside_test.go).
var program, self string

func TestMain(m *testing.M) {
	if os.Getenv(insideVariable) != "" {
		os.Exit(inside())
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	flag.Parse()
	// Tests wait most of the time: for packets that must not come, and for the CLI.
	if err := flag.Set("test.parallel", "6"); err != nil {
		return failAll(err)
	}
	if os.Geteuid() != 0 {
		return failAll(errors.New("instances are network namespaces and enforcement is eBPF: run these tests as root"))
	}
	sweep()
	dir, err := os.MkdirTemp("/tmp", "hw-bin-")
	if err != nil {
		return failAll(err)
	}
	defer os.RemoveAll(dir)
	// TestUpNeedsRoot runs the program as nobody.
	if err := os.Chmod(dir, 0o755); err != nil {
		return failAll(err)
	}
	if self, err = os.Executable(); err != nil {
		return failAll(err)
	}
	program = filepath.Join(dir, "hedgeward")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "../../cmd/hedgeward")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return failAll(fmt.Errorf("build hedgeward: %w", err))
	}

	code := m.Run()
	if shared.started() {
		if err := shared.server.end(); err != nil {
			fmt.Fprintln(os.Stderr, "shared server:", err)
			code = 1
		}
		if left := shared.server.traces(); len(left) > 0 {
			fmt.Fprintln(os.Stderr, "the shared server left behind:", strings.Join(left, ", "))
			code = 1
		}
	}
	return code
}

func failAll(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}

// statePrefix begins the name of every state folder; the process id of the test
// run follows. State folders are short because the control socket lies in them.
const statePrefix = "/tmp/hw-e2e-"

// sweep ends what a test run that was killed has left on this machine. It is
// known by the folder's name and by the lock file, which names the server.
func sweep() {
	left, _ := filepath.Glob(statePrefix + "*")
	for _, dir := range left {
		owner, _, _ := strings.Cut(strings.TrimPrefix(dir, statePrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		down := exec.CommandContext(ctx, "go", "run", "../../cmd/hedgeward", "down", "--purge", "--state", dir)
		out, err := down.CombinedOutput()
		cancel()
		if err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %s is left of an earlier run and cannot be taken down: %v: %s\n", dir, err, out)
		}
	}
}
