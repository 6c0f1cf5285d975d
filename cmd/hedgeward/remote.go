// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/enforced"
	"github.com/hedgeward/hedgeward/feed/teller"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/metrics"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/stream"
)

// remoteHosts are the machines that run a server's instances: they join, and
// then follow what they are told. up has none, but the host that it is.
type remoteHosts struct {
	listener net.Listener // for agents; nil: this server takes none, others may
	join     *join.Server
	stream   *stream.Server // what hosts that joined are served
	view     *enforced.View // what all servers know of them
	present  presence
	counted  atomic.Pointer[metrics.Metrics]
}

// A host that says nothing for so long is asked, and has so long to answer.
const (
	hostSilent = 10 * time.Second
	hostAnswer = 5 * time.Second
)

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
	return &remoteHosts{listener: l}, nil
}

// attend makes what hosts are served from an installation's operations and model.
func (h *remoteHosts) attend(ctx context.Context, in *installation) error {
	epoch, err := in.store.Name(ctx)
	if err != nil {
		return err
	}
	refused := func(code string) {
		if m := h.counted.Load(); m != nil {
			m.HostRefused(code)
		}
	}
	h.join = join.NewServer(join.ServerConfig{Registry: in.control, Log: in.log, Refused: refused})
	replica, err := os.Hostname()
	if err != nil {
		replica = "unnamed"
	}
	h.stream = stream.NewServer(stream.ServerConfig{
		Hold: func(r *http.Request) (string, context.Context, func(), error) { return h.join.Hold(r.Context(), r.TLS) },
		Tell: func(host string) stream.Telling { return teller.Tell(in.model, host) },
		Report: func(ctx context.Context, host, id string, observed secgroup.InstanceState, detail string) error {
			return ofAnother(in.control.ReportInstance(ctx, host, id, observed, detail))
		},
		Claims: claims{in.control}, Streams: streams{in.control},
		InForce: in.tracing.inForce,
		Epoch:   epoch, Replica: replica, Version: version, Log: in.log, Refused: refused,
	})
	h.view = enforced.New(fmt.Sprintf("%s-%d-%s", replica, os.Getpid(), rand.Text()[:8]), in.store, h.stream, in.log)
	in.view = h.view
	connected := h.view.Connected
	h.present.connected.Store(&connected)
	return nil
}

// streams is what gateways and streaming instances of hosts ask.
type streams struct{ control *control.Service }

// OpenStream implements stream.Streams.
func (s streams) OpenStream(ctx context.Context, host, parameters string, by secgroup.Door) (*secgroup.Stream, error) {
	opened, err := control.HostStreams{Service: s.control, Host: host}.OpenStream(ctx, parameters, by)
	return opened, ofAnother(err)
}

// ReportStreams implements stream.Streams.
func (s streams) ReportStreams(ctx context.Context, host, reached string, watched []secgroup.Watched, by secgroup.Door) ([]string, error) {
	leave, err := control.HostStreams{Service: s.control, Host: host}.ReportStreams(ctx, reached, watched, by)
	return leave, ofAnother(err)
}

// ReportJoin implements stream.Streams.
func (s streams) ReportJoin(ctx context.Context, host, instance, trouble string) error {
	return ofAnother(control.HostStreams{Service: s.control, Host: host}.ReportJoin(ctx, instance, trouble))
}

// ofAnother says so in the stream's words if a host spoke of what is not its own.
func ofAnother(err error) error {
	if errors.Is(err, control.ErrNotOnHost) {
		return fmt.Errorf("%w: %w", stream.ErrForeign, err)
	}
	return err
}

// tasks are what runs for hosts while the installation does.
func (h *remoteHosts) tasks(counted *metrics.Metrics) []task {
	h.counted.Store(counted)
	tasks := []task{h.join.Run, h.view.Run}
	if h.listener != nil {
		tasks = append(tasks, func(ctx context.Context) error {
			srv := h.join.HTTP(h.stream)
			srv.HTTP2 = stream.Alive(hostSilent, hostAnswer)
			return localhttp.Serve(ctx, "agents", h.listener, srv)
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
