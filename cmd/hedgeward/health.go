// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// health tells whoever distributes calls over several servers whether this one
// should get any. The zero value is not ready.
type health struct {
	l     net.Listener                    // nil: nobody asks
	phase atomic.Int32                    // starting, offered or withdrawn
	fresh func(ctx context.Context) error // nil error: the store answers and the model has caught up with it
}

const (
	starting int32 = iota
	offered
	withdrawn
)

// readyWithin bounds the look at the store.
const readyWithin = 2 * time.Second

var (
	errStarting = errors.New("starting")
	errDraining = errors.New("draining: this server is about to end")
)

// offer says that calls are answered from now on. Once withdrawn, it stays so.
func (h *health) offer() { h.phase.CompareAndSwap(starting, offered) }

// withdraw says that the server is about to end.
func (h *health) withdraw() { h.phase.Store(withdrawn) }

// ready returns nil when calls should come here.
func (h *health) ready(ctx context.Context) error {
	switch h.phase.Load() {
	case starting:
		return errStarting
	case withdrawn:
		return errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return h.fresh(ctx)
}

// handler answers /livez and /readyz: 200, or 503 with the reason.
func (h *health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := h.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}
