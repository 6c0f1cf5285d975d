// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/stream"
	"github.com/hedgeward/hedgeward/streaming"
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

// listen opens a socket of the agent, for root alone. The caller holds the state's lock.
func listen(path string) (net.Listener, error) {
	l, err := localhttp.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("open the agent's socket: %w", err)
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
	mux.HandleFunc("GET /metrics", h.answerMetrics)
	streaming.Handle(mux, func() streaming.Service { return streams{h.client, h.home} })
	return localhttp.Serve(ctx, "agent's socket", l, &http.Server{Handler: mux})
}

// streams passes on to a server what this host's streaming programs ask.
type streams struct {
	*stream.Client
	home *streaming.Home
}

// ReportStreams implements streaming.Service.
func (s streams) ReportStreams(ctx context.Context, watched []secgroup.Watched, by secgroup.Door) (leave []string, err error) {
	reached := ""
	if by == (secgroup.Door{}) {
		reached = s.home.GatewayAddress()
	}
	return s.Client.ReportStreams(ctx, reached, watched, by)
}

// ask sends a request to the agent of the state folder.
func (s *state) ask(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://hedgeward-agent"+path, nil)
	if err != nil {
		return err
	}
	resp, err := localhttp.Do(s.socket(), req)
	if errors.Is(err, localhttp.ErrNobody) {
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
