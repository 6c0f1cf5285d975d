// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is the folder of the programs under test.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("/tmp", "hw-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	for program, source := range map[string]string{
		"hedgeward": "../../cmd/hedgeward", "hedgeward-agent": "../../cmd/hedgeward-agent", "etcdmember": "./etcdmember", "stepclock": "./stepclock",
	} {
		build := exec.Command("go", "build", "-o", filepath.Join(bin, program), source)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n", program, err)
			return 1
		}
	}
	return m.Run()
}
