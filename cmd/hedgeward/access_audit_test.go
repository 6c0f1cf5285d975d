// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
)

func TestAuditLogTurns(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	a := (&state{dir: dir}).audit(slog.New(slog.NewTextHandler(&log, nil)))
	a.size, a.kept = 2000, 2
	const calls = 100
	for i := range calls {
		a.Audit(awsapi.AuditRecord{Request: fmt.Sprint(i), Action: "CreateVpc", Resources: []string{"*"}, Code: "ok"})
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	next := calls
	for _, name := range []string{"audit.log", "audit.log.1", "audit.log.2"} { // newest first
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 2000 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
		lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		next -= len(lines)
		for i, line := range lines {
			var r awsapi.AuditRecord
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.Request != fmt.Sprint(next+i) {
				t.Errorf("%s line %d: %q, %v", name, i, line, err)
			}
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if log.Len() > 0 {
		t.Errorf("it complains: %s", &log)
	}
}

func TestAuditLogComplains(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	a := (&state{dir: dir}).audit(slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	a.now = func() time.Time { return now }
	if err := os.Mkdir(a.path, 0o700); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	for range 3 {
		a.Audit(awsapi.AuditRecord{Code: "ok"})
	}
	if n := strings.Count(log.String(), "calls are not audited"); n != 1 || !strings.Contains(log.String(), "lines=1 ") {
		t.Errorf("told %d times: %s", n, &log)
	}
	now = now.Add(time.Minute)
	a.Audit(awsapi.AuditRecord{Code: "ok"})
	if n := strings.Count(log.String(), "calls are not audited"); n != 2 || !strings.Contains(log.String(), "lines=3 ") {
		t.Errorf("told %d times: %s", n, &log)
	}
	if err := os.Remove(a.path); err != nil {
		t.Fatal(err)
	}
	a.Audit(awsapi.AuditRecord{Request: "again", Code: "ok"})
	f, err := os.Open(a.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"request":"again"`) || lines.Scan() {
		t.Errorf("it does not go on: %q", lines.Text())
	}
}
