// SPDX-License-Identifier: Apache-2.0

// Package threeway compares three judges over random worlds and histories: the
// oracle, the compiled policy tables read in Go, and the loaded programs under
// the kernel's test run. What they once disagreed about is kept in testdata.
package threeway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/inforce"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/internal/testworld"
)

// duration returns how long the random part runs: THREEWAY=5m in the environment
// for more than the default.
func duration(t *testing.T) time.Duration {
	s := os.Getenv("THREEWAY")
	if s == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("read THREEWAY: %v", err)
	}
	return d
}

// errUnfit means that a scenario makes no sense, as shrinking may bring about.
var errUnfit = errors.New("a change of the history does not apply")

// judgePolicy plays the scenario through the oracle and compares each gate's
// question to the rules with the compiled tables.
func judgePolicy(s *testworld.Scenario) error {
	w, now := testworld.Clone(s.World), time.Duration(0)
	t := compile(w)
	for i, ev := range s.Events {
		switch {
		case ev.Change != nil:
			if ev.Change.Apply(w) != nil {
				return errUnfit
			}
			t = compile(w)
		case ev.Packet != nil:
			p := flow.Decode(ev.Packet.Frame(w))
			gate := w.Interfaces[ev.Packet.Gate]
			var err error
			if ev.Packet.Outside {
				err = t.compare(w, gate, flow.Ingress, p, nil)
			} else if err = t.compare(w, gate, flow.Egress, p, nil); err == nil {
				if to := w.Owner(gate.VPC, p.Dst); to != nil {
					err = t.compare(w, to, flow.Ingress, p, gate)
				}
			}
			if err != nil {
				return fmt.Errorf("event %d, %s: %w", i+1, ev, err)
			}
		}
		now += ev.Wait
	}
	return nil
}

// report shrinks a failing scenario and fails the test with it.
func report(t *testing.T, seed uint64, s *testworld.Scenario, judge func(*testworld.Scenario) error) {
	t.Helper()
	small := testworld.Shrink(s, func(s *testworld.Scenario) bool {
		err := judge(s)
		return err != nil && err != errUnfit
	})
	t.Fatalf("SEED=%d: %v\nshrunk (keep it in testdata):\n%s", seed, judge(small), small)
}

func TestTablesAgree(t *testing.T) {
	seed := testrand.Seed(t)
	options := testworld.Options{Events: 40, DelegatedPrefixes: true, PrefixLists: true}
	n := uint64(0)
	for end := time.Now().Add(duration(t) / 4); time.Now().Before(end); n++ {
		s := testworld.Random(testrand.New(seed+n), options)
		if err := judgePolicy(s); err != nil {
			report(t, seed+n, s, judgePolicy)
		}
	}
	t.Logf("%d worlds", n)
}

// corpus returns the scenarios of testdata by file name.
func corpus(t *testing.T) map[string]*testworld.Scenario {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("read the corpus: %d files, %v", len(files), err)
	}
	out := map[string]*testworld.Scenario{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if out[filepath.Base(name)], err = testworld.Parse(string(text)); err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
	}
	return out
}

func TestCorpus(t *testing.T) {
	k := inforce.New(t)
	for name, s := range corpus(t) {
		if err := judgePolicy(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := judge(k, s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
