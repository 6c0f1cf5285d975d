// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/testrand"
)

// write keeps n deltas and returns the state that they make.
func write(t *testing.T, j *journal, n int) *feed.State {
	t.Helper()
	rng := testrand.New(testrand.Seed(t))
	s := randomState(rng, 20)
	last := &feed.State{}
	for range n {
		mutate(rng, s, 20)
		s.Revision++
		d := &feed.Delta{
			Revision: s.Revision, Instances: changed(last.Instances, s.Instances), Interfaces: changed(last.Interfaces, s.Interfaces),
			Groups: changed(last.Groups, s.Groups), Addresses: changed(last.Addresses, s.Addresses), Routes: changed(last.Routes, s.Routes),
		}
		last.Merge(d)
		if err := errors.Join(j.add(d, last, "one"), j.sync()); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// TestAHostStartsFromWhatWasKept: the newest of it, whatever was written in between.
func TestAHostStartsFromWhatWasKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed")
	for _, n := range []int{1, 2, 50} {
		j := &journal{path: path, host: "a"}
		want := write(t, j, n)
		j.drop()
		got, epoch, err := (&journal{path: path, host: "a"}).load()
		if err != nil || epoch != "one" {
			t.Fatalf("after %d deltas: epoch %q, error %v", n, epoch, err)
		}
		if diff := cmp.Diff(want.Delta(), got.Delta(), same); diff != "" {
			t.Errorf("after %d deltas (-written +read):\n%s", n, diff)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, error %v", info.Mode(), err)
	}
}

// TestTheFileDoesNotGrowWithTime: it is written anew before it is much larger than
// what it says.
func TestTheFileDoesNotGrowWithTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed")
	j := &journal{path: path, host: "a"}
	held := &feed.State{}
	var most int64
	for n := range 300 {
		d := &feed.Delta{Revision: int64(n + 1), Instances: map[string]*feed.Instance{"i-1": {ID: "i-1", State: "running", UserData: make([]byte, 16<<10)}}}
		held.Merge(d)
		if err := j.add(d, held, "one"); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, info.Size())
	}
	if most > 2*slack {
		t.Errorf("the file had %d bytes for 16 KiB of state", most)
	}
	j.drop()
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("files %v are left", left)
	}
}

// TestAFileThatWasCutOffEndsWithItsLastWholeDelta: at every byte.
func TestAFileThatWasCutOffEndsWithItsLastWholeDelta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed")
	j := &journal{path: path, host: "a"}
	write(t, j, 1)
	whole := j.size
	d := &feed.Delta{Revision: 1 << 50, Instances: map[string]*feed.Instance{"i-last": {ID: "i-last", State: "running"}}}
	if err := j.add(d, nil, "one"); err != nil {
		t.Fatal(err)
	}
	j.drop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := whole; size <= int64(len(text)); size++ {
		if err := os.WriteFile(path, text[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := (&journal{path: path, host: "a"}).load()
		if err != nil {
			t.Fatalf("%d of %d bytes: %v", size, len(text), err)
		}
		if last := got.Instances["i-last"] != nil; last != (size == int64(len(text))) {
			t.Errorf("%d of %d bytes: the last delta is there: %v", size, len(text), last)
		}
	}
}

// TestAFileThatIsNotWhatWasWrittenIsPutAside: one flipped bit, anywhere.
func TestAFileThatIsNotWhatWasWrittenIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed")
	j := &journal{path: path, host: "a"}
	write(t, j, 2)
	j.drop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := testrand.New(testrand.Seed(t))
	for range 200 {
		bad := append([]byte(nil), text...)
		at := rng.IntN(len(bad))
		bad[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		held, _, err := (&journal{path: path, host: "a"}).load()
		if err == nil {
			// A length that grew looks like a record that was cut off: what comes
			// before it is what was written.
			if held.Revision == 0 {
				t.Errorf("byte %d: nothing is read and nothing said", at)
			}
			continue
		}
		if !errors.Is(err, errCorrupt) || held != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		if aside, err := os.ReadFile(path + ".corrupt"); err != nil || string(aside) != string(bad) {
			t.Fatalf("byte %d: it is not kept aside: %v", at, err)
		}
	}
}

// TestAnAgentWithACorruptFileLeavesTheKernelAlone: until a server tells it
// everything.
func TestAnAgentWithACorruptFileLeavesTheKernelAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed")
	if err := os.WriteFile(path, []byte("hedgeward feed 1 and then something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAgent()
	w := newWorld()
	_, stop := startClient(t, "a", a, func(c *ClientConfig) { c.File = path })
	if a.applied != 0 {
		t.Error("something was applied")
	}
	stop()
	w.change("a", member(1))
	r := newReplica(t, w)
	c, stop := startClient(t, "a", a, func(c *ClientConfig) { c.File = path }, r)
	a.await(t, w, "a")
	until(t, func() bool { return c.Status().Kept })
	stop()

	// Without any server it starts from there, and another host does not.
	alone := newAgent()
	startClient(t, "a", alone, func(c *ClientConfig) { c.File = path })
	alone.await(t, w, "a")
	if _, err := NewClient(ClientConfig{Host: "b", File: path}).Load(newAgent()); err == nil {
		t.Error("host b started with what host a was told")
	}
}

// TestAStateThatCannotBeKeptIsNotLeftBehind: an older one on disk would be put in
// force by the next start.
func TestAStateThatCannotBeKeptIsNotLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed")
	j := &journal{path: path, host: "a"}
	held := write(t, j, 2)
	j.file.Close() // what a failing disk does to a write
	d := &feed.Delta{Revision: held.Revision + 1}
	held.Merge(d)
	if err := j.add(d, held, "one"); err == nil {
		t.Fatal("it was kept on a file that is closed")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the older state is still there: %v", err)
	}
	held.Merge(&feed.Delta{Revision: held.Revision + 1})
	if err := j.add(&feed.Delta{Revision: held.Revision}, held, "one"); err != nil {
		t.Fatalf("the next delta is not kept either: %v", err)
	}
	got, _, err := (&journal{path: path, host: "a"}).load()
	if err != nil || got.Revision != held.Revision {
		t.Errorf("read %v, error %v; want revision %d", got, err, held.Revision)
	}
}

// FuzzJournal: whatever the file holds, it is read or refused.
func FuzzJournal(f *testing.F) {
	path := filepath.Join(f.TempDir(), "feed")
	j := &journal{path: path, host: "a"}
	d := &feed.Delta{Revision: 1, Instances: map[string]*feed.Instance{"i-1": {ID: "i-1", State: "running"}}}
	held := &feed.State{}
	held.Merge(d)
	if err := j.add(d, held, "one"); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		head, records, err := parseJournal(text)
		if (err == nil) != (head != nil) || err != nil && records != nil {
			t.Fatalf("head %v, records %v, error %v", head, records, err)
		}
	})
}
