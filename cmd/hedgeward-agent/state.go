// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hedgeward/hedgeward/internal/statedir"
	"github.com/hedgeward/hedgeward/streaming"
)

const (
	defaultState = "/var/lib/hedgeward-agent"
	pins         = "/sys/fs/bpf/hedgeward-agent"
)

// state is the folder of one agent. Two agents on one machine have two folders,
// and so different pins and different instances.
type state struct{ dir string }

func (s *state) feed() string   { return filepath.Join(s.dir, "feed") }
func (s *state) socket() string { return filepath.Join(s.dir, "agent.sock") }

// home is where streaming programs find the agent. It has no API.
func (s *state) home() *streaming.Home { return &streaming.Home{Dir: s.dir, Socket: s.socket()} }

// pins returns the BPF folder that belongs to this state folder.
func (s *state) pins() string { return statedir.Pins(s.dir, defaultState, pins) }

// lockPatience is how long an agent that was killed may take to be gone.
const lockPatience = 5 * time.Second

// lock makes this process the only one that works on the state, until release.
func (s *state) lock(ctx context.Context) (release func(), err error) {
	release, err = statedir.Lock(ctx, s.dir, lockPatience)
	if errors.Is(err, statedir.ErrHeld) {
		err = fmt.Errorf("%w; stop it first, or choose another folder with --state", err)
	}
	return release, err
}
