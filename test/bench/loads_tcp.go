// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const writeSize = 64 << 10 // of bulk

func answerRequests(s *service, fd int, _ order) (outcome, error) {
	var got outcome
	b := make([]byte, 1)
	for {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if again(err) {
			if s.stopping.Load() {
				return got, nil
			}
			continue
		}
		if err != nil {
			return got, err
		}
		if err := prepare(c); err != nil {
			return got, err
		}
		for {
			n, err := unix.Read(c, b)
			if err != nil || n == 0 {
				break
			}
			if _, err := unix.Write(c, b); err != nil {
				break
			}
			got.Count++
		}
		unix.Close(c)
	}
}

func swallow(s *service, fd int, _ order) (outcome, error) {
	var got outcome
	b := make([]byte, 256<<10)
	for {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if again(err) {
			if s.stopping.Load() {
				return got, nil
			}
			continue
		}
		if err != nil {
			return got, err
		}
		if err := prepare(c); err != nil {
			return got, err
		}
		for {
			n, err := unix.Read(c, b)
			if err != nil || n == 0 {
				break
			}
			got.Count += n
		}
		got.End = now()
		unix.Close(c)
	}
}

// prepare sets up a connection at either end: small writes go out at once, and
// no wait is longer than patience. An accepted one has the listener's short wait.
func prepare(fd int) error {
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &patience); err != nil {
			return err
		}
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// dial opens one connection.
func dial(to unix.Sockaddr) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := prepare(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Connect(fd, to); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// exchange sends one byte and waits for the answer.
func exchange(fd int, b []byte) error {
	if _, err := unix.Write(fd, b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	switch n, err := unix.Read(fd, b); {
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n != 1:
		return errors.New("read: the other end closed the connection")
	}
	return nil
}

func ask(o order, to unix.Sockaddr) (outcome, error) {
	fd, err := dial(to)
	if err != nil {
		return outcome{}, err
	}
	defer unix.Close(fd)
	b := make([]byte, 1)
	for range 100 {
		if err := exchange(fd, b); err != nil {
			return outcome{}, err
		}
	}
	return repeat(o, func() error { return exchange(fd, b) })
}

func connectAndAsk(o order, to unix.Sockaddr) (outcome, error) {
	b := make([]byte, 1)
	return repeat(o, func() error {
		fd, err := dial(to)
		if err != nil {
			return err
		}
		if err := exchange(fd, b); err != nil {
			unix.Close(fd)
			return err
		}
		return unix.Close(fd)
	})
}

// repeat does something for the time that is ordered.
func repeat(o order, do func() error) (outcome, error) {
	took := make([]int64, 0, 1<<18)
	got := outcome{Start: now()}
	got.End = got.Start
	for until := got.Start + o.Nanos; got.End < until; {
		if err := do(); err != nil {
			return got, err
		}
		t := now()
		if len(took) < cap(took) {
			took = append(took, t-got.End)
		}
		got.End = t
		got.Count++
	}
	got.latencies(took)
	return got, nil
}

func pour(o order, to unix.Sockaddr) (outcome, error) {
	fd, err := dial(to)
	if err != nil {
		return outcome{}, err
	}
	defer unix.Close(fd)
	b := make([]byte, writeSize)
	got := outcome{Start: now()}
	for got.End < got.Start+o.Nanos {
		for sent := 0; sent < len(b); {
			n, err := unix.Write(fd, b[sent:])
			if err != nil {
				return got, fmt.Errorf("write: %w", err)
			}
			sent += n
		}
		got.Count += len(b)
		got.End = now()
	}
	return got, nil
}
