// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit statuses of Exec that are not the command's own, as shells give them.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the number of the signal
)

// outputWait is how long Exec goes on copying output after the command has ended
// when a program that it left behind still holds the other end. Files are not
// copied and need no wait.
const outputWait = time.Second

// Exec runs a command in an instance and returns its exit status: 128 and the
// number of the signal that ended it, 127 if there is no such command, 126 if it
// cannot be executed; the last two with a message on stderr, as from a shell.
// The command has the caller's environment, with HOSTNAME set to the instance's,
// the caller's working folder, and a /sys that shows the instance's devices.
//
// When ctx is done the command gets TERM and, a second later, KILL. What the
// command started in the background stays, as it does when this process ends,
// until the instance is destroyed. A nil stdin, stdout or stderr is /dev/null;
// a program left in the background can use one that is an *os.File for as long
// as it likes.
//
// Errors: ErrNotFound; otherwise what kept the command from running.
func Exec(ctx context.Context, id string, argv []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	if err := checkID(id); err != nil {
		return 0, err
	}
	if len(argv) == 0 {
		return 0, fmt.Errorf("instance %s: exec: no command given", id)
	}
	ns, err := openNamespace(id)
	if errors.Is(err, errBroken) {
		err = fmt.Errorf("instance %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	defer ns.Close()

	refuse := func(status int, format string, args ...any) (int, error) {
		if stderr != nil {
			fmt.Fprintf(stderr, "hedgeward: exec: "+format+"\n", args...)
		}
		return status, nil
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.Env = environment(os.Environ(), ns.host)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = outputWait
	err = startInside(ns.file, cmd)
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, exec.ErrDot), errors.Is(err, os.ErrNotExist):
		return refuse(exitNotFound, "%s: command not found", argv[0])
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.ENOEXEC):
		return refuse(exitNotExecutable, "%s: cannot be executed", argv[0])
	case err != nil:
		return 0, fmt.Errorf("instance %s: exec %s: %w", id, argv[0], err)
	}

	err = cmd.Wait()
	if cmd.ProcessState == nil {
		return 0, fmt.Errorf("instance %s: exec %s: %w", id, argv[0], err)
	}
	// Whatever else Wait says (output still open, ctx done), the command has a
	// status.
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// environment returns env with HOSTNAME set to host, or without it.
func environment(env []string, host string) []string {
	var out []string
	for _, v := range env {
		if !strings.HasPrefix(v, "HOSTNAME=") {
			out = append(out, v)
		}
	}
	if host != "" {
		out = append(out, "HOSTNAME="+host)
	}
	return out
}

// startInside starts cmd in the network namespace ns, with a mount namespace of
// its own in which /sys shows that network namespace.
func startInside(ns *os.File, cmd *exec.Cmd) error {
	return onThread(func() (bool, error) {
		// A mount namespace cannot be left again by one thread of many: the
		// thread ends with this function.
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return true, fmt.Errorf("unshare mounts: %w", err)
		}
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return false, fmt.Errorf("enter network namespace: %w", err)
		}
		// Slave: what the host unmounts (names of namespaces, say) must go here
		// too, or a long-lived program would keep it.
		if err := unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
			return false, fmt.Errorf("separate mounts from the host's: %w", err)
		}
		mountSys()
		return false, cmd.Start()
	})
}

// mountSys puts a view of the thread's network namespace on /sys and keeps the
// cgroups, by which runtimes size themselves, in it. Where that is not allowed
// /sys stays the host's, which misleads but harms nothing.
func mountSys() {
	const cgroups = "/sys/fs/cgroup"
	tree, err := unix.OpenTree(unix.AT_FDCWD, cgroups, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err == nil {
		defer unix.Close(tree)
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	var st unix.Statfs_t
	if unix.Statfs("/sys", &st) == nil && st.Flags&unix.ST_RDONLY != 0 {
		flags |= unix.MS_RDONLY
	}
	if unix.Mount("sysfs", "/sys", "sysfs", flags, "") == nil && err == nil {
		_ = unix.MoveMount(tree, "", unix.AT_FDCWD, cgroups, unix.MOVE_MOUNT_F_EMPTY_PATH)
	}
}
