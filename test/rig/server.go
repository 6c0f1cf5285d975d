// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is one installation: a state folder, and a process on it most of the
// time.
type Server struct {
	State    string   // the state folder
	API      *API     // of the running process; nil before the first start
	Expected string   // text of errors in the log that the test brings about; "" for none
	Devices  []string // host devices and namespaces that this installation made; see Made

	cmd  *exec.Cmd // nil while no process runs
	out  *output
	errs bytes.Buffer // standard error of every process
	done chan error   // of cmd; capacity 1
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

// New returns a server of the test's own that is ready. When the test ends it is
// taken down and nothing of it may be left.
func New(t *testing.T, args ...string) *Server {
	t.Helper()
	dir, err := NewFolder()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{State: dir}
	s.ServeFor(t, args...)
	return s
}

// ServeFor starts the server for one test, with more arguments of `up`.
func (s *Server) ServeFor(t *testing.T, args ...string) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Errorf("take down %s: %v", s.State, err)
		}
		if t.Failed() {
			t.Logf("standard error of %s:\n%s", s.State, s.errs.String())
		}
	})
	s.Start(t, args...)
}

// lazyServer is the server that the tests of a package share.
type lazyServer struct {
	once   sync.Once
	server *Server
	err    error
}

var shared lazyServer

// Shared returns the server that tests share, starting it for the first.
func Shared(t *testing.T) *Server {
	t.Helper()
	shared.once.Do(func() {
		dir, err := NewFolder()
		if err != nil {
			shared.err = err
			return
		}
		shared.server = &Server{State: dir}
		_, shared.err = shared.server.up()
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

func (l *lazyServer) end() error {
	if l.server == nil {
		return nil
	}
	return l.server.end()
}

// Start runs `hedgeward up` and waits until it is ready.
func (s *Server) Start(t *testing.T, args ...string) {
	t.Helper()
	ms, err := s.up(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s ms by its own clock", ms)
}

// Said returns what the newest process has printed.
func (s *Server) Said() string { return s.out.String() }

// up is Start without a test; it returns the milliseconds that the server says
// it took.
func (s *Server) up(args ...string) (string, error) {
	s.cmd = exec.Command(program, append([]string{"up", "--state", s.State, "--listen", "127.0.0.1:0"}, args...)...)
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
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
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
			s.API, err = newAPI(s.State, endpoint[1])
			return ready[1], err
		}
		select {
		case <-moved:
		case err := <-done:
			s.cmd = nil
			return "", fmt.Errorf("up ended: %w\n%s%s", err, text, s.errs.String())
		case <-ctx.Done():
			return "", fmt.Errorf("up is not ready after %s:\n%s%s", Timeout, text, s.errs.String())
		}
	}
}

// Signal ends the process and returns what Wait says of it.
func (s *Server) Signal(sig syscall.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	select {
	case err := <-s.done:
		s.cmd = nil
		return err
	case <-time.After(Timeout):
		s.cmd.Process.Kill()
		err := <-s.done
		s.cmd = nil
		return fmt.Errorf("still there %s after %s: %w", Timeout, sig, err)
	}
}

// Interrupt ends the process as Ctrl-C does.
func (s *Server) Interrupt(t *testing.T) {
	t.Helper()
	if err := s.Signal(syscall.SIGINT); err != nil {
		t.Fatalf("after Ctrl-C: %v\n%s%s", err, s.out, s.errs.String())
	}
	if !strings.Contains(s.out.String(), "enforcement stay") || !strings.Contains(s.out.String(), "Stopped.") {
		t.Errorf("Ctrl-C does not say what stays:\n%s", s.out)
	}
}

// Kill ends the process without giving it a chance.
func (s *Server) Kill(t *testing.T) {
	t.Helper()
	var status *exec.ExitError
	if err := s.Signal(syscall.SIGKILL); !errors.As(err, &status) {
		t.Fatalf("after kill -9: %v", err)
	}
}

// Ended waits until the process has ended by itself and returns what it wrote to
// its standard error and why it ended.
func (s *Server) Ended() (said string, err error) {
	err = <-s.done
	s.cmd = nil
	return s.errs.String(), err
}
