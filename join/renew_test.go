// SPDX-License-Identifier: Apache-2.0

package join_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/secgroup"
)

// run runs an identity's renewal until the test ends.
func (r *rig) run(id *join.Identity) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); id.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

// pass lets time pass in steps, each after the renewal waits again. The server's
// Run waits for the clock too.
func (r *rig) pass(d time.Duration) {
	for ; d > 0; d -= time.Minute {
		r.clock.AwaitWaiters(2)
		r.clock.Advance(time.Minute)
	}
	r.clock.AwaitWaiters(2)
}

// TestHostRenewsInGoodTime: not before half of the certificate's life, and before
// three quarters; with a new key; and what is on the disk is the new one.
func TestHostRenewsInGoodTime(t *testing.T) {
	r := newRig(t)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	id, err := join.Join(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(q.Dir, "identity.json"))
	if err != nil {
		t.Fatal(err)
	}
	first, changed := r.control.Host("rack-1").Serial, id.Changed()
	r.run(id)
	r.pass(12 * time.Hour)
	if got := r.control.Host("rack-1").Serial; got != first {
		t.Error("it renews in the first half of the certificate's life")
	}
	r.pass(6 * time.Hour)
	row := r.control.Host("rack-1")
	if row.Serial == first || row.Former != first || !row.Joined.Equal(start) || !row.Renewed.After(start.Add(12*time.Hour)) {
		t.Fatalf("after three quarters of the certificate's life the row is %+v", row)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told that the certificate is another one")
	}
	after, err := os.ReadFile(filepath.Join(q.Dir, "identity.json"))
	if err != nil {
		t.Fatal(err)
	}
	key := func(b []byte) string { _, k, _ := strings.Cut(string(b), `"key": "`); return k[:100] }
	if key(before) == key(after) {
		t.Error("the key is the old one")
	}
	r.pass(24 * time.Hour)
	reloaded, err := join.LoadIdentity(q.Dir, r.clock, q.Log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.call(reloaded); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

// TestHostsDoNotRenewAtOnce: of hosts that joined together, not all come at the
// same minute.
func TestHostsDoNotRenewAtOnce(t *testing.T) {
	r := newRig(t)
	const hosts = 6
	for n := range hosts {
		r.run(r.host(string(rune('a' + n))))
	}
	for range 18 * 60 {
		r.clock.AwaitWaiters(1 + hosts)
		r.clock.Advance(time.Minute)
	}
	r.clock.AwaitWaiters(1 + hosts)
	minutes := map[time.Time]bool{}
	for _, h := range r.control.Hosts() {
		if !h.Renewed.After(start) {
			t.Errorf("%s has not renewed", h.Name)
		}
		minutes[h.Renewed.Truncate(time.Minute)] = true
	}
	if len(minutes) < 3 {
		t.Errorf("%d hosts renewed in %d minutes of about 140", hosts, len(minutes))
	}
}

// TestRenewalGoesOnTrying while the host is refused, says why, and succeeds once
// it is not.
func TestRenewalGoesOnTrying(t *testing.T) {
	r := newRig(t)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	if _, err := join.Join(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	id, err := join.LoadIdentity(q.Dir, r.clock, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.control.SetHostDisabled(t.Context(), "rack-1", true); err != nil {
		t.Fatal(err)
	}
	stop := r.run(id)
	r.pass(18 * time.Hour)
	if err := r.control.SetHostDisabled(t.Context(), "rack-1", false); err != nil {
		t.Fatal(err)
	}
	r.pass(20 * time.Minute)
	stop()
	if !r.control.Host("rack-1").Renewed.After(start) {
		t.Error("it gave up")
	}
	if !strings.Contains(said.String(), "hedgeward host enable rack-1") {
		t.Errorf("it said %s", said.String())
	}
}

// TestLostAnswerLosesNoHost: a renewal that the host heard nothing of leaves its
// certificate good, also for the renewal after that.
func TestLostAnswerLosesNoHost(t *testing.T) {
	r := newRig(t)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	id, err := join.Join(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // each time as after a crash between the answer and the disk
		lost, err := join.LoadIdentity(q.Dir, r.clock, q.Log)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(q.Dir, 0o500); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(filepath.Join(q.Dir, "identity.json"))
		if err := lost.Renew(t.Context()); err != nil && !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
		if err := os.Chmod(q.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(q.Dir, "identity.json"), before, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.call(id); err != nil {
		t.Errorf("the certificate that it has is refused: %v", err)
	}
	if err := id.Renew(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestServersAreAlike: a token of one is taken by the other, what one signs the
// other takes at once, and a host that is disabled at one is out at the other.
func TestServersAreAlike(t *testing.T) {
	r := newRig(t)
	other := serve(t, r.store, r.clock)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	q.Servers = []string{"https://127.0.0.1:1", other.url} // nobody is at the first
	id, err := join.Join(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := id.Renew(t.Context()); err != nil { // at the other
			t.Fatal(err)
		}
		for _, at := range []*rig{r, other} {
			if _, err := at.call(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := r.control.Read().Authorities.Len(); n != 1 {
		t.Errorf("%d authorities", n)
	}
	if err := r.control.SetHostDisabled(t.Context(), "rack-1", true); err != nil {
		t.Fatal(err)
	}
	if err := other.control.Fresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = other.call(id)
	refusedWith(t, id.Explain(t.Context(), err), secgroup.HostDisabled)
}

// TestRotation: hosts that renew come to believe the new authority, and the old
// one can go when the last has.
func TestRotation(t *testing.T) {
	r := newRig(t)
	a, b := r.host("a"), r.host("b")
	token := r.token(join.TokenSpec{}) // names the old one
	old := r.control.Host("a").Authority
	r.clock.Advance(time.Second)
	if err := r.control.AddAuthority(t.Context(), r.server.NewAuthority); err != nil {
		t.Fatal(err)
	}
	if err := a.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []*join.Identity{a, b} {
		if _, err := r.call(id); err != nil {
			t.Errorf("%s in the middle of it: %v", id.Host(), err)
		}
	}
	inUse := func(by string) {
		t.Helper()
		err := r.control.RetireAuthority(t.Context(), old)
		if err == nil || !strings.Contains(err.Error(), by) {
			t.Errorf("retired: %v", err)
		}
	}
	inUse("host b")
	if err := b.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	inUse("join token " + token.ID)
	if _, err := join.Join(t.Context(), r.request("c", token)); err != nil {
		t.Errorf("with a token of before: %v", err)
	}
	if err := r.control.RetireAuthority(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	for _, id := range []*join.Identity{a, b} {
		if _, err := r.call(id); err != nil {
			t.Errorf("%s after it: %v", id.Host(), err)
		}
	}
	err := r.control.RetireAuthority(t.Context(), r.control.Host("a").Authority)
	var refused *secgroup.Error
	if !errors.As(err, &refused) {
		t.Errorf("the only authority is retired: %v", err)
	}
}
