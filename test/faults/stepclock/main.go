// SPDX-License-Identifier: Apache-2.0

// Command stepclock runs a program whose wall clock is off by as much as a file says,
// and by something else as soon as the file does. Linux has no namespace for the wall
// clock, and the machine's is not a test's to set. So the program is made to ask the
// kernel for the time, by taking from it the page in which it would read the time
// itself (the vDSO), and seccomp hands the question to this process, which answers.
// The program is the very one that is installed, not a build for tests. Its
// monotonic clock, by which timers run, is left alone, as a real step of the
// wall clock leaves it.
//
// It works for programs that read the time with clock_gettime, as Go's do, on Linux
// 5.19 or newer, as root.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			os.Exit(max(1, ended.ExitCode()))
		}
		fmt.Fprintln(os.Stderr, "stepclock:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 3 {
		return errors.New("usage: stepclock FILE PROGRAM [ARGUMENT...]; FILE holds nanoseconds, 8 bytes in the machine's order")
	}
	offset, err := shared(os.Args[1])
	if err != nil {
		return err
	}
	// The filter is this thread's, and its children's; a tracer is a thread too.
	runtime.LockOSThread()
	questions, err := filter()
	if err != nil {
		return fmt.Errorf("have the kernel ask for the time: %w", err)
	}
	go answer(questions, offset)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := withoutPage(cmd.Process.Pid); err != nil {
		return errors.Join(fmt.Errorf("take the clock from %s: %w", os.Args[2], err), cmd.Process.Kill())
	}
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	return cmd.Wait()
}

// shared maps the file that says how far the clock is off.
func shared(path string) (*atomic.Int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return (*atomic.Int64)(unsafe.Pointer(&b[0])), nil
}

// Of struct seccomp_data: the number of the system call, and the low half of its first
// argument.
const (
	offsetOfCall = 0
	offsetOfArg0 = 16
)

// filter has the kernel ask, on the descriptor that it returns, what clock_gettime is
// to answer for the wall clock, instead of answering itself.
func filter() (fd int, err error) {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetOfCall},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLOCK_GETTIME, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetOfArg0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.CLOCK_REALTIME, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	all := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	n, _, no := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&all)))
	if no != 0 {
		return 0, no
	}
	return int(n), nil
}

// question is struct seccomp_notif, reply struct seccomp_notif_resp.
type question struct {
	id        uint64
	pid       uint32
	flags     uint32
	call      int32
	arch      uint32
	at        uint64
	arguments [6]uint64
}

type reply struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// answer answers questions until nobody can ask any more.
func answer(questions int, offset *atomic.Int64) {
	for {
		var q question
		if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(questions), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&q))); no != 0 {
			if no == unix.EINTR || no == unix.ENOENT { // who asked is gone
				continue
			}
			return
		}
		now := unix.NsecToTimespec(time.Now().UnixNano() + offset.Load())
		r := reply{id: q.id}
		local := unix.Iovec{Base: (*byte)(unsafe.Pointer(&now)), Len: uint64(unsafe.Sizeof(now))}
		remote := unix.RemoteIovec{Base: uintptr(q.arguments[1]), Len: int(unsafe.Sizeof(now))}
		if _, err := unix.ProcessVMWritev(int(q.pid), []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0); err != nil {
			r.err = -int32(unix.EFAULT)
		}
		unix.Syscall(unix.SYS_IOCTL, uintptr(questions), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
	}
}
