// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
)

const (
	auditSize     = 64 << 20 // bytes of a file before the next is begun
	auditKept     = 4        // full files that are kept
	auditInterval = time.Minute
)

// auditLog keeps one line of JSON per call in files of bounded size and number.
// When it cannot, calls go on and the operator is told, at once and then now and
// then (docs/spec/ec2-api.md section 11.5): a full disk must not lock out whoever
// could empty it.
type auditLog struct {
	path string
	size int64 // auditSize
	kept int   // auditKept
	now  func() time.Time
	log  *slog.Logger

	mu   sync.Mutex
	f    *os.File // nil until the first line and after a fault
	have int64    // bytes in f
	torn bool     // the last line is not whole
	lost int      // lines since the operator was told
	told time.Time
}

func (s *state) audit(log *slog.Logger) *auditLog {
	return &auditLog{path: filepath.Join(s.dir, "audit.log"), size: auditSize, kept: auditKept, now: time.Now, log: log}
}

// Audit implements awsapi.Auditor.
func (a *auditLog) Audit(r awsapi.AuditRecord) {
	line, err := json.Marshal(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		err = a.write(append(line, '\n'))
	}
	if err == nil {
		return
	}
	a.lost++
	if now := a.now(); now.Sub(a.told) >= auditInterval {
		a.log.Error("calls are not audited; free space or make the file writable", "file", a.path, "lines", a.lost, "error", err)
		a.told, a.lost = now, 0
	}
}

// write appends a line. After a fault the file is opened anew next time.
func (a *auditLog) write(line []byte) error {
	if a.f != nil && a.have+int64(len(line)) > a.size {
		if err := a.turn(); err != nil {
			return err
		}
	}
	if a.f == nil {
		f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		a.f, a.have = f, info.Size()
	}
	if a.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := a.f.Write(line)
	a.have += int64(n)
	a.torn = err != nil && (n > 0 || a.torn)
	if err != nil {
		err = errors.Join(err, a.f.Close())
		a.f = nil
	}
	return err
}

// turn sets the full file aside; the oldest goes.
func (a *auditLog) turn() error {
	err := a.f.Close()
	a.f = nil
	for i := a.kept; i > 0; i-- {
		from := a.path
		if i > 1 {
			from += "." + strconv.Itoa(i-1)
		}
		if e := os.Rename(from, a.path+"."+strconv.Itoa(i)); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Close lets go of the file.
func (a *auditLog) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.f == nil {
		return nil
	}
	err := a.f.Close()
	a.f = nil
	return err
}
