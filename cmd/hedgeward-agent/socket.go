// SPDX-License-Identifier: Apache-2.0

package main

import (
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

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/stream"
)

// status is what the socket answers.
type status struct {
	Host    string                     `json:"host"`
	Version string                     `json:"version"`
	Stream  stream.Status              `json:"stream"`
	Wanted  agent.Status               `json:"wanted"`
	Kernel  []datapath.InterfaceStatus `json:"kernel"`
	Strays  datapath.Strays            `json:"strays"`
}

// listen opens a socket of the agent, for root alone because the state folder is. The
// caller holds the state's lock, so a socket that is there already is a leftover.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the agent's socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the agent's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open the agent's socket: %w", err), l.Close())
	}
	return l, nil
}

// serveSocket answers commands on this host until ctx ends.
func serveSocket(ctx context.Context, l net.Listener, h *host) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		kernel, err := h.datapath.Interfaces()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		strays, err := h.datapath.Strays()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(status{h.identity.Host(), version, h.client.Status(), h.agent.Status(), kernel, strays})
	})
	return serveHTTP(ctx, "agent's socket", l, &http.Server{Handler: mux})
}

// serveHTTP serves a socket until ctx ends, and returns its cause.
func serveHTTP(ctx context.Context, what string, l net.Listener, srv *http.Server) error {
	srv.ReadHeaderTimeout = 5 * time.Second
	srv.BaseContext = func(net.Listener) context.Context { return ctx }
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the %s: %w", what, err)
	}
	return context.Cause(ctx)
}

// ask sends a request to the agent of the state folder.
func (s *state) ask(ctx context.Context, method, path string, into any) error {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket())
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://hedgeward-agent"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no agent runs on %s; what is in force stays. Start it with: hedgeward-agent run", s.dir)
	}
	if err != nil {
		return fmt.Errorf("ask the agent of %s: %w", s.dir, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("the agent of %s: %s", s.dir, strings.TrimSpace(string(text)))
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
