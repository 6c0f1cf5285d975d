// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Tool is a client program with the folder and the environment that it runs in.
type Tool struct {
	Dir     string
	Environ []string
	Limit   time.Duration // for one run
}

// Run runs a command, writes what it printed and how long it took into the test's
// log, and returns its standard output and exit status.
func (c Tool) Run(t *testing.T, name string, args ...string) (stdout string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), c.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = c.Dir, c.Environ
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	what := filepath.Base(name) + " " + strings.Join(args, " ")
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) || ctx.Err() != nil {
		t.Fatalf("%s: %v (limit %s)\n%s%s", what, err, c.Limit, out.String(), errs.String())
	}
	t.Logf("%s: status %d after %.1f s", what, cmd.ProcessState.ExitCode(), time.Since(begin).Seconds())
	if errs.Len() > 0 {
		t.Logf("standard error:\n%s", errs.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
