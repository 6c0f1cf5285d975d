// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"testing"

	"github.com/hedgeward/hedgeward/internal/testetcd"
	"github.com/hedgeward/hedgeward/store"
)

// BenchmarkCatchUp is what a read costs more on a cluster of three members with
// TLS than on an embedded store: alone, and with 64 reads at once.
func BenchmarkCatchUp(b *testing.B) {
	c := testetcd.Start(b, 3, nil)
	pair, err := tls.LoadX509KeyPair(c.File("member.pem"), c.File("member-key.pem"))
	if err != nil {
		b.Fatal(err)
	}
	ca, err := os.ReadFile(c.File("ca.pem"))
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	s, err := store.Dial(b.Context(), store.Cluster{Endpoints: c.Endpoints(), TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	m, err := Open(b.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	followed := make(chan struct{})
	go func() { defer close(followed); m.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-followed })
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			if err := m.CatchUp(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("64-at-once", func(b *testing.B) {
		b.SetParallelism(32) // of 2 CPUs
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := m.CatchUp(ctx); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
