// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs fn on a thread that nothing else uses. fn may change what the
// thread belongs to (network or mount namespace, file system context) and
// reports whether it has put everything back; if it has not, the thread ends
// with it, so that no other goroutine can ever run on a thread in the wrong
// namespace.
func onThread(fn func() (restored bool, err error)) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The runtime cannot end the process's first thread, only park it,
			// and it would show the whole process as living in an instance.
			// While this goroutine holds it the work goes elsewhere.
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

// within runs fn on a thread that is in the network namespace ns. Sockets that
// fn opens stay in that namespace and may be used afterwards from anywhere.
func within(ns *os.File, fn func() error) error {
	return onThread(func() (bool, error) {
		back, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return true, fmt.Errorf("open this thread's network namespace: %w", err)
		}
		defer back.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return true, fmt.Errorf("enter network namespace %s: %w", ns.Name(), err)
		}
		err = fn()
		return unix.Setns(int(back.Fd()), unix.CLONE_NEWNET) == nil, err
	})
}
