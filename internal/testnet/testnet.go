// SPDX-License-Identifier: Apache-2.0

// Package testnet builds small networks for tests: network namespaces without a
// name, devices between them, and probes that say whether packets get through.
//
// The namespaces live as long as somebody holds them, so whatever way a test
// ends, nothing of it stays on the machine. Only tests import it. It needs root;
// without it tests fail and say so.
package testnet

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NS is a network namespace. It may be used by several goroutines.
type NS struct {
	Name string          // for messages; unique in the process
	File *os.File        // the open namespace
	Link *netlink.Handle // speaks to the kernel inside
}

var serial atomic.Int64

// RequireRoot fails the test, with the remedy, if it may not make namespaces.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces and must run as root: sudo -E go test …")
	}
}

// New returns a new namespace with its loopback device up. It is gone when the
// test ends, together with every device in it.
func New(t testing.TB) *NS {
	t.Helper()
	RequireRoot(t)
	var file *os.File
	var err error
	onThread(func() bool {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return true
		}
		for _, s := range []string{"accept_dad", "accept_ra"} {
			for _, d := range []string{"all", "default"} {
				path := filepath.Join("/proc/sys/net/ipv6/conf", d, s)
				if e := os.WriteFile(path, []byte("0"), 0); e != nil && !os.IsNotExist(e) {
					err = e
				}
			}
		}
		if err == nil {
			file, err = os.Open("/proc/thread-self/ns/net")
		}
		return false
	})
	if err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	n := enter(t, file, "test-"+strconv.FormatInt(serial.Add(1), 10))
	lo, err := n.Link.LinkByName("lo")
	if err == nil {
		err = n.Link.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatalf("bring up lo in %s: %v", n.Name, err)
	}
	return n
}

// Host returns the namespace that the test itself runs in.
func Host(t testing.TB) *NS {
	t.Helper()
	RequireRoot(t)
	return open(t, "/proc/self/ns/net", "host")
}

// Named returns a namespace that `ip netns` shows under this name. The test does
// not own it.
func Named(t testing.TB, name string) *NS {
	t.Helper()
	RequireRoot(t)
	return open(t, filepath.Join("/run/netns", name), name)
}

func open(t testing.TB, path, name string) *NS {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("open network namespace: %v", err)
	}
	return enter(t, file, name)
}

func enter(t testing.TB, file *os.File, name string) *NS {
	t.Helper()
	n := &NS{Name: name, File: file}
	t.Cleanup(func() { file.Close() })
	var err error
	n.Do(func() { n.Link, err = netlink.NewHandle(unix.NETLINK_ROUTE) })
	if err != nil {
		t.Fatalf("open netlink in %s: %v", name, err)
	}
	t.Cleanup(n.Link.Close)
	return n
}

// Do runs fn on a thread that is in the namespace. Sockets that fn opens stay in
// it. If fn ends the test, the caller's goroutine ends too.
func (n *NS) Do(fn func()) {
	onThread(func() bool {
		back, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			panic("open this thread's network namespace: " + err.Error())
		}
		defer back.Close()
		if err := unix.Setns(int(n.File.Fd()), unix.CLONE_NEWNET); err != nil {
			panic("enter network namespace " + n.Name + ": " + err.Error())
		}
		fn()
		return unix.Setns(int(back.Fd()), unix.CLONE_NEWNET) == nil
	})
}

// Start starts cmd in the namespace.
func (n *NS) Start(cmd *exec.Cmd) (err error) {
	n.Do(func() { err = cmd.Start() })
	return err
}

// onThread runs fn on a thread of its own, which ends with it unless fn reports
// that it has left no trace on it.
func onThread(fn func() (restored bool)) {
	ended := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { ended <- returned }() // also when fn ends the test
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The runtime cannot end the process's first thread: hold it back.
			onThread(fn)
			runtime.UnlockOSThread()
		} else if fn() {
			runtime.UnlockOSThread()
		}
		returned = true
	}()
	if !<-ended {
		runtime.Goexit()
	}
}
