// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Files of an instance's program, in the instance's folder.
const (
	programLock = "program.lock" // held by the program as long as it runs
	programLog  = "program.log"  // its output
)

// ensureProgram starts the program of an instance unless it runs. The program has
// a session of its own, so it outlives this process; Destroy ends it. Whether it
// runs is asked of the kernel: it inherits a lock that goes when it ends. Its
// number is in the file that is locked.
func (n *Netns) ensureProgram(ns *namespace, spec Spec) error {
	if len(spec.Program) == 0 {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("instance %s: program %s: %w", spec.ID, spec.Program[0], err) }
	dir := n.stateDir(spec.ID)
	lock, err := os.OpenFile(filepath.Join(dir, programLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fail(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		if err := n.watchFound(spec, lock); err != nil {
			return fail(err)
		}
		return nil
	} else if err != nil {
		return fail(fmt.Errorf("lock: %w", err))
	}
	log, err := os.OpenFile(filepath.Join(dir, programLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	defer log.Close()
	cmd := exec.Command(spec.Program[0], spec.Program[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", log, log, []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = environment([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, spec.hostname())
	if err := startInside(ns.file, cmd); err != nil {
		return fail(err)
	}
	n.cfg.Log.Info("program started", "instance", spec.ID, "pid", cmd.Process.Pid, "log", log.Name())
	n.watch(spec, func() {
		_ = cmd.Wait()
		n.cfg.Log.Info("program ended", "instance", spec.ID, "result", cmd.ProcessState.String())
	})
	if _, err := lock.WriteAt(fmt.Appendf(nil, "%20d\n", cmd.Process.Pid), 0); err != nil {
		return fail(fmt.Errorf("note its number: %w", err)) // it runs; the next call finds it
	}
	return nil
}

// watch has spec.Ended called after end, which returns when the program has ended.
func (n *Netns) watch(spec Spec, end func()) {
	n.mu.Lock()
	n.watched[spec.ID] = struct{}{}
	n.mu.Unlock()
	go func() { // for as long as the program or this process is there
		end()
		n.mu.Lock()
		delete(n.watched, spec.ID)
		n.mu.Unlock()
		if spec.Ended != nil {
			spec.Ended()
		}
	}()
}

// watchFound is watch for the program of an earlier process, by the number that it
// noted.
func (n *Netns) watchFound(spec Spec, lock *os.File) error {
	n.mu.Lock()
	_, known := n.watched[spec.ID]
	n.mu.Unlock()
	if known {
		return nil
	}
	text, err := os.ReadFile(lock.Name())
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil // the process that notes it is about to, or died before
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil // it ends just now: the lock is free in a moment
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	program := os.NewFile(uintptr(fd), "process "+strconv.Itoa(pid))
	n.watch(spec, func() {
		defer program.Close()
		conn, err := program.SyscallConn()
		if err == nil {
			err = conn.Read(hasEnded)
		}
		n.cfg.Log.Info("program ended", "instance", spec.ID, "pid", pid, "error", err)
	})
	return nil
}

// hasEnded reports whether the process behind a descriptor has.
func hasEnded(pidfd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
}

// Within runs fn on a thread that is in the network namespace at path. Sockets
// that fn opens stay in that namespace and may be used afterwards from anywhere.
func Within(path string, fn func() error) error {
	ns, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer ns.Close()
	return within(ns, fn)
}
