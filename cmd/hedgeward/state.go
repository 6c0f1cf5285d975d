// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	defaultState = "/var/lib/hedgeward"
	pins         = "/sys/fs/bpf/hedgeward"
)

// state is the folder of one installation. Two installations on one machine have
// two folders, and so different pins and different instances.
type state struct{ dir string }

func (s *state) store() string  { return filepath.Join(s.dir, "etcd") }
func (s *state) socket() string { return filepath.Join(s.dir, "control.sock") }
func (s *state) lockFile() string {
	return filepath.Join(s.dir, "lock")
}
func (s *state) config() string      { return filepath.Join(s.dir, "aws", "config") }
func (s *state) credentials() string { return filepath.Join(s.dir, "aws", "credentials") }
func (s *state) gatewayFile() string { return filepath.Join(s.dir, "gateway") }

// pins returns the BPF folder that belongs to this state folder.
func (s *state) pins() string {
	abs, err := filepath.Abs(s.dir)
	if err != nil || abs == defaultState {
		return pins
	}
	sum := sha256.Sum256([]byte(abs))
	return pins + "-" + hex.EncodeToString(sum[:4])
}

// errHeld reports that another process works on the same state.
var errHeld = errors.New("state folder in use")

// lock makes this process the only one that works on the state, until release.
// The kernel releases it when the process ends, however it ends.
func (s *state) lock() (release func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w; choose another with --state", err)
	}
	f, err := os.OpenFile(s.lockFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state folder: %w; make it writable or choose another with --state", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(s.lockFile())
		f.Close()
		return nil, fmt.Errorf("%w: process %s works on %s", errHeld, strings.TrimSpace(string(pid)), s.dir)
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w; free space or choose another folder with --state", s.lockFile(), err)
	}
	return func() { f.Close() }, nil
}

// lockToServe is lock that says what a second server can do.
func (s *state) lockToServe() (release func(), err error) {
	release, err = s.lock()
	if errors.Is(err, errHeld) {
		err = fmt.Errorf("%w; stop that process first, or choose another folder with --state", err)
	}
	return release, err
}

// mustBeRoot refuses to go on without the rights that enforcement needs.
func mustBeRoot(command string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("%s works on network namespaces and BPF programs and needs root; run: sudo hedgeward %[1]s", command)
}
