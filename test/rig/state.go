// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// end stops the process, if one runs, and takes everything down. Until then
// nothing may have failed inside, and afterwards nothing may be left.
func (s *Server) end() error {
	var stopped error
	if s.cmd != nil {
		stopped = errors.Join(s.faultless(), s.Signal(syscall.SIGINT))
	}
	for line := range strings.Lines(s.errs.String()) {
		if strings.Contains(line, "level=ERROR") && (s.Expected == "" || !strings.Contains(line, s.Expected)) {
			stopped = errors.Join(stopped, fmt.Errorf("an error was logged: %s", line))
		}
	}
	out, code, err := Run("down", "--purge", "--state", s.State)
	if err == nil && code != 0 {
		err = fmt.Errorf("down --purge ends with status %d: %s", code, out)
	}
	if _, left := os.Stat(s.State); err == nil && left == nil {
		err = fmt.Errorf("down --purge leaves %s", s.State)
	}
	if left := s.Traces(); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("left behind after down --purge: %s", strings.Join(left, ", ")))
	}
	return errors.Join(stopped, err)
}

// faultless reports what the running server could not bring in line.
func (s *Server) faultless() error {
	out, code, err := Run("status", "--json", "--state", s.State)
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

// Command runs hedgeward on this server's state, wants it to succeed, and returns
// what it printed.
func (s *Server) Command(t *testing.T, args ...string) string {
	t.Helper()
	out, code, err := Run(append([]string{"--state", s.State}, args...)...)
	if err != nil || code != 0 {
		t.Fatalf("hedgeward %s: status %d, %v\n%s", strings.Join(args, " "), code, err, out)
	}
	return out
}

// Refuses runs hedgeward on this server's state and wants it to fail with all of
// the given texts.
func (s *Server) Refuses(t *testing.T, texts []string, args ...string) {
	t.Helper()
	out, code, err := Run(append([]string{"--state", s.State}, args...)...)
	if err != nil || code != 1 {
		t.Errorf("hedgeward %s: status %d, %v; want 1\n%s", strings.Join(args, " "), code, err, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("hedgeward %s does not say %q but\n%s", strings.Join(args, " "), text, out)
		}
	}
}

// Settle returns when everything answered so far is in force.
func (s *Server) Settle(t *testing.T) {
	t.Helper()
	if out := s.Command(t, "wait"); !strings.Contains(out, "is in force") {
		t.Fatalf("wait says %q", out)
	}
}

// Pins is where the BPF objects of a state folder are pinned.
func (s *Server) Pins() string {
	sum := sha256.Sum256([]byte(s.State))
	return "/sys/fs/bpf/hedgeward-" + hex.EncodeToString(sum[:4])
}

var noting sync.Mutex // of Server.Devices

// Made notes what an instance is on the machine, so that Traces looks for it.
func (s *Server) Made(id string, interfaces ...string) {
	noting.Lock()
	defer noting.Unlock()
	s.Devices = append(s.Devices, "/run/netns/hedgeward-"+id)
	for _, eni := range interfaces {
		s.Devices = append(s.Devices, "/sys/class/net/hw"+eni[len(eni)-13:])
	}
}

// Traces returns what this installation has on the machine now.
func (s *Server) Traces() []string {
	noting.Lock()
	defer noting.Unlock()
	var found []string
	for _, path := range append(s.Devices, s.Pins()) {
		if _, err := os.Lstat(path); err == nil {
			found = append(found, path)
		}
	}
	return found
}
