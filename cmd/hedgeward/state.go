// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hedgeward/hedgeward/internal/statedir"
	"github.com/hedgeward/hedgeward/streaming"
)

const (
	defaultState = "/var/lib/hedgeward"
	pins         = "/sys/fs/bpf/hedgeward"
)

// state is the folder of one installation. Two installations on one machine have
// two folders, and so different pins and different instances.
type state struct{ dir string }

func (s *state) store() string       { return filepath.Join(s.dir, "etcd") }
func (s *state) socket() string      { return filepath.Join(s.dir, "control.sock") }
func (s *state) config() string      { return filepath.Join(s.dir, "aws", "config") }
func (s *state) credentials() string { return filepath.Join(s.dir, "aws", "credentials") }

// home is where streaming programs find the process that serves the folder.
func (s *state) home() *streaming.Home {
	return &streaming.Home{Dir: s.dir, Socket: s.socket(), API: s.config()}
}

// pins returns the BPF folder that belongs to this state folder.
func (s *state) pins() string { return statedir.Pins(s.dir, defaultState, pins) }

// lock makes this process the only one that works on the state, until release. The
// folder is made if there is none.
func (s *state) lock() (release func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w; choose another with --state", err)
	}
	return statedir.Lock(context.Background(), s.dir, 0)
}

// lockToServe is lock that says what a second server can do.
func (s *state) lockToServe() (release func(), err error) {
	release, err = s.lock()
	if errors.Is(err, statedir.ErrHeld) {
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
