// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hedgeward/hedgeward/metrics"
)

// newMetrics returns the metrics of this process.
func (in *installation) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Sources{
		Stored:     func() int64 { return in.model.Snapshot().Revision },
		Agent:      in.agent.Status,
		Interfaces: in.datapath.Interfaces,
	})
}

// listenMetrics opens the address for scrapes, nil for none.
func listenMetrics(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open the metrics: %w; choose another address with --metrics", err)
	}
	return l, nil
}

func closeMetrics(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// serveMetrics answers scrapes until ctx ends.
func serveMetrics(ctx context.Context, l net.Listener, scrape http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", scrape)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return context.Cause(ctx)
}
