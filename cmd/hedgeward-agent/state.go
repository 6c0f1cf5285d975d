// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultState = "/var/lib/hedgeward-agent"
	pins         = "/sys/fs/bpf/hedgeward-agent"
)

// state is the folder of one agent. Two agents on one machine have two folders,
// and so different pins and different instances.
type state struct{ dir string }

func (s *state) feed() string     { return filepath.Join(s.dir, "feed") }
func (s *state) socket() string   { return filepath.Join(s.dir, "agent.sock") }
func (s *state) lockFile() string { return filepath.Join(s.dir, "lock") }

// pins returns the BPF folder that belongs to this state folder.
func (s *state) pins() string {
	abs, err := filepath.Abs(s.dir)
	if err != nil || abs == defaultState {
		return pins
	}
	sum := sha256.Sum256([]byte(abs))
	return pins + "-" + hex.EncodeToString(sum[:4])
}

// lockPatience is how long an agent that was killed may take to be gone.
const lockPatience = 5 * time.Second

// lock makes this process the only one that works on the state, until release.
// The kernel releases it when the process ends, however it ends.
func (s *state) lock(ctx context.Context) (release func(), err error) {
	f, err := os.OpenFile(s.lockFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state folder: %w; make it writable or choose another with --state", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil && ctx.Err() == nil; {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		pid, _ := os.ReadFile(s.lockFile())
		return nil, errors.Join(fmt.Errorf("process %s is the agent of %s; stop it first, or choose another folder with --state",
			strings.TrimSpace(string(pid)), s.dir), f.Close())
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w; free space or choose another folder with --state", s.lockFile(), err), f.Close())
	}
	return func() { f.Close() }, nil
}
