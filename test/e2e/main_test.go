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
	dir, err := os.MkdirTemp("/tmp", fmt.Sprintf("%s%d-", filepath.Base(binPrefix), os.Getpid()))
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
	sweep()

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

// These begin the names of what lies in /tmp: folders of the program under test,
// and state folders, whose names are short because the control socket lies in
// them. The process id of the test run follows.
const (
	binPrefix   = "/tmp/hw-bin-"
	statePrefix = "/tmp/hw-e2e-"
)

// abandoned returns the folders whose test run is no longer there.
func abandoned(prefix string) []string {
	var out []string
	all, _ := filepath.Glob(prefix + "*")
	for _, dir := range all {
		owner, _, _ := strings.Cut(strings.TrimPrefix(dir, prefix), "-")
		if pid, err := strconv.Atoi(owner); err == nil && syscall.Kill(pid, 0) != nil {
			out = append(out, dir)
		}
	}
	return out
}

// sweep takes down what a test run that was killed has left on this machine,
// with the program of this run.
func sweep() {
	for _, dir := range abandoned(statePrefix) {
		out, status, err := run("down", "--purge", "--state", dir)
		if err != nil || status != 0 {
			fmt.Fprintf(os.Stderr, "e2e: %s is left of an earlier run and cannot be taken down: %v: %s\n", dir, err, out)
		}
	}
	for _, dir := range abandoned(binPrefix) {
		os.RemoveAll(dir)
	}
}
