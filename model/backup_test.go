// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// restored is when the backups of these tests are.
var restored = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// embedded returns an empty store.
func embedded(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// contents returns all that a store holds.
func contents(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	if _, err := s.Dump(t.Context(), "/", func(e store.Entry) error { all[e.Key] = string(e.Value); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// filled returns a store with n groups, more than are read or written at once.
func filled(t *testing.T, n int) *store.Store {
	t.Helper()
	s := embedded(t)
	m, err := Open(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tx := m.Begin()
	tx.Guard("all")
	for i := range n {
		tx.Groups.Put(&secgroup.Group{ID: fmt.Sprintf("sg-%05d", i), VPC: "vpc-1", Name: fmt.Sprint("g", i)})
	}
	guards, writes, err := tx.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), guards, writes); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBackupAndRestore(t *testing.T) {
	from := filled(t, 2345)
	var file bytes.Buffer
	made, err := Backup(t.Context(), from, &file)
	if err != nil || made.Entries != 2345+3 { // with the schema, the scope and the head
		t.Fatalf("%+v, %v", made, err)
	}
	dir := t.TempDir()
	to, err := store.Embedded(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Restore(t.Context(), to, bytes.NewReader(file.Bytes()), restored)
	if err != nil || got != made {
		t.Fatalf("%+v, %v; made %+v", got, err, made)
	}
	if !maps.Equal(contents(t, from), contents(t, to)) {
		t.Error("the restored store holds something else")
	}
	if _, err := Restore(t.Context(), to, bytes.NewReader(file.Bytes()), restored); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over what is there: %v", err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if to, err = store.Embedded(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	m, err := Open(t.Context(), to, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	base := restored.Unix() * perSecond
	if m.Snapshot().Revision <= base || m.Snapshot().Groups.Len() != 2345 {
		t.Errorf("revision %d with %d groups; revisions go on above %d", m.Snapshot().Revision, m.Snapshot().Groups.Len(), base)
	}
	tx := m.Begin()
	tx.Guard("all") // as it was restored, not 0
	tx.Groups.Delete("sg-00000")
	guards, writes, err := tx.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if at, err := to.Commit(t.Context(), guards, writes); err != nil || at <= m.Snapshot().Revision {
		t.Errorf("a commit on the restored store: revision %d, %v", at, err)
	}
}

func TestCopyCountsOn(t *testing.T) {
	from, dir := filled(t, 150), t.TempDir()
	to, err := store.Embedded(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	made, err := Copy(t.Context(), from, to)
	if err != nil || made.Entries != 153 {
		t.Fatalf("%+v, %v", made, err)
	}
	if !maps.Equal(contents(t, from), contents(t, to)) {
		t.Error("the copy holds something else")
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if to, err = store.Embedded(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if at, err := to.Revision(t.Context()); err != nil || at <= made.Revision {
		t.Errorf("the copy is at revision %d, %v; the original was at %d", at, err, made.Revision)
	}
}

// A restore that was interrupted leaves a store on which no server starts, and is
// repeated as if it had not been.
func TestInterruptedRestoreIsRepeated(t *testing.T) {
	var file bytes.Buffer
	if _, err := Backup(t.Context(), filled(t, 500), &file); err != nil {
		t.Fatal(err)
	}
	to := embedded(t)
	n := 0
	err := fill(t.Context(), to, 7, func(each func(store.Entry) error) error {
		_, err := readBackup(bytes.NewReader(file.Bytes()), func(e store.Entry) error {
			if n++; n > 300 {
				return context.Canceled
			}
			return each(e)
		})
		return err
	})
	if err == nil || len(contents(t, to)) < 200 {
		t.Fatalf("%v with %d entries", err, len(contents(t, to)))
	}
	if _, err := Open(t.Context(), to, slog.New(slog.DiscardHandler)); err != errPart {
		t.Errorf("a server on a part: %v", err)
	}
	if err := func() error { _, err := Backup(t.Context(), to, io.Discard); return err }(); err == nil {
		t.Error("a part was backed up as if it were all")
	}
	if _, err := Restore(t.Context(), to, bytes.NewReader(file.Bytes()), restored); err != nil {
		t.Fatal(err)
	}
	if got := len(contents(t, to)); got != 503 {
		t.Errorf("%d entries", got)
	}
}

func TestRestoreRefusesWhatIsNoWholeBackup(t *testing.T) {
	var file bytes.Buffer
	if _, err := Backup(t.Context(), filled(t, 50), &file); err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	pack := func(s string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, s)
		z.Close()
		return b.Bytes()
	}
	lines := strings.SplitAfter(string(text), "\n")
	without := strings.Join(append(append([]string{}, lines[:10]...), lines[11:]...), "")
	flipped := bytes.Clone(file.Bytes())
	flipped[len(flipped)/2] ^= 1
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"nothing", "no backup", nil},
		{"something else", "no backup", []byte("PK\x03\x04 a zip")},
		{"gzip of something else", "no backup", pack("{}\n")},
		{"cut in the middle", "damaged", file.Bytes()[:file.Len()/2]},
		{"the last byte is missing", "damaged", file.Bytes()[:file.Len()-1]},
		{"a bit is another", "damaged", flipped},
		{"a line is missing", "damaged", pack(without)},
		{"the end is missing", "damaged", pack(strings.Join(lines[:len(lines)-2], ""))},
		{"a key elsewhere", "damaged", pack(strings.ReplaceAll(string(text), "/hedgeward/v1/group/", "/other/"))},
		{"a newer version", "use the version", pack(strings.Replace(string(text), `"schema":"1"`, `"schema":"2"`, 1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := embedded(t)
			if _, err := Restore(t.Context(), to, bytes.NewReader(c.file), restored); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if n := len(contents(t, to)); n != 0 {
				t.Errorf("%d keys were written", n)
			}
		})
	}
}
