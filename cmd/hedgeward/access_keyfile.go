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

// seal returns the seal of this installation. Its key is made with the state
// folder and never changes. The caller holds the state's lock.
func (s *state) seal() (*access.Seal, error) {
	path := s.keyFile()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeKeyFile(); err != nil {
			return nil, fmt.Errorf("make the key file: %w; free space or choose another folder with --state", err)
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
// sealed with it.
func (s *state) makeKeyFile() error {
	key := make([]byte, access.KeySize)
	rand.Read(key)
	next := s.keyFile() + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, s.keyFile()); err != nil {
		return err
	}
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
