// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/metrics/numbers"
)

// began is when the process did.
var began = time.Now()

// listenMetrics opens the address where Prometheus finds this host, nil for none.
func listenMetrics(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w; choose another address with --metrics", address, err)
	}
	return l, nil
}

// serveMetrics answers Prometheus until ctx ends.
func (h *host) serveMetrics(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", h.answerMetrics)
	return localhttp.Serve(ctx, "metrics", h.scrapes, &http.Server{Handler: mux, WriteTimeout: time.Minute})
}

// answerMetrics answers a scrape. It fails as a whole: a number that is missing looks
// like a quiet host.
func (h *host) answerMetrics(w http.ResponseWriter, _ *http.Request) {
	enforced, err := h.numbers.Read()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	process, err := numbers.Process(began)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var page bytes.Buffer
	if err := numbers.Write(&page, slices.Concat(enforced, numbers.Stream(h.client.Status(), h.identity.Expires()), process)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", numbers.TextType)
	_, _ = w.Write(page.Bytes()) // who is gone needs no answer
}

// applied notes what came into force.
func (h *host) applied(d *feed.Delta, took time.Duration) {
	if d.Origin.Waited > 0 {
		h.numbers.Delays.Observe(d.Origin.Waited + took)
	}
}
