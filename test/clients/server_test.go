// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long the server may take to be ready or to end, on a
// machine that is busy with other tests.
const startTimeout = 60 * time.Second

// folderPrefix begins the name of the folder with program and state. It is short
// because a socket lies in the state folder; the test run's process id follows.
const folderPrefix = "/tmp/hw-clients-"

// server is a running `hedgeward up`.
type server struct {
	program, state string
	endpoint       string // of the API

	cmd  *exec.Cmd
	errs bytes.Buffer // its standard error
	done chan error   // of cmd; capacity 1
}

var apiLine = regexp.MustCompile(`^ *API +(http://127\.0\.0\.1:\d+)$`)

// start runs `hedgeward up` on a new state folder and waits until it says that it
// is ready.
func start(program, state string) (*server, error) {
	s := &server{program: program, state: state, done: make(chan error, 1)}
	s.cmd = exec.Command(program, "up", "--state", state, "--listen", "127.0.0.1:0")
	s.cmd.Stderr = &s.errs
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		defer func() { s.done <- s.cmd.Wait() }()
		endpoint := ""
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if m := apiLine.FindStringSubmatch(lines.Text()); m != nil {
				endpoint = m[1]
			}
			if strings.Contains(lines.Text(), "hedgeward down") { // the last line
				ready <- endpoint
			}
		}
	}()
	select {
	case s.endpoint = <-ready:
		if s.endpoint == "" {
			return nil, errors.Join(errors.New("up does not say where the API is"), s.end())
		}
		return s, nil
	case err := <-s.done:
		return nil, fmt.Errorf("up ended: %w\n%s", err, s.errs.String())
	case <-time.After(startTimeout):
		return nil, errors.Join(fmt.Errorf("up is not ready after %s", startTimeout), s.end())
	}
}

// end stops the server and takes away everything that it made.
func (s *server) end() error {
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	var ended error
	select {
	case ended = <-s.done:
	case <-time.After(startTimeout):
		ended = errors.Join(fmt.Errorf("the server does not end after %s", startTimeout), s.cmd.Process.Kill(), <-s.done)
	}
	return errors.Join(ended, purge(s.program, s.state))
}

func purge(program, state string) error {
	out, err := exec.Command(program, "down", "--purge", "--state", state).CombinedOutput()
	if err != nil {
		return fmt.Errorf("down --purge of %s: %w\n%s", state, err, out)
	}
	return nil
}

// sweep takes down what a test run that was killed has left, with its own
// program.
func sweep() {
	all, _ := filepath.Glob(folderPrefix + "*")
	for _, dir := range all {
		owner, _, _ := strings.Cut(strings.TrimPrefix(dir, folderPrefix), "-")
		if pid, err := strconv.Atoi(owner); err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		if state := filepath.Join(dir, "s"); exists(state) {
			if err := purge(filepath.Join(dir, "hedgeward"), state); err != nil {
				fmt.Fprintln(os.Stderr, "clients: left of an earlier run:", err)
				continue
			}
		}
		os.RemoveAll(dir)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// environ returns the environment of a client: what `up` tells its user to
// export, and nothing else that is about AWS or a proxy.
func (s *server) environ(more ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(v), "=")
		return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "TF_") ||
			strings.HasPrefix(name, "ANSIBLE_") || strings.HasSuffix(name, "_PROXY")
	})
	return slices.Concat(kept, []string{
		"AWS_CONFIG_FILE=" + filepath.Join(s.state, "aws", "config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(s.state, "aws", "credentials"),
		"AWS_PROFILE=hedgeward",
	}, more)
}

// tool is a command with the folder and the environment that it runs in.
type tool struct {
	dir     string
	environ []string
	limit   time.Duration // for one run
}

// run runs a command, writes what it printed and how long it took into the test's
// log, and returns its standard output and exit status.
func (c tool) run(t *testing.T, name string, args ...string) (stdout string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), c.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = c.dir, c.environ
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	what := filepath.Base(name) + " " + strings.Join(args, " ")
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) || ctx.Err() != nil {
		t.Fatalf("%s: %v (limit %s)\n%s%s", what, err, c.limit, out.String(), errs.String())
	}
	t.Logf("%s: status %d after %.1f s", what, cmd.ProcessState.ExitCode(), time.Since(begin).Seconds())
	if errs.Len() > 0 {
		t.Logf("standard error:\n%s", errs.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
