// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// previousCommit is what upgrades begin with. Move it to each release's commit once
// that is out; until the first one it is a commit of the day before, so that every
// change of what is stored, pinned or said has to get along with something older.
const previousCommit = "273789b2f7ff708d9c737531708278b0f333d5d0"

// previous returns a folder with the programs of previousCommit. They are built once
// and kept in the tree's .cache, which `make clean` removes.
func previous(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(root, ".cache", "previous", previousCommit)
	if _, err := os.Stat(filepath.Join(kept, "hedgeward-agent")); err == nil {
		return kept
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		t.Fatal(err)
	}
	made, err := os.MkdirTemp(filepath.Dir(kept), "building-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(made)
	source, programs := filepath.Join(made, "source"), filepath.Join(made, "programs")
	if _, err := output(root, "git", "cat-file", "-e", previousCommit+"^{commit}"); err != nil {
		if said, err := output(root, "git", "fetch", "--depth=1", "origin", previousCommit); err != nil {
			t.Skipf("SKIPPED, NO UPGRADE WAS TESTED: commit %s, whose build they begin with, is not in this clone and cannot be fetched from origin: %v: %s\n"+
				"Give the clone its history (git fetch --unshallow), or put the programs of that commit into %s.", previousCommit, err, said, kept)
		}
	}
	archive := filepath.Join(made, "source.tar")
	for _, step := range [][]string{
		{root, "git", "archive", "-o", archive, previousCommit},
		{made, "mkdir", source},
		{made, "tar", "-xf", archive, "-C", source},
		{source, "go", "build", "-buildvcs=false", "-o", programs + "/", "./cmd/hedgeward", "./cmd/hedgeward-agent"},
	} {
		if said, err := output(step[0], step[1], step[2:]...); err != nil {
			t.Fatalf("build commit %s, with which upgrades begin: %s: %v: %s", previousCommit, step[1], err, said)
		}
	}
	if err := os.Rename(programs, kept); err != nil && !errors.Is(err, fs.ErrExist) { // another run was faster
		t.Fatal(err)
	}
	return kept
}

// output runs a command in a folder.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return string(bytes.TrimSpace(said)), err
}
