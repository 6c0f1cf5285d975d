// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestCallsAreFollowedThroughCommits: by the server that made a commit and by one that
// only sees it.
func TestCallsAreFollowedThroughCommits(t *testing.T) {
	s, here := start(t)
	there := follow(t, s)
	begin := here.Snapshot().Revision
	var revisions []int64
	before := time.Now()
	for n, calls := range [][]string{{"a"}, {"b", "c"}, nil} {
		tx := here.Begin()
		tx.Guard("g")
		tx.Groups.Put(group(fmt.Sprint("sg-", n), "vpc-1", fmt.Sprint(n)))
		for _, call := range calls {
			tx.Answers(call)
		}
		revisions = append(revisions, commit(t, s, here, tx).Revision)
		if _, err := there.Await(t.Context(), revisions[n]); err != nil {
			t.Fatal(err)
		}
	}
	for name, m := range map[string]*Model{"its maker": here, "another server": there} {
		for _, c := range []struct {
			after, upTo int64
			want        []string
			more        int
		}{
			{begin, revisions[2], []string{"a", "b", "c"}, 1},
			{begin, revisions[0], []string{"a"}, 0},
			{revisions[0], revisions[1], []string{"b", "c"}, 0},
			{revisions[1], revisions[2], nil, 1},
			{revisions[2], revisions[2], nil, 0},
		} {
			got := m.CallsIn(c.after, c.upTo)
			if !slices.Equal(got.Newest, c.want) || got.More != c.more {
				t.Errorf("%s: the calls after %d up to %d are %v and %d, want %v and %d", name, c.after, c.upTo, got.Newest, got.More, c.want, c.more)
			}
			if c.after < c.upTo && (got.Since.Before(before) || time.Since(got.Since) < 0) || c.after == c.upTo && !got.Since.IsZero() {
				t.Errorf("%s: after %d up to %d since %v", name, c.after, c.upTo, got.Since)
			}
		}
	}
}

// TestCallsCostNoMemory: however many there are.
func TestCallsCostNoMemory(t *testing.T) {
	m := &Model{}
	many := make([]string, 1000)
	for revision := range int64(10 * commitsKept) {
		for i := range many {
			many[i] = fmt.Sprint(revision, "/", i)
		}
		m.recent.add(revision, many)
	}
	if n := len(m.recent.commits); n > commitsKept {
		t.Errorf("%d commits are kept", n)
	}
	last := int64(10*commitsKept - 1)
	got := m.CallsIn(last-2, last)
	if len(got.Newest) != callsKept || got.Newest[callsKept-1] != fmt.Sprint(last, "/999") || got.More != 2000-callsKept {
		t.Errorf("the newest calls are %v and %d", got.Newest, got.More)
	}
	if all := m.CallsIn(0, last); len(all.Newest) != callsKept || all.More >= 1000*10*commitsKept {
		t.Errorf("of all calls %d and %d are known", len(all.Newest), all.More)
	}
}
