// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// diskSize is that of an etcd member's disk: two segments of its log, and the rest.
const diskSize = "192m"

// mountDisk gives a node's folder a disk of its own.
func (n *node) mountDisk(t testing.TB, folder string) {
	t.Helper()
	n.disk = filepath.Join(n.dir, folder)
	if err := os.Mkdir(n.disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", n.disk, "tmpfs", 0, "mode=0700,size="+diskSize); err != nil {
		t.Fatalf("give %s a disk: %v", n.name, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(n.disk, unix.MNT_DETACH); err != nil {
			t.Errorf("take the disk of %s: %v", n.name, err)
		}
	})
}

func (n *node) filler() string { return filepath.Join(n.disk, "filler") }

// fillDisk leaves no byte free on the node's disk.
func (n *node) fillDisk() {
	f, err := os.OpenFile(n.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		n.t.Error(err)
		return
	}
	defer f.Close()
	for size := 1 << 20; size >= 1<<12; size >>= 4 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			n.t.Errorf("fill the disk of %s: %v", n.name, err)
		}
	}
}

// freeDisk makes room again.
func (n *node) freeDisk() {
	if err := os.Remove(n.filler()); err != nil {
		n.t.Errorf("free the disk of %s: %v", n.name, err)
	}
}

// restart runs nodes anew, whether they survived or not, as one does when there is room
// again.
func restart(launch func(*node) error, t testing.TB, nodes ...*node) {
	for _, n := range nodes {
		n.stop(syscall.SIGKILL)
	}
	done := make(chan error, len(nodes))
	for _, n := range nodes {
		go func() { done <- launch(n) }()
	}
	for range nodes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A full disk hurts: with the majority's full, no write is answered in the end, and all
// that were answered are there when there is room again.
func TestFullDisksHurtAndHeal(t *testing.T) {
	w := newWire(t)
	c := newCluster(t, w, 0)
	client := c.client(t, w.node("client"))
	put := func(key, value string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := client.Put(ctx, key, value)
		return err
	}
	eventually(t, "a write", func() error { return put("first", "v") })
	c.members[0].fillDisk()
	c.members[1].fillDisk()
	answered := 0
	value := strings.Repeat("x", 1<<20)
	for answered < 500 && put(fmt.Sprint("k", answered), value) == nil {
		answered++
	}
	if answered == 500 {
		t.Fatal("full disks take 500 MiB")
	}
	c.members[0].freeDisk()
	c.members[1].freeDisk()
	restart(c.launch, t, c.members[0], c.members[1])
	eventually(t, "a write when there is room", func() error { return put("last", "v") })
	for n := range answered {
		got, err := client.Get(t.Context(), fmt.Sprint("k", n))
		if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != value {
			t.Fatalf("write %d of %d, which was answered, is not there: %v", n, answered, err)
		}
	}
	t.Logf("%d MiB were answered on full disks, and all are there", answered)
}
