// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Kinds of entries that the kernel hands a new program behind its environment.
const (
	entryEnd    = 0  // AT_NULL
	entryIgnore = 1  // AT_IGNORE
	entryPage   = 33 // AT_SYSINFO_EHDR: where the page is with which it reads the time itself
)

// withoutPage lets a traced process that has stopped before its first instruction go
// on, without knowledge of that page.
func withoutPage(pid int) error {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return err
	}
	if !status.Stopped() {
		return fmt.Errorf("it has not stopped at its start but %v", status)
	}
	if err := forgetPage(pid); err != nil {
		return err
	}
	return syscall.PtraceDetach(pid)
}

func forgetPage(pid int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 26 {
		return errors.New("the kernel does not say where its stack begins")
	}
	at, err := strconv.ParseInt(fields[25], 10, 64) // startstack: of the count of arguments
	if err != nil {
		return err
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	word := func() (uint64, error) {
		var b [8]byte
		_, err := memory.ReadAt(b[:], at)
		at += 8
		return binary.NativeEndian.Uint64(b[:]), err
	}
	for range 2 { // arguments, then the environment, each with a zero behind
		for {
			w, err := word()
			if err != nil {
				return err
			}
			if w == 0 {
				break
			}
		}
	}
	for {
		kind, err := word()
		if err != nil {
			return err
		}
		switch kind {
		case entryEnd:
			return errors.New("it was given no such page")
		case entryPage:
			var b bytes.Buffer
			binary.Write(&b, binary.NativeEndian, uint64(entryIgnore))
			_, err := memory.WriteAt(b.Bytes(), at-8)
			return err
		}
		at += 8
	}
}
