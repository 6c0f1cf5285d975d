// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
// runs is asked of the kernel: it inherits a lock that goes when it ends.
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
	go func() { // only takes note of the end, for as long as this process is there
		_ = cmd.Wait()
		n.cfg.Log.Info("program ended", "instance", spec.ID, "result", cmd.ProcessState.String())
	}()
	return nil
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
