// SPDX-License-Identifier: Apache-2.0

// Package statedir is the folder that one process works on: who holds it, and which
// BPF folder belongs to it. It knows nothing of what else is in there.
package statedir

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

// Pins returns the BPF folder of a state folder: usual for the usual one, and one of
// its own for any other, so that two on one machine do not meet.
func Pins(dir, usualDir, usual string) string {
	abs, err := filepath.Abs(dir)
	if err != nil || abs == usualDir {
		return usual
	}
	sum := sha256.Sum256([]byte(abs))
	return usual + "-" + hex.EncodeToString(sum[:4])
}

// ErrHeld reports that another process works on the same folder.
var ErrHeld = errors.New("state folder in use")

const tryEvery = 50 * time.Millisecond

// Lock makes this process the only one that works on a folder that exists, until
// release. A process that holds it has patience to be gone; after that, or once ctx
// ended, the error is ErrHeld. The kernel releases the lock when the process ends, however it ends.
func Lock(ctx context.Context, dir string, patience time.Duration) (release func(), err error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state folder: %w; make it writable or choose another with --state", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if !flock(ctx, f, patience) {
		holder, _ := os.ReadFile(path)
		return nil, fmt.Errorf("%w: process %s works on %s", ErrHeld, strings.TrimSpace(string(holder)), dir)
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w; free space or choose another folder with --state", path, err)
	}
	return func() { f.Close() }, nil
}

func flock(ctx context.Context, f *os.File, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-time.After(tryEvery):
		case <-ctx.Done():
			return false
		}
	}
	return true
}
