// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := Embedded(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCommitIsAtomicAndGuarded(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	ctx := t.Context()

	rev, err := s.Commit(ctx, []Guard{{Key: "/t/guard"}}, []Write{{"/t/guard", []byte("1")}, {"/t/a", []byte("A")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Commit(ctx, []Guard{{Key: "/t/guard"}}, []Write{{"/t/a", []byte("lost")}})
	if !errors.Is(err, ErrConflict) {
		t.Fatalf("commit behind another writer: got %v, want ErrConflict", err)
	}
	if _, err := s.Commit(ctx, []Guard{{"/t/guard", rev}}, []Write{{"/t/a", nil}, {"/t/b", []byte("B")}}); err != nil {
		t.Fatal(err)
	}
	entries, at, err := s.Load(ctx, "/t/")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Key != "/t/b" || string(entries[0].Value) != "B" || entries[1].Key != "/t/guard" {
		t.Errorf("after the commits: %v", entries)
	}
	if newest, err := s.Revision(ctx); err != nil || newest != at {
		t.Errorf("revision %d, %v; want %d", newest, err, at)
	}
}

func TestWatchDeliversWholeCommitsInOrder(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	ctx := t.Context()
	first, err := s.Commit(ctx, nil, []Write{{"/t/a", []byte("1")}, {"/t/b", []byte("1")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(ctx, nil, []Write{{"/t/a", nil}, {"/t/c", []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	var got []Batch
	err = s.Watch(ctx, "/t/", first, func(b Batch) error {
		if got = append(got, b); len(got) == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if len(got[0].Entries) != 2 || got[0].Revision != first || len(got[1].Entries) != 2 || got[1].Revision != first+1 {
		t.Fatalf("batches %+v", got)
	}
	if e := got[1].Entries[0]; e.Key != "/t/a" || e.Value != nil {
		t.Errorf("deletion came as %+v", e)
	}
}

func TestEmbeddedKeepsItsDataAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Commit(t.Context(), nil, []Write{{"/t/a", []byte("kept")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	entries, _, err := s.Load(t.Context(), "/t/")
	if err != nil || len(entries) != 1 || string(entries[0].Value) != "kept" {
		t.Errorf("after the restart: %v, %v", entries, err)
	}
}

func TestEmbeddedRefusesAFolderItCannotMake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Embedded(t.Context(), filepath.Join(file, "etcd"))
	if err == nil || !strings.Contains(err.Error(), "--state") {
		t.Errorf("got %v, want an error that names the remedy", err)
	}
}
