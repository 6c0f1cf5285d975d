// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hedgeward/hedgeward/secgroup"
)

// order does what one command wants and returns what the command prints.
type order func(context.Context) (any, error)

// serveOrders adds commands of one kind to the control socket. They come as a
// value that has a verb; read returns that and what it does, nil if there is no
// such verb.
func serveOrders[O any](mux *http.ServeMux, path string, read func(O) (verb string, do order)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var o O
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&o); err != nil {
			http.Error(w, "the command cannot be read: "+err.Error(), http.StatusBadRequest)
			return
		}
		verb, do := read(o)
		if do == nil {
			http.Error(w, fmt.Sprintf("the server knows no command %q; is it of another version?", verb), http.StatusBadRequest)
			return
		}
		out, err := do(r.Context())
		var e *secgroup.Error
		switch {
		case errors.As(err, &e):
			http.Error(w, e.Message, http.StatusBadRequest)
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			json.NewEncoder(w).Encode(out)
		}
	})
}
