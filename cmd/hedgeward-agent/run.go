// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/attach/local"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/metrics/numbers"
	"github.com/hedgeward/hedgeward/services"
	"github.com/hedgeward/hedgeward/stream"
	"github.com/hedgeward/hedgeward/streaming"
)

// runOptions are the flags of run.
type runOptions struct {
	packets  datapath.Settings
	port     uint16         // of the network between hosts
	streams  string         // where users reach the streaming gateway, if that is on this host
	resolver netip.AddrPort // that instances' names of others are asked of
	logLevel slog.Level
	logJSON  bool
	metrics  string
}

func runCommand(st *state) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Make and enforce what the servers place on this host, until a signal",
		Long: "Follow the servers that this host has joined, make the instances that are placed on it and enforce their interfaces.\n\n" +
			"The end of the process ends nothing else: instances stay, enforcement stays, and the next run finds both. Without a server it\n" +
			"enforces what it was told last, which it keeps in the state folder.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), st, o) },
	}
	packets := flag.NewFlagSet("", flag.ContinueOnError)
	o.packets.Flags(packets)
	cmd.Flags().AddGoFlagSet(packets)
	cmd.Flags().TextVar(&o.resolver, "resolver", netip.AddrPort{},
		"`address:port` of the resolver for names that are not the installation's, which instances ask for at VPC base + 2; by default they are refused")
	cmd.Flags().StringVar(&o.streams, "streams", "",
		"`address:port` of this host at which users reach the streaming gateway, if that is placed here; by default a port of the loopback interface (docs/fleets.md)")
	cmd.Flags().Uint16Var(&o.port, "underlay-port", 4789, "UDP port of the network between hosts, the same on all of them")
	cmd.Flags().TextVar(&o.logLevel, "log-level", slog.LevelInfo, "what to log on standard error: debug (a line per delta), info, warn or error")
	cmd.Flags().StringVar(&o.metrics, "metrics", "", "address where Prometheus finds /metrics, such as 127.0.0.1:9464; none by default")
	cmd.Flags().BoolVar(&o.logJSON, "log-json", false, "log in JSON")
	return cmd
}

func (o runOptions) log() *slog.Logger {
	options := &slog.HandlerOptions{Level: o.logLevel}
	if o.logJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// host is everything that run works with, wired together.
type host struct {
	log      *slog.Logger
	identity *join.Identity
	datapath *datapath.Datapath
	agent    *agent.Agent
	resolver netip.AddrPort
	home     *streaming.Home
	client   *stream.Client
	socket   net.Listener
	attach   net.Listener
	scrapes  net.Listener // nil: none
	numbers  numbers.Host
}

func run(ctx context.Context, st *state, o runOptions) (err error) {
	log := o.log()
	if err := datapath.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(st.dir, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w; choose another with --state", err)
	}
	release, err := st.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	h, err := assemble(st, o, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.datapath.Close()) }()
	if err := h.serve(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// assemble opens everything and starts nothing. On an error what was opened is
// closed again and what is in force in the kernel stays.
func assemble(st *state, o runOptions, log *slog.Logger) (h *host, err error) {
	h = &host{log: log, resolver: o.resolver, home: st.home()}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()
	o.packets.Serves = services.Served
	if h.identity, err = join.LoadIdentity(st.dir, clock.Real{}, log); err != nil {
		return h, err
	}
	if h.datapath, err = datapath.Open(datapath.Config{Dir: st.pins(), Log: log}); err != nil {
		return h, err
	}
	if !h.datapath.Fresh() {
		o.packets.Grace = 0 // no flow was lost
	}
	if err := h.datapath.Configure(o.packets); err != nil {
		return h, err
	}
	h.client = stream.NewClient(stream.ClientConfig{
		Host: h.identity.Host(), Servers: h.servers, Dial: h.identity.DialTLS, Renewed: h.identity.Changed, Explain: h.identity.Explain,
		File: st.feed(), Log: log, Version: version,
	})
	h.numbers = numbers.Host{
		Agent: func() agent.Status { return h.agent.Status() }, Interfaces: h.datapath.Interfaces, Strays: h.datapath.Strays, Delays: numbers.NewDelays(),
	}
	program, err := streaming.Programs(h.home, o.streams)
	if err != nil {
		return h, err
	}
	h.agent, err = agent.New(agent.Config{
		Datapath: h.datapath,
		Driver:   instance.Own{Netns: instance.NewNetns(instance.Config{StateDir: st.dir, Log: log})},
		Report:   h.client.Report,
		Log:      log,
		Devices:  instance.Devices{},
		Program:  program,
		Uplink:   instance.Uplink{Unplugged: true},
		Overlay:  instance.Overlay{Address: h.identity.Underlay(), Port: int(o.port)},
		Applied:  h.applied,
	})
	if err != nil {
		return h, err
	}
	if h.scrapes, err = listenMetrics(o.metrics); err != nil {
		return h, err
	}
	if h.socket, err = listen(st.socket()); err != nil {
		return h, err
	}
	if h.attach, err = listen(st.attachSocket()); err != nil {
		return h, err
	}
	return h, nil
}

// close lets go of what was opened.
func (h *host) close() (err error) {
	for _, l := range []net.Listener{h.scrapes, h.socket, h.attach} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	if h.datapath != nil {
		err = errors.Join(err, h.datapath.Close())
	}
	return err
}

// servers returns where servers are, as the client wants them.
func (h *host) servers() []string {
	var out []string
	for _, url := range h.identity.Servers() {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/"))
	}
	return out
}

// serve does what the host was told last, then follows the servers until ctx ends
// or something fails. What is in force stays.
func (h *host) serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.agent.Run(ctx) })
	group.Go(func() error { return h.datapath.Run(ctx) })
	group.Go(func() error { return h.identity.Run(ctx) })
	group.Go(func() error { return serveSocket(ctx, h.socket, h) })
	if h.scrapes != nil {
		group.Go(func() error { return h.serveMetrics(ctx) })
	}
	group.Go(func() error { return services.Serve(ctx, h.datapath, h.agent, h.resolver) })
	attached := local.NewServer(claims{h.client}, h.agent, h.claimable, h.log)
	group.Go(func() error { return attached.Run(ctx) })
	group.Go(func() error { return h.serveAttach(ctx, attached) })
	group.Go(func() error {
		if _, err := h.client.Load(h.agent); err != nil {
			return err
		}
		if err := notify("READY=1"); err != nil {
			h.log.Warn("cannot tell systemd", "error", err)
		}
		return h.client.Run(ctx, h.agent)
	})
	return group.Wait()
}

// notify tells the service manager, if there is one, by the protocol of
// sd_notify(3).
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	_, err = c.Write([]byte(state))
	return errors.Join(err, c.Close())
}
