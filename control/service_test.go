// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"log/slog"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// alice owns what most tests make. Her Region has its default VPC.
var alice = Caller{Scope: secgroup.Scope{Account: "111122223333", Region: "us-east-1"}, ARN: "arn:aws:iam::111122223333:user/alice"}

// newService returns a running Service with default settings on an empty store,
// with alice's Region prepared.
func newService(t *testing.T) *Service {
	t.Helper()
	return newServiceWith(t, Config{})
}

// newServiceWith is newService with other settings.
func newServiceWith(t *testing.T, cfg Config) *Service {
	t.Helper()
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := serve(t, db, cfg)
	if err := s.EnsureRegion(t.Context(), alice.Scope); err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs a Service on a store until the test ends.
func serve(t *testing.T, db *store.Store, cfg Config) *Service {
	t.Helper()
	m, err := model.Open(t.Context(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := New(db, m, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	followed, served := make(chan struct{}), make(chan struct{})
	go func() { defer close(followed); m.Run(ctx) }()
	go func() { defer close(served); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-followed; <-served })
	return s
}

// refused fails the test unless err reads "Code: Message".
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
