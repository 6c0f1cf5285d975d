// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

func start(t *testing.T) (*store.Store, *Model) {
	t.Helper()
	s, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, follow(t, s)
}

// follow opens a model on s and runs it until the test ends.
func follow(t *testing.T, s *store.Store) *Model {
	t.Helper()
	m, err := Open(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func commit(t *testing.T, s *store.Store, m *Model, tx *Tx) *Snapshot {
	t.Helper()
	guards, writes, err := tx.Commit()
	if err != nil {
		t.Fatal(err)
	}
	rev, err := s.Commit(t.Context(), guards, writes)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	snap, err := m.Await(ctx, rev)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func group(id, vpc, name string, refs ...string) *secgroup.Group {
	g := &secgroup.Group{ID: id, VPC: vpc, Name: name, Scope: secgroup.Scope{Account: "1", Region: "r"}}
	for i, r := range refs {
		g.Rules = append(g.Rules, secgroup.Rule{ID: fmt.Sprintf("sgr-%s-%d", id, i), RuleKey: secgroup.RuleKey{Peer: secgroup.Peer{Group: r}}})
	}
	return g
}

func ids(t *Table[secgroup.Group], index, value string) string {
	var out []string
	for g := range t.By(index, value) {
		out = append(out, g.ID)
	}
	return strings.Join(out, " ")
}

func TestIndexesFollowTheRows(t *testing.T) {
	s, m := start(t)
	tx := m.Begin()
	tx.Guard("x")
	tx.Groups.Put(group("sg-1", "vpc-1", "a", "sg-2", "sg-2"))
	tx.Groups.Put(group("sg-2", "vpc-1", "b"))
	tx.Groups.Put(group("sg-3", "vpc-10", "a", "sg-2"))
	commit(t, s, m, tx)

	tx = m.Begin()
	tx.Guard("x")
	tx.Groups.Put(group("sg-3", "vpc-1", "c", "sg-1"))
	tx.Groups.Delete("sg-2")
	if got := ids(&tx.Groups, ByVPC, "vpc-1"); got != "sg-1 sg-3" {
		t.Errorf("a transaction sees %q of its own changes", got)
	}
	if got := ids(&m.Snapshot().Groups, ByVPC, "vpc-1"); got != "sg-1 sg-2" {
		t.Errorf("others see %q before the commit", got)
	}
	snap := commit(t, s, m, tx)
	for _, want := range []struct{ index, value, ids string }{
		{ByVPC, "vpc-1", "sg-1 sg-3"}, {ByVPC, "vpc-10", ""}, {ByReferenced, "sg-2", "sg-1"}, {ByReferenced, "sg-1", "sg-3"},
		{ByName, NameValue("vpc-1", "b"), ""}, {ByRule, "sgr-sg-3-0", "sg-3"},
	} {
		if got := ids(&snap.Groups, want.index, want.value); got != want.ids {
			t.Errorf("%s %s: %q, want %q", want.index, want.value, got, want.ids)
		}
	}
	again := follow(t, s).Snapshot()
	if a, b := slices.Collect(again.Groups.All()), slices.Collect(snap.Groups.All()); len(a) != 2 || a[1].Name != b[1].Name {
		t.Errorf("a fresh model reads %v, want %v", a, b)
	}
}

func TestNestedKeepsNothingOfAFailure(t *testing.T) {
	_, m := start(t)
	tx := m.Begin()
	tx.Guard("outer")
	tx.Groups.Put(group("sg-1", "vpc-1", "a"))
	refused := errors.New("refused")
	if err := tx.Nested(func(in *Tx) error {
		in.Guard("inner")
		in.Groups.Put(group("sg-2", "vpc-1", "b"))
		in.Groups.Delete("sg-1")
		return refused
	}); err != refused {
		t.Fatal(err)
	}
	if tx.Groups.Get("sg-1") == nil || tx.Groups.Get("sg-2") != nil {
		t.Error("the failed part left a change")
	}
	if err := tx.Nested(func(in *Tx) error { in.Groups.Put(group("sg-3", "vpc-1", "c")); return nil }); err != nil {
		t.Fatal(err)
	}
	guards, writes, err := tx.Commit()
	if err != nil || len(guards) != 1 || len(writes) != 4 {
		t.Errorf("commit has guards %v, %d writes, %v; want the outer guard, and with it two groups and the head", guards, len(writes), err)
	}
}

// What a failure leaves is the transaction as it was, whatever was done to one
// row before, in it or more than once.
func TestFailuresAreTakenBack(t *testing.T) {
	s, m := start(t)
	tx := m.Begin()
	tx.Guard("x")
	tx.Groups.Put(group("sg-1", "vpc-1", "a"))
	commit(t, s, m, tx)

	tx = m.Begin()
	tx.Guard("x")
	tx.Groups.Put(group("sg-1", "vpc-1", "b"))
	tx.Groups.Put(group("sg-2", "vpc-1", "kept"))
	fails := func(tx *Tx) error {
		tx.Groups.Delete("sg-1")
		tx.Groups.Put(group("sg-1", "vpc-2", "c"))
		tx.Groups.Put(group("sg-2", "vpc-2", "lost"))
		tx.Groups.Delete("sg-2")
		tx.Groups.Put(group("sg-3", "vpc-1", "d"))
		return errors.New("refused")
	}
	if err := tx.Nested(func(tx *Tx) error {
		if err := tx.Nested(fails); err == nil {
			t.Error("a failure was swallowed")
		}
		tx.Groups.Put(group("sg-4", "vpc-1", "e"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := ids(&tx.Groups, ByVPC, "vpc-1") + "; " + ids(&tx.Groups, ByVPC, "vpc-2"); got != "sg-1 sg-2 sg-4; " {
		t.Errorf("the transaction holds %q", got)
	}
	snap := commit(t, s, m, tx)
	if got := ids(&snap.Groups, ByVPC, "vpc-1"); got != "sg-1 sg-2 sg-4" || snap.Groups.Get("sg-1").Name != "b" || snap.Groups.Get("sg-2").Name != "kept" {
		t.Errorf("committed: %s, sg-1 %+v, sg-2 %+v", got, snap.Groups.Get("sg-1"), snap.Groups.Get("sg-2"))
	}
}

// A commit of this process is not read back from its stored form; one that came
// in between, or that differs in anything, is.
func TestOwnCommitsAreTakenOver(t *testing.T) {
	s, m := start(t)
	put := func(name string) (*Tx, *secgroup.Group) {
		tx := m.Begin()
		tx.Guard("x")
		g := group("sg-1", "vpc-1", name)
		tx.Groups.Put(g)
		return tx, g
	}
	tx, own := put("own")
	if commit(t, s, m, tx).Groups.Get("sg-1") != own {
		t.Error("an own commit was read back")
	}
	tx, own = put("mine")
	guards, writes, err := tx.Commit()
	if err != nil {
		t.Fatal(err)
	}
	writes = slices.Clone(writes)
	for i, w := range writes {
		writes[i].Value = []byte(strings.Replace(string(w.Value), "mine", "your", 1))
	}
	revision, err := s.Commit(t.Context(), guards, writes)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := m.Await(t.Context(), revision)
	if err != nil {
		t.Fatal(err)
	}
	if got := snap.Groups.Get("sg-1"); got == own || got.Name != "your" {
		t.Errorf("another's commit is seen as %+v", got)
	}
	tx, _ = put("late")
	tx.Groups.Put(group("sg-2", "vpc-1", "late"))
	other := m.Begin() // of another server, under a guard that has nothing to do with ours
	other.Guard("y")
	other.Groups.Put(group("sg-3", "vpc-1", "between"))
	_, writes, err = other.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if revision, err = s.Commit(t.Context(), nil, writes); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Await(t.Context(), revision); err != nil {
		t.Fatal(err)
	}
	if snap = commit(t, s, m, tx); ids(&snap.Groups, ByVPC, "vpc-1") != "sg-1 sg-2 sg-3" {
		t.Errorf("both commits make %s", ids(&snap.Groups, ByVPC, "vpc-1"))
	}
}

func TestGuardsStopASecondWriter(t *testing.T) {
	s, m := start(t)
	slow, fast := m.Begin(), m.Begin()
	for i, tx := range []*Tx{slow, fast} {
		tx.Guard("vpc-1")
		tx.Groups.Put(group(fmt.Sprint("sg-", i), "vpc-1", "same name"))
	}
	commit(t, s, m, fast)
	guards, writes, _ := slow.Commit()
	if _, err := s.Commit(t.Context(), guards, writes); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the second writer got %v, want ErrConflict", err)
	}
	unguarded := m.Begin()
	unguarded.Groups.Put(group("sg-9", "vpc-1", "x"))
	if _, _, err := unguarded.Commit(); err == nil {
		t.Error("a change without a guard was accepted")
	}
}

func TestReadOnlyTablesCannotBeWritten(t *testing.T) {
	_, m := start(t)
	defer func() {
		if recover() == nil {
			t.Error("a snapshot was written")
		}
	}()
	m.Snapshot().Groups.Put(group("sg-1", "vpc-1", "a"))
}

func TestSubscriptionsCoalesce(t *testing.T) {
	s, m := start(t)
	sub := m.Subscribe()
	defer sub.Close()
	if _, _, all, err := sub.Next(t.Context()); err != nil || !all {
		t.Fatalf("first: all %v, %v", all, err)
	}
	for i := range 3 {
		tx := m.Begin()
		tx.Guard("x")
		tx.Groups.Put(group("sg-1", "vpc-1", fmt.Sprint(i)))
		commit(t, s, m, tx)
	}
	snap, changed, all, err := sub.Next(t.Context())
	if err != nil || all || len(changed) != 1 || snap.Groups.Get("sg-1").Name != "2" {
		t.Errorf("after three changes of one row: %v, all %v, %v", changed, all, err)
	}
}

// TestASubscriptionNobodyReadsStaysSmall: rows come and go; a reader that has
// stopped is told to look at everything.
func TestASubscriptionNobodyReadsStaysSmall(t *testing.T) {
	_, m := start(t)
	sub := m.Subscribe()
	defer sub.Close()
	if _, _, _, err := sub.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range maxPending + 100 {
		sub.add([]Ref{{Kind: Groups, ID: fmt.Sprint("sg-", i)}})
		if len(sub.pending) > maxPending {
			t.Fatalf("%d names are held", len(sub.pending))
		}
	}
	if _, changed, all, err := sub.Next(t.Context()); err != nil || !all || len(changed) != 0 {
		t.Errorf("told of %d rows, all %v, %v", len(changed), all, err)
	}
}

func TestANewerStoreIsRefused(t *testing.T) {
	s, _ := start(t)
	if _, err := s.Commit(t.Context(), nil, []store.Write{{Key: schemaKey, Value: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), s, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("got %v", err)
	}
}
