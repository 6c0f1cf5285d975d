// SPDX-License-Identifier: Apache-2.0

// Package attach_test has interfaces enforced that somebody else made, the way their
// makers ask for it: the command of an agent, container runtimes by the library of
// CNI and its own plugins, libvirt by its hook. A real agent has joined a real server,
// rules change through the API, and packets say what holds.
//
// All of it runs in a network namespace that plays the host, with mounts of its own:
// however a test ends, nothing of it stays on the machine, and no setting of the
// machine's is touched.
package attach_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// bin is the folder of the programs under test.
var bin string

// hostVariable says that the process is on the host already.
const hostVariable = "HEDGEWARD_TEST_ON_HOST"

func TestMain(m *testing.M) {
	code, err := 1, error(nil)
	if os.Getenv(hostVariable) == "" {
		code, err = enter()
	} else if err = furnish(); err == nil {
		code, err = run(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "attach:", err)
		code = 1
	}
	os.Exit(code)
}

// enter runs the same tests on the host.
func enter() (int, error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("these tests make network namespaces and load eBPF programs: run them as root")
	}
	dir, err := os.MkdirTemp("/tmp", "hw-attach-bin-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	for _, program := range []string{"hedgeward", "hedgeward-agent", "hedgeward-cni"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, program), "../../cmd/"+program)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 1, fmt.Errorf("build %s: %w", program, err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), hostVariable+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		return 1, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// furnish gives the host what it needs: a loopback device, addresses that can be used
// at once, and names of namespaces and pins that nobody else sees.
func furnish() error {
	bin = os.Getenv(hostVariable)
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bring up lo: %w", err)
	}
	for _, devices := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+devices+"/accept_dad", []byte("0"), 0); err != nil {
			return err
		}
	}
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		{"tmpfs", "/run/netns", "tmpfs", 0},
		{"bpf", "/sys/fs/bpf", "bpf", 0},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

// run runs the tests at one site.
func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("/tmp", "hw-attach-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	s, err := open(dir)
	if err != nil {
		return 1, errors.Join(err, s.close())
	}
	here = s
	code := m.Run()
	err = s.close()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the server's log:\n%s\nthe agent's log:\n%s\n", s.server.log(), s.agent.log())
	}
	return code, err
}
