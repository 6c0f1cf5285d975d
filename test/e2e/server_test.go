// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is one installation: a state folder, and a process on it most of the
// time.
type server struct {
	state string
	api   *api // of the running process; nil before the first start

	cmd  *exec.Cmd // nil while no process runs
	out  *output
	errs bytes.Buffer // standard error of every process
	done chan error   // of cmd; capacity 1

	expected string // text of errors that the test brings about; "" for none

	devices []string // host devices and namespaces that this installation made
}

// output collects what a process prints and says when a line has come.
type output struct {
	mu    sync.Mutex
	text  strings.Builder
	moved chan struct{}
}

var (
	readyLine = regexp.MustCompile(`(?m)^Hedgeward is ready after (\d+) ms\.$`)
	apiLine   = regexp.MustCompile(`(?m)^ *API +(http://127\.0\.0\.1:\d+)$`)
)

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// follow reads until the process has closed its end.
func (o *output) follow(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		o.mu.Lock()
		o.text.WriteString(line)
		close(o.moved)
		o.moved = make(chan struct{})
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// newState returns a server with a new, empty state folder and no process.
func newState() (*server, error) {
	dir, err := os.MkdirTemp("/tmp", fmt.Sprintf("%s%d-", filepath.Base(statePrefix), os.Getpid()))
	return &server{state: dir}, err
}

// newServer returns a server of the test's own that is ready. When the test ends
// it is taken down and nothing of it may be left.
func newServer(t *testing.T) *server {
	t.Helper()
	s, err := newState()
	if err != nil {
		t.Fatal(err)
	}
	s.serveFor(t)
	return s
}

// serveFor starts the server for one test.
func (s *server) serveFor(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Errorf("take down %s: %v", s.state, err)
		}
		if left := s.traces(); len(left) > 0 {
			t.Errorf("left behind after down --purge: %s", strings.Join(left, ", "))
		}
		if t.Failed() {
			t.Logf("standard error of %s:\n%s", s.state, s.errs.String())
		}
	})
	s.start(t)
}

// lazyServer is the server that tests share.
type lazyServer struct {
	once   sync.Once
	server *server
	err    error
}

var shared lazyServer

func (l *lazyServer) started() bool { return l.server != nil }

// sharedServer returns the server that tests share, starting it for the first.
func sharedServer(t *testing.T) *server {
	t.Helper()
	shared.once.Do(func() {
		if shared.server, shared.err = newState(); shared.err == nil {
			_, shared.err = shared.server.up()
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// start runs `hedgeward up` and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	ms, err := s.up()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s ms by its own clock", ms)
}

// up is start without a test; it returns the milliseconds that the server says
// it took.
func (s *server) up() (string, error) {
	s.cmd = exec.Command(program, "up", "--state", s.state, "--listen", "127.0.0.1:0")
	s.cmd.Stderr = &s.errs
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return "", err
	}
	cmd, done, out := s.cmd, make(chan error, 1), &output{moved: make(chan struct{})}
	s.out, s.done = out, done
	go func() {
		out.follow(stdout)
		done <- cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		out.mu.Lock()
		text, moved := out.text.String(), out.moved
		out.mu.Unlock()
		if strings.Contains(text, "hedgeward down") { // the last line
			ready, endpoint := readyLine.FindStringSubmatch(text), apiLine.FindStringSubmatch(text)
			if ready == nil || endpoint == nil {
				return "", fmt.Errorf("up does not say when it was ready and where the API is:\n%s", text)
			}
			s.api, err = newAPI(s, endpoint[1])
			return ready[1], err
		}
		select {
		case <-moved:
		case err := <-done:
			s.cmd = nil
			return "", fmt.Errorf("up ended: %w\n%s%s", err, text, s.errs.String())
		case <-ctx.Done():
			return "", fmt.Errorf("up is not ready after %s:\n%s%s", startTimeout, text, s.errs.String())
		}
	}
}

// signal ends the process and returns what Wait says of it.
func (s *server) signal(sig syscall.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	select {
	case err := <-s.done:
		s.cmd = nil
		return err
	case <-time.After(startTimeout):
		s.cmd.Process.Kill()
		err := <-s.done
		s.cmd = nil
		return fmt.Errorf("still there %s after %s: %w", startTimeout, sig, err)
	}
}

// interrupt ends the process as Ctrl-C does.
func (s *server) interrupt(t *testing.T) {
	t.Helper()
	if err := s.signal(syscall.SIGINT); err != nil {
		t.Fatalf("after Ctrl-C: %v\n%s%s", err, s.out, s.errs.String())
	}
	if !strings.Contains(s.out.String(), "enforcement stay") || !strings.Contains(s.out.String(), "Stopped.") {
		t.Errorf("Ctrl-C does not say what stays:\n%s", s.out)
	}
}

// kill ends the process without giving it a chance.
func (s *server) kill(t *testing.T) {
	t.Helper()
	var status *exec.ExitError
	if err := s.signal(syscall.SIGKILL); !errors.As(err, &status) {
		t.Fatalf("after kill -9: %v", err)
	}
}

// end stops the process, if one runs, and takes everything down. Until then
// nothing may have failed inside.
func (s *server) end() error {
	var stopped error
	if s.cmd != nil {
		stopped = errors.Join(s.faultless(), s.signal(syscall.SIGINT))
	}
	for line := range strings.Lines(s.errs.String()) {
		if strings.Contains(line, "level=ERROR") && (s.expected == "" || !strings.Contains(line, s.expected)) {
			stopped = errors.Join(stopped, fmt.Errorf("an error was logged: %s", line))
		}
	}
	out, code, err := run("down", "--purge", "--state", s.state)
	if err == nil && code != 0 {
		err = fmt.Errorf("down --purge ends with status %d: %s", code, out)
	}
	if _, left := os.Stat(s.state); err == nil && left == nil {
		err = fmt.Errorf("down --purge leaves %s", s.state)
	}
	return errors.Join(stopped, err)
}

// faultless reports what the running server could not bring in line.
func (s *server) faultless() error {
	out, code, err := run("status", "--json", "--state", s.state)
	if err != nil || code != 0 {
		return fmt.Errorf("status: %d, %v: %s", code, err, out)
	}
	var status struct {
		Running bool
		Wanted  struct {
			Faults []struct{ Object, Error string }
		}
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return fmt.Errorf("status --json: %w: %s", err, out)
	}
	if !status.Running || len(status.Wanted.Faults) > 0 {
		return fmt.Errorf("status shows running %v, faults %v", status.Running, status.Wanted.Faults)
	}
	return nil
}

// run runs hedgeward and returns everything that it printed.
func run(args ...string) (out string, code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
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

// command runs hedgeward on this server's state and wants it to succeed.
func (s *server) command(t *testing.T, args ...string) string {
	t.Helper()
	out, code, err := run(append([]string{"--state", s.state}, args...)...)
	if err != nil || code != 0 {
		t.Fatalf("hedgeward %s: status %d, %v\n%s", strings.Join(args, " "), code, err, out)
	}
	return out
}

// refuses runs hedgeward on this server's state and wants it to fail with all of
// the given texts.
func (s *server) refuses(t *testing.T, texts []string, args ...string) {
	t.Helper()
	out, code, err := run(append([]string{"--state", s.state}, args...)...)
	if err != nil || code != 1 {
		t.Errorf("hedgeward %s: status %d, %v; want 1\n%s", strings.Join(args, " "), code, err, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("hedgeward %s does not say %q but\n%s", strings.Join(args, " "), text, out)
		}
	}
}

// settle returns when everything answered so far is in force.
func (s *server) settle(t *testing.T) {
	t.Helper()
	if out := s.command(t, "wait"); !strings.Contains(out, "is in force") {
		t.Fatalf("wait says %q", out)
	}
}

// pins is where the BPF objects of a state folder are pinned.
func (s *server) pins() string {
	sum := sha256.Sum256([]byte(s.state))
	return "/sys/fs/bpf/hedgeward-" + hex.EncodeToString(sum[:4])
}

// made notes what an instance is on the machine, so that traces looks for it.
func (s *server) made(id string, interfaces ...string) {
	s.devices = append(s.devices, "/run/netns/hedgeward-"+id)
	for _, eni := range interfaces {
		s.devices = append(s.devices, "/sys/class/net/hw"+eni[len(eni)-13:])
	}
}

// traces returns what this installation has on the machine now.
func (s *server) traces() []string {
	var found []string
	for _, path := range append(s.devices, s.pins()) {
		if _, err := os.Lstat(path); err == nil {
			found = append(found, path)
		}
	}
	return found
}
