// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/hedgeward/hedgeward/internal/testetcd"
	"github.com/hedgeward/hedgeward/store"
)

// dial returns a client of a cluster that ends with the test.
func dial(t *testing.T, c *testetcd.Cluster, prefix string) *store.Store {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.File("member.pem"), c.File("member-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(c.File("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := store.Dial(ctx, store.Cluster{
		Endpoints: c.Endpoints(), Prefix: prefix, TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// receive returns what comes, or fails the test.
func receive(t *testing.T, from <-chan string, within time.Duration) string {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(within):
		t.Fatalf("nothing within %v", within)
		return ""
	}
}

// TestOneIsElected ends terms in the three ways they end: the process stops
// cleanly, its work fails, it dies without a word.
func TestOneIsElected(t *testing.T) {
	c := testetcd.Start(t, 1, nil)
	begun, over := make(chan string, 8), make(chan string, 8)
	failing := make(chan struct{})
	candidate := func(s *store.Store, name string) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err := s.Elected(ctx, "loops", name, func(ctx context.Context) error {
				begun <- name
				defer func() { over <- name }()
				select {
				case <-failing:
					return errors.New("broken")
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			if err != nil && err.Error() == "broken" {
				over <- name + " failed"
			}
		}()
		stop = func() { cancel(); <-ended }
		t.Cleanup(stop)
		return stop
	}
	one, two, three := dial(t, c, ""), dial(t, c, ""), dial(t, c, "")
	stopOne := candidate(one, "one")
	if got := receive(t, begun, 10*time.Second); got != "one" {
		t.Fatal(got)
	}
	candidate(two, "two")
	stopOne()
	if got := receive(t, over, time.Second); got != "one" {
		t.Fatal(got)
	}
	if got := receive(t, begun, 4*time.Second); got != "two" { // at once, not after the lease
		t.Fatal(got)
	}
	candidate(three, "three")
	if err := two.Close(); err != nil { // no more word of it
		t.Fatal(err)
	}
	if got := receive(t, begun, 15*time.Second); got != "three" {
		t.Fatal(got)
	}
	if got := receive(t, over, 10*time.Second); got != "two" {
		t.Errorf("%s ended; two lost its term and must", got)
	}
	close(failing)
	receive(t, over, time.Second)
	if got := receive(t, over, 5*time.Second); got != "three failed" {
		t.Errorf("the error of the work came as %q", got)
	}
}

func TestEmbeddedNeedsNoElection(t *testing.T) {
	s, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	broken := errors.New("broken")
	if err := s.Elected(t.Context(), "loops", "one", func(context.Context) error { return broken }); err != broken {
		t.Errorf("got %v", err)
	}
	if entries, _, err := s.Load(t.Context(), "/"); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestPrefixesShareACluster has two installations on one cluster.
func TestPrefixesShareACluster(t *testing.T) {
	c := testetcd.Start(t, 1, nil)
	a, b := dial(t, c, "/a"), dial(t, c, "/b")
	first, err := a.Commit(t.Context(), []store.Guard{{Key: "/t/x"}}, []store.Write{{Key: "/t/x", Value: []byte("a")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Commit(t.Context(), []store.Guard{{Key: "/t/x"}}, []store.Write{{Key: "/t/x", Value: []byte("b")}}); err != nil {
		t.Fatal(err)
	}
	entries, _, err := a.Load(t.Context(), "/")
	if err != nil || len(entries) != 1 || entries[0].Key != "/t/x" || string(entries[0].Value) != "a" {
		t.Errorf("%v, %v", entries, err)
	}
	if at, err := a.Modified(t.Context(), "/t/x"); err != nil || at != first {
		t.Errorf("changed at %d by another installation, not %d, %v", at, first, err)
	}
}

// TestCommitSaysWhatEtcdDoesNotTake has a cluster with etcd's own bounds, and
// little space.
func TestCommitSaysWhatEtcdDoesNotTake(t *testing.T) {
	c := testetcd.Start(t, 1, func(cfg *embed.Config) { cfg.QuotaBackendBytes = 1 << 20 })
	s := dial(t, c, "")
	many := make([]store.Write, 200)
	for i := range many {
		many[i] = store.Write{Key: "/t/" + string(rune('a'+i)), Value: []byte("x")}
	}
	if _, err := s.Commit(t.Context(), nil, many); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("200 writes: %v", err)
	}
	if _, err := s.Commit(t.Context(), nil, []store.Write{{Key: "/t/large", Value: make([]byte, 3<<20)}}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("3 MiB: %v", err)
	}
	var err error
	for i := range 64 {
		if _, err = s.Commit(t.Context(), nil, []store.Write{{Key: "/t/fill", Value: make([]byte, 256<<10+i)}}); err != nil {
			break
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("a full store: %v", err)
	}
	if _, err := s.Modified(t.Context(), "/t/fill"); err != nil {
		t.Errorf("a full store answers no reads: %v", err)
	}
}
