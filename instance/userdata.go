// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Files in an instance's folder.
const (
	userDataFile  = "user-data"         // the script
	userDataLog   = "user-data.log"     // its output
	userDataStart = "user-data.started" // its being there says that the script was started
)

// runUserData starts the instance's script unless it was started before. The
// script has a session of its own and its output goes to a file, so it outlives
// this process; Destroy ends it. It may run less than once (the machine stops
// in the wrong moment) but never twice.
//
// A script that cannot be executed is the user's affair and is reported in the
// script's log only, as an instance with a faulty script is a running instance.
func (n *Netns) runUserData(ns *namespace, spec Spec) error {
	if !bytes.HasPrefix(spec.UserData, []byte("#!")) {
		return nil
	}
	dir := n.stateDir(spec.ID)
	started := filepath.Join(dir, userDataStart)
	if _, err := os.Stat(started); err == nil {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("instance %s: user data: %w", spec.ID, err) }
	script, err := filepath.Abs(filepath.Join(dir, userDataFile)) // it runs in another folder
	if err != nil {
		return fail(err)
	}
	if err := writeExecutable(script, spec.UserData); err != nil {
		return fail(err)
	}
	log, err := os.OpenFile(filepath.Join(dir, userDataLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	defer log.Close()
	if err := os.WriteFile(started, nil, 0o600); err != nil {
		return fail(err)
	}

	cmd := exec.Command(script)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = environment([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
	}, spec.hostname())
	if err := startInside(ns.file, cmd); err != nil {
		fmt.Fprintf(log, "hedgeward: user data of %s cannot be executed: %v\n", spec.ID, err)
		n.cfg.Log.Warn("user data cannot be executed", "instance", spec.ID, "error", err)
		return nil
	}
	n.cfg.Log.Info("user data started", "instance", spec.ID, "pid", cmd.Process.Pid, "log", log.Name())
	go func() { // only takes note of the end, for as long as this process is there
		_ = cmd.Wait()
		n.cfg.Log.Info("user data ended", "instance", spec.ID, "result", cmd.ProcessState.String())
	}()
	return nil
}

// writeExecutable writes a file that can be executed at once. While it is open
// for writing no process may start: the new process would hold the descriptor
// for a moment, and the kernel refuses to execute a file that somebody can
// write.
func writeExecutable(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, 0o700)
}
