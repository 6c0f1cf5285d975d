// SPDX-License-Identifier: Apache-2.0

package join_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestJoinedHostIsWhoItJoinedAs follows a machine from the token to its first
// request, and over a restart.
func TestJoinedHostIsWhoItJoinedAs(t *testing.T) {
	r := newRig(t)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	q.Underlay = addr("192.0.2.1")
	if _, err := join.LoadIdentity(q.Dir, r.clock, q.Log); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "hedgeward-agent join") {
		t.Errorf("before it joined: %v", err)
	}
	if _, err := join.Join(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	again, err := join.LoadIdentity(q.Dir, r.clock, q.Log) // as after a restart
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.call(again); err != nil || got != "rack-1\n" {
		t.Errorf("the server takes it for %q, %v", got, err)
	}
	h := r.control.Host("rack-1")
	if h == nil || h.Underlay != q.Underlay || !h.Joined.Equal(start) || !h.Expires.Equal(start.Add(join.DefaultLife)) {
		t.Errorf("the row is %+v", h)
	}
	info, err := os.Stat(filepath.Join(q.Dir, "identity.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the identity's mode is %v, %v", info.Mode(), err)
	}
	if again.Host() != "rack-1" || again.Servers()[0] != r.url {
		t.Errorf("the identity is of %s at %v", again.Host(), again.Servers())
	}
}

// TestIdentityThatOthersCanReadIsRefused: a key that others had may be anybody's.
func TestIdentityThatOthersCanReadIsRefused(t *testing.T) {
	r := newRig(t)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	if _, err := join.Join(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(q.Dir, "identity.json")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := join.LoadIdentity(q.Dir, r.clock, q.Log); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

// TestHostIsOutAtOnce: rows decide, not the end of a certificate. It holds for new
// connections, for requests on an open one, and for a live stream.
func TestHostIsOutAtOnce(t *testing.T) {
	for _, how := range []struct {
		name, code string
		out        func(*rig) error
	}{
		{"disabled", secgroup.HostDisabled, func(r *rig) error { return r.control.SetHostDisabled(r.t.Context(), "rack-1", true) }},
		{"removed", secgroup.HostNotFound, func(r *rig) error { return r.control.RemoveHost(r.t.Context(), "rack-1", false) }},
	} {
		t.Run(how.name, func(t *testing.T) {
			r := newRig(t)
			id := r.host("rack-1")
			other := r.host("rack-2")
			client, lines := r.hold(id)
			if !lines.Scan() || lines.Text() != "rack-1" {
				t.Fatalf("the stream begins with %q", lines.Text())
			}
			if err := how.out(r); err != nil {
				t.Fatal(err)
			}
			if !lines.Scan() || !strings.HasPrefix(lines.Text(), how.code) {
				t.Errorf("the stream ends with %q, want %s", lines.Text(), how.code)
			}
			again, err := client.Get(r.url + "/") // on the connection that is open
			if err != nil {
				t.Fatal(err)
			}
			var said struct{ Code string }
			if err := json.NewDecoder(again.Body).Decode(&said); err != nil || said.Code != how.code {
				t.Errorf("the open connection answers %+v, %v", said, err)
			}
			again.Body.Close()
			_, err = r.call(id)
			refusedWith(t, id.Explain(t.Context(), err), how.code)
			refusedWith(t, id.Renew(t.Context()), how.code)
			if r.count(how.code) < 3 {
				t.Errorf("%d refusals are counted", r.count(how.code))
			}
			if _, err := r.call(other); err != nil {
				t.Errorf("the other host notices: %v", err)
			}
		})
	}
}

// hold opens a stream as a host, which lasts until the test ends.
func (r *rig) hold(id *join.Identity) (*http.Client, *bufio.Scanner) {
	r.t.Helper()
	client := &http.Client{Transport: &http.Transport{DialTLSContext: id.DialTLS, ForceAttemptHTTP2: true}}
	r.t.Cleanup(client.CloseIdleConnections)
	resp, err := client.Get(r.url + "/hold")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	return client, bufio.NewScanner(resp.Body)
}

// TestEnabledHostIsTakenAgain: disabling loses nothing.
func TestEnabledHostIsTakenAgain(t *testing.T) {
	r := newRig(t)
	id := r.host("rack-1")
	for _, disabled := range []bool{true, false} {
		if err := r.control.SetHostDisabled(t.Context(), "rack-1", disabled); err != nil {
			t.Fatal(err)
		}
		if _, err := r.call(id); (err != nil) != disabled {
			t.Errorf("disabled %v: %v", disabled, err)
		}
	}
}

// TestStreamEndsWithItsCertificate: a live connection does not outlive it.
func TestStreamEndsWithItsCertificate(t *testing.T) {
	r := newRig(t)
	id := r.host("rack-1")
	_, lines := r.hold(id)
	lines.Scan()
	r.clock.AwaitWaiters(1)
	r.clock.Advance(join.DefaultLife + time.Minute)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), join.CertificateExpired) {
		t.Errorf("the stream ends with %q", lines.Text())
	}
}

// TestHostThatWasAwayRejoins: its certificate expired, its row and its instances
// are there.
func TestHostThatWasAwayRejoins(t *testing.T) {
	r := newRig(t)
	id := r.host("rack-1")
	r.clock.Advance(48 * time.Hour)
	_, err := r.call(id)
	if err == nil {
		t.Fatal("an expired certificate is taken")
	}
	err = id.Explain(t.Context(), err)
	refusedWith(t, err, join.CertificateExpired)
	if !strings.Contains(err.Error(), "2026-03-03T12:00:00Z by the server's clock") || !strings.Contains(err.Error(), "--rejoin") {
		t.Errorf("it says: %v", err)
	}
	if r.count(join.CertificateExpired) < 2 {
		t.Errorf("%d refusals are counted", r.count(join.CertificateExpired))
	}
	_, err = join.Join(t.Context(), r.request("rack-1", r.token(join.TokenSpec{})))
	refusedWith(t, err, secgroup.HostNameTaken)
	token := r.token(join.TokenSpec{Name: "rack-1", Rejoin: true})
	back, err := join.Join(t.Context(), r.request("rack-1", token))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.call(back); err != nil {
		t.Error(err)
	}
}

// TestClocksApart: neither side's clock being wrong goes unsaid.
func TestClocksApart(t *testing.T) {
	r := newRig(t)
	token := r.token(join.TokenSpec{})
	for _, skew := range []time.Duration{-time.Hour, 30 * 24 * time.Hour} {
		q := r.request("rack-1", token)
		q.Clock = skewed{r.clock, skew}
		_, err := join.Join(t.Context(), q)
		if err == nil || !strings.Contains(err.Error(), "by this machine's clock: set the clock") {
			t.Errorf("%v off: %v", skew, err)
		}
	}
	if _, err := join.Join(t.Context(), r.request("rack-1", token)); err != nil {
		t.Errorf("the token was used up by machines that said no secret: %v", err)
	}
}

// TestIdentityThatCannotBeKept: what cannot be kept is not used.
func TestIdentityThatCannotBeKept(t *testing.T) {
	r := newRig(t)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	q.Dir = filepath.Join(q.Dir, "file", "below")
	if err := os.WriteFile(filepath.Dir(q.Dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := join.Join(t.Context(), q); err == nil || !strings.Contains(err.Error(), "--state") {
		t.Errorf("got %v", err)
	}
	if _, err := join.LoadIdentity(t.TempDir(), r.clock, slog.New(slog.DiscardHandler)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
