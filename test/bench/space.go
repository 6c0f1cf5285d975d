// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// space is a network namespace without a name. It is gone, with every device in
// it, when it is closed and nothing runs in it any more.
type space struct{ file *os.File }

// newSpace makes a namespace whose loopback device is up.
func newSpace() (*space, error) {
	s := &space{}
	err := onThread(func() (restored bool, err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return true, err
		}
		s.file, err = os.Open("/proc/thread-self/ns/net")
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	err = s.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("bring up lo: %w", err)
	}
	return s, nil
}

// openSpace opens a namespace that `ip netns` shows under this name.
func openSpace(name string) (*space, error) {
	file, err := os.Open(filepath.Join("/run/netns", name))
	if err != nil {
		return nil, fmt.Errorf("open a network namespace: %w", err)
	}
	return &space{file}, nil
}

func (s *space) close() { s.file.Close() }

// do runs fn on a thread that is in the namespace.
func (s *space) do(fn func() error) error {
	return onThread(func() (bool, error) {
		back, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return true, err
		}
		defer back.Close()
		if err := unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return true, fmt.Errorf("enter a network namespace: %w", err)
		}
		err = fn()
		return unix.Setns(int(back.Fd()), unix.CLONE_NEWNET) == nil, err
	})
}

// start starts cmd in the namespace, before everything else that wants to run;
// cpu is the only one it may run on, or -1.
func (s *space) start(cmd *exec.Cmd, cpu int) error {
	return s.do(func() error {
		if cpu >= 0 {
			var all, one unix.CPUSet
			if err := unix.SchedGetaffinity(0, &all); err != nil {
				return err
			}
			one.Set(cpu)
			if err := unix.SchedSetaffinity(0, &one); err != nil {
				return fmt.Errorf("run on CPU %d alone: %w", cpu, err)
			}
			defer unix.SchedSetaffinity(0, &all)
		}
		// A session of its own is what the kernel's grouping by sessions shares
		// time out to; inside it the priority would say nothing to others.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := first(cmd.Start); err != nil {
			return err
		}
		group := fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid)
		if err := os.WriteFile(group, []byte("-20"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "neighbours will show in the figures: %v\n", err)
		}
		return nil
	})
}

// first runs fn with the best priority there is without being real-time: what
// else the machine does counts less.
func first(fn func() error) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -20); err != nil {
		return fmt.Errorf("raise the priority: %w", err)
	}
	defer unix.Setpriority(unix.PRIO_PROCESS, 0, 0)
	return fn()
}

// sysctl writes a setting of the namespace.
func (s *space) sysctl(path, value string) error {
	return s.do(func() error {
		if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0); err != nil {
			return fmt.Errorf("set %s: %w", path, err)
		}
		return nil
	})
}

// onThread runs fn on a thread of its own, which ends with it unless fn reports
// that it has put everything back.
func onThread(fn func() (restored bool, err error)) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The process's first thread cannot end: hold it back.
			err := onThread(fn)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		restored, err := fn()
		if restored {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
