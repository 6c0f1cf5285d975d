// SPDX-License-Identifier: Apache-2.0

// Package e2e_test drives the whole system from outside, as its users do: the
// program that go build makes, the unmodified AWS CLI and SDK against the profile
// that it writes, and real sockets inside instances. Of this module it imports
// test/rig, which runs the program, a source of seeds, and nothing else; it reads
// no state but what a user is shown.
//
// Every server has a state folder of its own under /tmp and so its own instances
// and pins, and tests run side by side. One server is shared by the tests that
// need no life cycle of their own; each of them makes a VPC for itself.
package e2e_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

// self is this test program, which also runs inside instances (inside_test.go).
var self string

func TestMain(m *testing.M) {
	if os.Getenv(insideVariable) != "" {
		os.Exit(inside())
	}
	var err error
	if self, err = os.Executable(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(rig.Main(m, 6))
}
