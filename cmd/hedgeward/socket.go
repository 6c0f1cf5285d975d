// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/stream"
	"github.com/hedgeward/hedgeward/streaming"
)

// listenSocket opens the control socket: operators' commands, for root alone. The
// caller holds the state's lock.
func (s *state) listenSocket() (net.Listener, error) {
	l, err := localhttp.Listen(s.socket())
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	return l, nil
}

// operator is what the control socket offers.
type operator interface {
	Status() running
	InForce(host string) stream.Enforced
	Wait(context.Context, awaited) (revision int64, err error)
	quotas
	CutFlows(datapath.Filter) (int, error)
	Control() *control.Service
	Hosts() (*join.Server, control.Presence, error)
	Backup(ctx context.Context, to io.Writer) error
}

// serveSocket answers operators' commands until ctx ends. fresh returns once what
// commands look at is up to date.
func serveSocket(ctx context.Context, l net.Listener, op operator, fresh task) error {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, op.Status(), nil) })
	serveWait(mux, op, answer)
	serveQuotas(mux, op, answer)
	serveFlows(mux, op, answer)
	serveWhy(mux, op, answer)
	serveAccess(mux, op.Control)
	serveHosts(mux, op)
	streaming.Handle(mux, func() streaming.Service { return op.Control() })
	serveBackup(mux, op)
	upToDate := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" { // it says how things are, also while the store is away
			if err := fresh(r.Context()); err != nil {
				answer(w, nil, err)
				return
			}
		}
		mux.ServeHTTP(w, r)
	}
	return localhttp.Serve(ctx, "control socket", l, &http.Server{Handler: http.HandlerFunc(upToDate)})
}

// refusal is what the server said instead of doing what it was asked.
type refusal string

func (r refusal) Error() string { return string(r) }

// ask sends one operator's command to the process that serves the state folder
// and decodes its answer. It returns localhttp.ErrNobody if there is none.
func (s *state) ask(ctx context.Context, method, path string, into any) error {
	answer, err := s.call(ctx, method, path, nil)
	if refused := refusal(""); errors.As(err, &refused) {
		return fmt.Errorf("the server of %s: %w", s.dir, err)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// call sends a value, nil for none, to the process that serves the state folder
// and returns its answer, as JSON. It returns localhttp.ErrNobody if there is none, and
// a refusal if that process does not do it.
func (s *state) call(ctx context.Context, method, path string, value any) ([]byte, error) {
	var body io.Reader
	if value != nil {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://hedgeward"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := s.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the server of %s: %w", s.dir, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(strings.TrimSpace(string(answer)))
	}
	return answer, nil
}

// send sends a request to the process that serves the state folder. It returns
// localhttp.ErrNobody if there is none. The caller closes the answer's body.
func (s *state) send(req *http.Request) (*http.Response, error) {
	resp, err := localhttp.Do(s.socket(), req)
	if errors.Is(err, localhttp.ErrNobody) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("ask the server of %s: %w", s.dir, err)
	}
	return resp, nil
}
