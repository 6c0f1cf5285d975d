// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// The faults are worth nothing if they do not hurt: a cluster that has lost its
// quorum answers no write, a cut wire carries nothing, a lossy one something.
func TestFaultsHurtAndHeal(t *testing.T) {
	w := newWire(t)
	c := newCluster(t, w, 0)
	from := w.node("client")
	client := c.client(t, from)
	put := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := client.Put(ctx, "k", "v")
		return err
	}
	eventually(t, "a write", func() error { return put(time.Second) })
	leader := c.leader(t.Context(), client)
	if leader == nil {
		t.Fatal("nobody leads")
	}
	leader.stop(syscall.SIGKILL)
	eventually(t, "a write without the leader", func() error { return put(time.Second) })
	var other *node
	for _, m := range c.members {
		if m != leader {
			other = m
		}
	}
	other.unplug()
	if err := put(2 * time.Second); err == nil {
		t.Error("one member of three answers a write")
	}
	other.plug()
	eventually(t, "a write after the wire is back", func() error { return put(time.Second) })
	if err := c.launch(leader); err != nil {
		t.Fatal(err)
	}
	other.signal(syscall.SIGSTOP)
	eventually(t, "a write beside a frozen member", func() error { return put(time.Second) })
	other.signal(syscall.SIGCONT)
	from.lossy(30)
	eventually(t, "a write over a lossy wire", func() error { return put(5 * time.Second) })
	from.lossy(99)
	if err := put(2 * time.Second); err == nil {
		t.Error("a wire that forgets nearly everything carries a write")
	}
	from.lossy(0)
	eventually(t, "a write over the mended wire", func() error { return put(time.Second) })
}
