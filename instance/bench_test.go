// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"testing"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

// BenchmarkEnsure measures an instance with one interface: making and destroying
// it, and finding it as it should be, as after a restart of the process.
func BenchmarkEnsure(b *testing.B) {
	host, state := testnet.New(b), b.TempDir()
	driver := NewNetns(Config{StateDir: state})
	attach := func(string, string, int) error { return nil }
	ctx := context.Background()
	newSpec := func() Spec {
		return Spec{ID: randomID("i-"), Interfaces: []Interface{newInterface(0, 4)}}
	}
	b.Run("new", func(b *testing.B) {
		host.Do(func() {
			for b.Loop() {
				s := newSpec()
				if err := driver.Ensure(ctx, s, attach); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := driver.Destroy(ctx, s.ID); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	})
	s := newSpec()
	var err error
	host.Do(func() { err = driver.Ensure(ctx, s, attach) })
	if err != nil {
		b.Fatal(err)
	}
	b.Run("unchanged", func(b *testing.B) {
		host.Do(func() {
			for b.Loop() {
				if err := driver.Ensure(ctx, s, attach); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("exec", func(b *testing.B) {
		for b.Loop() {
			if status, err := Exec(ctx, s.ID, []string{"true"}, nil, nil, nil); status != 0 || err != nil {
				b.Fatal(status, err)
			}
		}
	})
	host.Do(func() { err = driver.Destroy(ctx, s.ID) })
	if err != nil {
		b.Fatal(err)
	}
}
