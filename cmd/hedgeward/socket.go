// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/join"
)

// errNotRunning reports that no process serves the state folder.
var errNotRunning = errors.New("not running")

// listenSocket opens the control socket: operators' commands, for root alone
// because the state folder is. The caller holds the state's lock, so a socket
// that is there already is a leftover.
func (s *state) listenSocket() (net.Listener, error) {
	if err := os.Remove(s.socket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	l, err := net.Listen("unix", s.socket())
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(s.socket(), 0o600); err != nil { // who can write to it decides who has access
		return nil, errors.Join(fmt.Errorf("open the control socket: %w", err), l.Close())
	}
	return l, nil
}

// operator is what the control socket offers.
type operator interface {
	Status(ctx context.Context) (any, error)
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
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		v, err := op.Status(r.Context())
		answer(w, v, err)
	})
	serveWait(mux, op, answer)
	serveQuotas(mux, op, answer)
	serveFlows(mux, op, answer)
	serveWhy(mux, op, answer)
	serveAccess(mux, op.Control)
	serveHosts(mux, op)
	serveStreams(mux, op.Control, answer)
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
	srv := &http.Server{Handler: http.HandlerFunc(upToDate), ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return context.Cause(ctx)
}

// refusal is what the server said instead of doing what it was asked.
type refusal string

func (r refusal) Error() string { return string(r) }

// ask sends one operator's command to the process that serves the state folder
// and decodes its answer. It returns errNotRunning if there is none.
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
// and returns its answer, as JSON. It returns errNotRunning if there is none, and
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
// errNotRunning if there is none. The caller closes the answer's body.
func (s *state) send(req *http.Request) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket())
	}}}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("ask the server of %s: %w", s.dir, err)
	}
	return resp, nil
}
