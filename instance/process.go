// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	killRounds = 20                     // a program that forks may need more than one
	killWait   = 500 * time.Millisecond // for one round; KILL is not refused, only delayed
)

// resident is a process that lives in an instance. The descriptor names the
// process whatever becomes of its number.
type resident struct {
	pid int
	fd  int // pidfd
}

// residents returns the processes whose network namespace is ns, this process
// never among them. The caller closes them.
func residents(ns *os.File) ([]resident, error) {
	home, err := ns.Stat()
	if err != nil {
		return nil, fmt.Errorf("identify namespace: %w", err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	livesThere := func(pid int) bool { // a zombie lives nowhere
		at, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/ns/net")
		return err == nil && os.SameFile(home, at)
	}
	var found []resident
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || !livesThere(pid) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			closeResidents(found)
			return nil, fmt.Errorf("open process %d: %w", pid, err)
		}
		// The number may have changed hands before it was opened.
		if !livesThere(pid) {
			unix.Close(fd)
			continue
		}
		found = append(found, resident{pid, fd})
	}
	return found, nil
}

func closeResidents(list []resident) {
	for _, r := range list {
		unix.Close(r.fd)
	}
}

// endResidents ends every process that lives in ns: TERM, up to grace to obey,
// then KILL; the end of ctx is the end of grace. It gives up, naming them, on
// processes that KILL does not end within seconds.
func endResidents(ctx context.Context, ns *os.File, grace time.Duration) error {
	signal, wait := unix.SIGTERM, grace
	for range killRounds {
		list, err := residents(ns)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		for _, r := range list {
			if err := unix.PidfdSendSignal(r.fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				closeResidents(list)
				return fmt.Errorf("send %s to process %d: %w", unix.SignalName(signal), r.pid, err)
			}
		}
		awaitEnd(ctx, list, wait)
		closeResidents(list)
		signal, wait = unix.SIGKILL, killWait
		ctx = context.WithoutCancel(ctx) // no more patience, but the kernel needs its time
	}
	list, err := residents(ns)
	if err != nil {
		return err
	}
	defer closeResidents(list)
	if len(list) == 0 {
		return nil
	}
	var pids []int
	for _, r := range list {
		pids = append(pids, r.pid)
	}
	return fmt.Errorf("processes %v do not end", pids)
}

// awaitEnd returns when all processes have ended, when wait is over or when ctx
// is done.
func awaitEnd(ctx context.Context, list []resident, wait time.Duration) {
	const look = 50 * time.Millisecond // how often ctx is looked at
	var poll []unix.PollFd
	for _, r := range list {
		poll = append(poll, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN})
	}
	for end := time.Now().Add(wait); len(poll) > 0 && ctx.Err() == nil; {
		left := min(time.Until(end), look)
		if left <= 0 {
			return
		}
		if _, err := unix.Poll(poll, int(max(left.Milliseconds(), 1))); err != nil && err != syscall.EINTR {
			return
		}
		poll = slices.DeleteFunc(poll, func(p unix.PollFd) bool { return p.Revents != 0 })
	}
}
