// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hedgeward/hedgeward/access"
)

// keyFile holds the key that seals the secrets in the store. Whoever has it and
// the store has the secrets; without it nobody has.
func (s *state) keyFile() string { return filepath.Join(s.dir, "secret.key") }

// openSeal returns the seal whose key is in a file; missing makes the file if it
// is not there.
func openSeal(path string, missing func(path string) error) (*access.Seal, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := missing(path); err != nil {
			return nil, err
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("the key file %s can be used by others than its owner (mode %04o); run: chmod 600 %[1]s", path, info.Mode().Perm())
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	seal, err := access.NewSeal(key)
	if err != nil {
		return nil, fmt.Errorf("the key file %s is damaged: %w; put back the file that the store was used with", path, err)
	}
	return seal, nil
}

// makeKeyFile puts a new key in place, whole and on the disk before anything is
// sealed with it. A file that is there stays.
func makeKeyFile(path string) error {
	key := make([]byte, access.KeySize)
	rand.Read(key)
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(key)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = errors.Join(os.Link(next, path), os.Remove(next))
	}
	var dir *os.File
	if err == nil {
		dir, err = os.Open(filepath.Dir(path))
	}
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("make the key file: %w; free space or choose another place for it", err)
	}
	return nil
}
