// SPDX-License-Identifier: Apache-2.0

package testrand_test

import (
	"testing"

	"github.com/hedgeward/hedgeward/internal/testrand"
)

func TestSeedFromEnvironment(t *testing.T) {
	t.Setenv("SEED", "0x2a")
	if got := testrand.Seed(t); got != 42 {
		t.Errorf("SEED=0x2a gives %d, want 42", got)
	}
}

func TestSeedFromTime(t *testing.T) {
	t.Setenv("SEED", "")
	if a, b := testrand.Seed(t), testrand.Seed(t); a == b {
		t.Errorf("two runs share the seed %d", a)
	}
}

func TestNewRepeats(t *testing.T) {
	a, b, other := testrand.New(7), testrand.New(7), testrand.New(8)
	for range 10 {
		x := a.Uint64()
		if y := b.Uint64(); x != y {
			t.Fatalf("equal seeds diverge: %d and %d", x, y)
		}
		if x == other.Uint64() {
			t.Fatal("different seeds agree")
		}
	}
}
