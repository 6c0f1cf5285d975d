// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"time"
)

// Calls are the calls of the API that commits answered, for people who follow one.
type Calls struct {
	Newest []string  // ids, oldest first, at most callsKept
	More   int       // others; 1 for each commit of work of our own
	Since  time.Time // when the oldest of the commits was seen; zero: there is none, or it is too long ago
}

const (
	callsKept   = 16  // of a range of commits
	commitsKept = 128 // in memory
)

// seen is one commit as it came in.
type seen struct {
	revision int64
	calls    Calls
}

// recent are the newest commits, oldest first. The model's lock guards it.
type recent struct{ commits []seen }

// add notes a commit and the calls that it answers.
func (r *recent) add(revision int64, requests []string) {
	if len(r.commits) == commitsKept {
		r.commits = slices.Delete(r.commits, 0, commitsKept/2)
	}
	var c Calls
	c.Since = time.Now()
	c.take(requests, 0)
	if len(requests) == 0 {
		c.More = 1
	}
	r.commits = append(r.commits, seen{revision, c})
}

// take appends later calls.
func (c *Calls) take(requests []string, more int) {
	c.Newest = append(c.Newest, requests...)
	over := max(0, len(c.Newest)-callsKept)
	c.Newest, c.More = slices.Clone(c.Newest[over:]), c.More+more+over
}

// CallsIn returns the calls of the commits after a revision up to another one, as far
// as they are remembered: it is about what came in just now.
func (m *Model) CallsIn(after, upTo int64) Calls {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out Calls
	all := m.recent.commits
	first := len(all)
	for first > 0 && all[first-1].revision > after {
		first--
	}
	for _, s := range all[first:] {
		if s.revision > upTo {
			break
		}
		if out.Since.IsZero() {
			out.Since = s.calls.Since
		}
		out.take(s.calls.Newest, s.calls.More)
	}
	return out
}
