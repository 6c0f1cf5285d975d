// SPDX-License-Identifier: Apache-2.0

// Package rig runs the program under test for the packages that drive it from
// outside: it builds hedgeward, starts it on state folders of its own under /tmp,
// hands out clients that know what a user is told, and takes everything down
// again. It imports nothing of this module and reads no state but what a user is
// shown. Only test/e2e and test/clients import it.
package rig

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

// Timeout is how long a server may take to be ready or to end, on a machine that
// is busy with other tests. What it should take is measured, not asserted.
const Timeout = 60 * time.Second

// program is the path of what is under test, once Main has built it.
var program string

// Program returns the path of the program under test.
func Program() string { return program }

// Main builds the program, takes down what a test run that was killed has left,
// runs the tests of a package, that many side by side, and takes down the shared
// server. It returns the status to exit with: 1 as well if the server logged an
// error or left something behind. Tests wait most of the time, for packets that
// must not come and for clients, so that more of them run than there are cores.
func Main(m *testing.M, parallel int) int {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(parallel)); err != nil {
		return fail(err)
	}
	if os.Geteuid() != 0 {
		return fail(errors.New("instances are network namespaces and enforcement is eBPF: run these tests as root"))
	}
	dir, err := os.MkdirTemp("/tmp", fmt.Sprintf("%s%d-", filepath.Base(binPrefix), os.Getpid()))
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	// A test may run the program as somebody else.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fail(err)
	}
	program = filepath.Join(dir, "hedgeward")
	build := exec.Command("go", "build", "-o", program, "../../cmd/hedgeward")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fail(fmt.Errorf("build hedgeward: %w", err))
	}
	sweep()

	code := m.Run()
	if err := shared.end(); err != nil {
		code = fail(fmt.Errorf("shared server: %w", err))
	}
	if code != 0 && shared.server != nil {
		fmt.Fprintf(os.Stderr, "standard error of the shared server:\n%s", shared.server.errs.String())
	}
	return code
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "rig:", err)
	return 1
}

// These begin the names of what lies in /tmp: folders of the program under test,
// and state folders, whose names are short because the control socket lies in
// them. The process id of the test run follows.
const (
	binPrefix   = "/tmp/hw-bin-"
	statePrefix = "/tmp/hw-e2e-"
)

// NewFolder returns a new, empty folder for a state, which the next test run
// sweeps up should this one be killed.
func NewFolder() (string, error) {
	return os.MkdirTemp("/tmp", fmt.Sprintf("%s%d-", filepath.Base(statePrefix), os.Getpid()))
}

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
		out, status, err := Run("down", "--purge", "--state", dir)
		if err != nil || status != 0 {
			fmt.Fprintf(os.Stderr, "rig: %s is left of an earlier run and cannot be taken down: %v: %s\n", dir, err, out)
		}
	}
	for _, dir := range abandoned(binPrefix) {
		os.RemoveAll(dir)
	}
}

// Run runs hedgeward and returns everything that it printed and its exit status.
// A status other than 0 is not an error.
func Run(args ...string) (out string, code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	b, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if errors.As(err, &status) {
		err = nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("hedgeward %s does not end: %s", strings.Join(args, " "), b)
	}
	return string(b), cmd.ProcessState.ExitCode(), err
}
