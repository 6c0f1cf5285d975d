// SPDX-License-Identifier: Apache-2.0

// Package clients_test holds the system to what its users already have: Terraform
// with the AWS provider, boto3 and Ansible's amazon.aws modules, all unmodified,
// against a running `hedgeward up`. What a client needs to be told beyond an
// endpoint and a key would be a defect. The AWS CLI and the SDK for Go are driven
// by test/e2e. Nothing here looks at packets.
//
// The scripts under testdata are written as their users would write them and know
// nothing of this product. Tests run side by side on one server, each in VPCs of
// its own.
package clients_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shared is the server that all tests use.
var shared *server

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) (code int) {
	flag.Parse()
	// Clients wait most of the time: for their own start, and between polls.
	if err := flag.Set("test.parallel", "4"); err != nil {
		return fail(err)
	}
	if os.Geteuid() != 0 {
		return fail(errors.New("instances are network namespaces and enforcement is eBPF: run these tests as root"))
	}
	sweep()
	dir, err := os.MkdirTemp("/tmp", fmt.Sprintf("%s%d-", filepath.Base(folderPrefix), os.Getpid()))
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "hedgeward")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "../../cmd/hedgeward")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fail(fmt.Errorf("build hedgeward: %w", err))
	}
	if shared, err = start(program, filepath.Join(dir, "s")); err != nil {
		return fail(err)
	}
	defer func() {
		if err := shared.end(); err != nil {
			code = fail(err)
		}
		if code != 0 {
			fmt.Fprintf(os.Stderr, "standard error of the server:\n%s", shared.errs.String())
		}
	}()
	return m.Run()
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "clients:", err)
	return 1
}
