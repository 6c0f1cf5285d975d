// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// streamRequest is what a gateway has to open.
type streamRequest struct {
	Parameters string
	Door       control.Door
}

// streamReport is which sessions have users at a gateway.
type streamReport struct {
	Connected []string
	Door      control.Door
}

// serveStreams is what the gateway asks of control.
func serveStreams(mux *http.ServeMux, ctl func() *control.Service, answer func(http.ResponseWriter, any, error)) {
	mux.HandleFunc("POST /streams/open", func(w http.ResponseWriter, r *http.Request) {
		var ask streamRequest
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			answer(w, nil, err)
			return
		}
		stream, err := ctl().OpenStream(r.Context(), ask.Parameters, ask.Door)
		if refusal := (*secgroup.Error)(nil); errors.As(err, &refusal) {
			err = errors.New(refusal.Message)
		}
		answer(w, stream, err)
	})
	mux.HandleFunc("POST /streams/joined", func(w http.ResponseWriter, r *http.Request) {
		var outcome joinOutcome
		if err := json.NewDecoder(r.Body).Decode(&outcome); err != nil {
			answer(w, nil, err)
			return
		}
		answer(w, struct{}{}, ctl().ReportJoin(r.Context(), outcome.Instance, outcome.Trouble))
	})
	mux.HandleFunc("POST /streams/report", func(w http.ResponseWriter, r *http.Request) {
		var now streamReport
		if err := json.NewDecoder(r.Body).Decode(&now); err != nil {
			answer(w, nil, err)
			return
		}
		over, err := ctl().ReportStreams(r.Context(), now.Connected, now.Door)
		answer(w, over, err)
	})
}

// tell posts a value to the process that serves the state folder. It returns
// localhttp.ErrNobody if there is none.
func (s *state) tell(ctx context.Context, path string, value, into any) error {
	answer, err := s.call(ctx, http.MethodPost, path, value)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}
