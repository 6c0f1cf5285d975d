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
	"strings"
	"syscall"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// serveStreams is what the gateway asks of control.
func serveStreams(mux *http.ServeMux, ctl func() *control.Service, answer func(http.ResponseWriter, any, error)) {
	mux.HandleFunc("POST /streams/open", func(w http.ResponseWriter, r *http.Request) {
		var parameters string
		if err := json.NewDecoder(r.Body).Decode(&parameters); err != nil {
			answer(w, nil, err)
			return
		}
		stream, err := ctl().OpenStream(r.Context(), parameters)
		if refusal := (*secgroup.Error)(nil); errors.As(err, &refusal) {
			err = errors.New(refusal.Message)
		}
		answer(w, stream, err)
	})
	mux.HandleFunc("POST /streams/report", func(w http.ResponseWriter, r *http.Request) {
		var connected []string
		if err := json.NewDecoder(r.Body).Decode(&connected); err != nil {
			answer(w, nil, err)
			return
		}
		over, err := ctl().ReportStreams(r.Context(), connected)
		answer(w, over, err)
	})
}

// tell posts a value to the process that serves the state folder. It returns
// errNotRunning if there is none.
func (s *state) tell(ctx context.Context, path string, value, into any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hedgeward"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket())
	}}
	client := http.Client{Transport: transport}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return errNotRunning
	}
	if err != nil {
		return fmt.Errorf("ask the server of %s: %w", s.dir, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return errors.New(strings.TrimSpace(string(text)))
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
