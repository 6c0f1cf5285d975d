// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"log/slog"
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
	t.Cleanup(func() { readsAlike(t, db, s.Read()) })
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

// readsAlike fails the test unless a server that starts now sees the very rows
// that this one, which took its own commits over unread, has.
func readsAlike(t *testing.T, db *store.Store, snap *model.Snapshot) {
	t.Helper()
	m, err := model.Open(context.Background(), db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rows := func(snap *model.Snapshot) (all []any) {
		v := reflect.ValueOf(snap).Elem()
		for i := range v.NumField() {
			if table := v.Field(i).Addr(); v.Type().Field(i).IsExported() && table.MethodByName("All").IsValid() {
				for row := range table.MethodByName("All").Call(nil)[0].Seq() {
					all = append(all, row.Interface())
				}
			}
		}
		return all
	}
	fresh, have := rows(m.Snapshot()), rows(snap)
	if len(fresh) != len(have) || len(fresh) == 0 {
		t.Fatalf("%d rows in the store, %d in memory", len(fresh), len(have))
	}
	for i := range fresh {
		if d := cmp.Diff(fresh[i], have[i], cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
			t.Errorf("in the store (-) and in memory (+) differ:\n%s", d)
		}
	}
}

// refused fails the test unless err reads "Code: Message".
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
