// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/metrics"
)

// remoteHosts are the machines that run a server's instances: they join, and
// then follow what they are told. up has none, but the host that it is.
type remoteHosts struct {
	listener net.Listener // for agents; nil: this server takes none, others may
	join     *join.Server
	serve    http.Handler // what hosts that joined are served
	present  presence
	counted  atomic.Pointer[metrics.Metrics]
}

// presence is control.Presence for whoever knows it once everything is open. The
// zero presence has nobody connected.
type presence struct {
	connected atomic.Pointer[func(host string) bool]
}

// Connected implements control.Presence.
func (p *presence) Connected(host string) bool {
	ask := p.connected.Load()
	return ask != nil && (*ask)(host)
}

// errNoRemoteHosts answers operators who speak of hosts to a process that is one.
var errNoRemoteHosts = errors.New("this process runs its instances itself, on the host local; hosts join a server: hedgeward server --agents")

// openRemoteHosts opens the address for agents, "" for none, and starts nothing.
func openRemoteHosts(address string) (*remoteHosts, error) {
	l, err := listenFor("agents", address)
	if err != nil {
		return nil, err
	}
	return &remoteHosts{listener: l, serve: http.NotFoundHandler()}, nil
}

// attend lets hosts be kept by r.
func (h *remoteHosts) attend(r join.Registry, log *slog.Logger) {
	h.join = join.NewServer(join.ServerConfig{Registry: r, Log: log, Refused: func(code string) {
		if m := h.counted.Load(); m != nil {
			m.HostRefused(code)
		}
	}})
}

// tasks are what runs for hosts while the installation does.
func (h *remoteHosts) tasks(counted *metrics.Metrics) []task {
	h.counted.Store(counted)
	tasks := []task{h.join.Run}
	if h.listener != nil {
		tasks = append(tasks, func(ctx context.Context) error {
			return serveHTTP(ctx, "agents", h.listener, h.join.HTTP(h.serve))
		})
	}
	return tasks
}

func (h *remoteHosts) close() error {
	if h.listener == nil {
		return nil
	}
	if err := h.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
