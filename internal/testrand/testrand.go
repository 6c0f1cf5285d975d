// SPDX-License-Identifier: Apache-2.0

// Package testrand gives tests a source of randomness that can be had again. The
// seed is logged; SEED=… in the environment chooses it. Only tests
// import it.
package testrand

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Seed returns the seed of this run, from SEED or else from the time, and logs
// how to repeat it. Print the seed of a failing case in its own message too.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatalf("read seed from the environment: %v", err)
		}
	}
	t.Logf("repeat with SEED=%d", seed)
	return seed
}

// New returns the source that belongs to seed. Equal seeds give equal sequences
// on every machine.
func New(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
}
