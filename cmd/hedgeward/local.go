// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/feed/teller"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/metrics/numbers"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/services"
	"github.com/hedgeward/hedgeward/streaming"
)

// host is the name of the machine whose instances up itself runs.
const host = "local"

// localHost runs and enforces the instances of this machine inside the process
// of the server. On other machines that is an agent's business.
type localHost struct {
	datapath *datapath.Datapath
	agent    *agent.Agent
	resolver netip.AddrPort // for names of others; the zero AddrPort: none
	attach   net.Listener
	delays   *numbers.Distribution // from a change's commit until it is in force
}

// errNoHost answers operators who ask a server for what only hosts have.
var errNoHost = errors.New("this server runs no instances itself; ask on the host that runs them")

// openLocalHost opens the enforcement of this machine and starts nothing. On an
// error what was opened is closed again and what is in force stays.
func openLocalHost(in *installation, o upOptions) (*localHost, error) {
	program, err := streaming.Programs(in.st.home(), "")
	if err != nil {
		return nil, err
	}
	h := &localHost{resolver: o.resolver, delays: numbers.NewDelays()}
	o.packets.Serves = services.Served
	if h.datapath, err = datapath.Open(datapath.Config{Dir: in.st.pins(), Log: in.log}); err != nil {
		return nil, err
	}
	if !h.datapath.Fresh() {
		o.packets.Grace = 0 // no flow was lost
	}
	if err := h.datapath.Configure(o.packets); err != nil {
		return nil, errors.Join(err, h.datapath.Close())
	}
	h.agent, err = agent.New(agent.Config{
		Datapath: h.datapath,
		Driver:   instance.Own{Netns: instance.NewNetns(instance.Config{StateDir: in.st.dir, Log: in.log})},
		Report: func(ctx context.Context, id string, observed secgroup.InstanceState, detail string) error {
			return in.control.ReportInstance(ctx, host, id, observed, detail)
		},
		Log:     in.log,
		Devices: instance.Devices{},
		Program: program,
		Uplink:  uplink(o),
		Applied: func(d *feed.Delta, took time.Duration) {
			h.applied(d, took)
			in.tracing.applied(d, took)
		},
	})
	if err == nil {
		h.attach, err = in.st.listenAttach()
	}
	if err != nil {
		return nil, errors.Join(err, h.datapath.Close())
	}
	return h, nil
}

// tasks are what runs while the installation does.
func (h *localHost) tasks(in *installation) []task {
	return append(h.attachTasks(in),
		func(ctx context.Context) error { return teller.Run(ctx, in.model, host, h.agent.Apply) },
		h.agent.Run,
		h.datapath.Run,
		func(ctx context.Context) error { return services.Serve(ctx, h.datapath, h.agent, h.resolver) },
	)
}

// applied notes what came into force.
func (h *localHost) applied(d *feed.Delta, took time.Duration) {
	if d.Origin.Waited > 0 {
		h.delays.Observe(d.Origin.Waited + took)
	}
}

// awaitFirst returns when the host judges by what the store said at a revision.
func (h *localHost) awaitFirst(ctx context.Context, revision int64) error {
	ctx, cancel := context.WithTimeout(ctx, awaitEnforced)
	defer cancel()
	return h.agent.Await(ctx, revision)
}

// Status implements operator.
func (in *installation) Status() running {
	if in.host == nil {
		return running{Server: in.holds()}
	}
	return running{Wanted: in.host.agent.Status()}
}

// CutFlows implements operator.
func (in *installation) CutFlows(f datapath.Filter) (int, error) {
	if in.host == nil {
		return 0, errNoHost
	}
	return in.host.datapath.Cut(f)
}
