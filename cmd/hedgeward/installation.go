// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/enforced"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/metrics"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

const (
	startTimeout  = 30 * time.Second
	purgeEvery    = 5 * time.Minute
	awaitEnforced = 30 * time.Second
)

// installation is what up and server have in common: a store, its model, the
// operations on it, and those who call them. up adds the host that it runs on,
// server the hosts that come to it.
type installation struct {
	serving
	st      *state
	log     *slog.Logger
	store   *store.Store
	model   *model.Model
	control *control.Service
	host    *localHost   // nil: instances run on other machines only
	remote  *remoteHosts // nil: instances run on this machine only
	view    *enforced.View
	health  health
	tracing tracing
	profile string              // URL of the API in the AWS profile
	key     *secgroup.AccessKey // set before ready

	socket  net.Listener
	scrapes net.Listener // nil: none

	drain time.Duration // from being told to end until calls are no longer taken
}

// task is something that runs until its context ends, and returns its cause.
type task = func(context.Context) error

// assemble puts the operations on a store, which close closes. It starts nothing.
// remote is nil where instances run in this process.
func assemble(ctx context.Context, st *state, o serving, s *store.Store, remote *remoteHosts, seal *access.Seal, log *slog.Logger) (in *installation, err error) {
	in = &installation{serving: o, st: st, log: log, store: s, remote: remote}
	defer func() {
		if err != nil {
			err = errors.Join(err, in.close())
			in = nil
		}
	}()
	if err := checkPool(o.public); err != nil {
		return in, err
	}
	if in.model, err = model.Open(ctx, s, log); err != nil {
		return in, err
	}
	cfg := control.Config{
		Host: host, Log: log, Seal: seal,
		Images: images(), RequirePeers: o.requirePeers, PublicPool: o.public,
	}
	if remote != nil {
		cfg.Presence = &remote.present
	} else {
		cfg.Gateway = st.home().GatewayAddress
	}
	if err := in.openTracing(ctx); err != nil {
		return in, err
	}
	cfg.Committed = in.tracing.committed
	cfg.InForce = func(host string) (int64, map[string]int64) {
		e := in.view.Of(host)
		return e.Revision, e.Behind
	}
	in.control = control.New(s, in.model, cfg)
	if remote != nil {
		if err := remote.attend(ctx, in); err != nil {
			return in, err
		}
	}
	in.health.fresh = in.control.Ready
	if _, served := in.control.Region(o.region); !served {
		return in, fmt.Errorf("this installation does not serve Region %q; choose another with --region", o.region)
	}
	if in.scrapes, err = listenFor("metrics", o.metrics); err != nil {
		return in, err
	}
	in.socket, err = st.listenSocket()
	return in, err
}

// listenFor opens an address that a flag names, nil for none.
func listenFor(flag, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w; choose another address with --%s", address, err, flag)
	}
	return l, nil
}

// close lets go of everything; what is in force stays in force.
func (in *installation) close() error {
	var errs []error
	for _, l := range []net.Listener{in.scrapes, in.health.l, in.socket} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if in.host != nil {
		errs = append(errs, in.host.datapath.Close())
		if err := in.host.attach.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if in.remote != nil {
		errs = append(errs, in.remote.close())
	}
	return errors.Join(append(errs, in.tracing.close(), in.store.Close())...)
}

// serve runs everything until ctx ends or something fails, and closes it. ready
// is called once calls are answered. The API stops first, so that no call is cut
// off half-way: once ctx has ended, readiness is withdrawn, then no more calls
// are taken, then those under way are finished, then all else ends.
func (in *installation) serve(ctx context.Context, api net.Listener, ready func()) (err error) {
	defer func() { err = errors.Join(err, in.close()) }()
	defer api.Close()
	run, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(context.Canceled)
	group, run := errgroup.WithContext(run)
	counted := in.newMetrics()
	for _, t := range in.tasks(counted) {
		group.Go(func() error { return t(run) })
	}
	calls, end := context.WithCancelCause(run)
	defer end(nil)
	group.Go(func() error {
		select {
		case <-ctx.Done():
			in.health.withdraw()
			if in.remote != nil {
				in.remote.stream.Leave() // hosts find another server meanwhile
			}
			pause(run, in.drain)
			end(context.Cause(ctx))
		case <-run.Done():
		}
		return nil
	})
	group.Go(func() error {
		err := in.answer(calls, api, counted, ready)
		stop(err)
		return err
	})
	return group.Wait()
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// tasks are what runs beside the API.
func (in *installation) tasks(counted *metrics.Metrics) []task {
	tasks := []task{in.model.Run, in.control.Run, in.untilStoreFails, in.electedTasks,
		func(ctx context.Context) error { return serveSocket(ctx, in.socket, in, in.control.Fresh) }}
	if in.scrapes != nil {
		tasks = append(tasks, func(ctx context.Context) error {
			mux := http.NewServeMux()
			mux.Handle("GET /metrics", counted.Handler())
			return localhttp.Serve(ctx, "metrics", in.scrapes, &http.Server{Handler: mux, WriteTimeout: time.Minute})
		})
	}
	if in.health.l != nil {
		tasks = append(tasks, func(ctx context.Context) error {
			return localhttp.Serve(ctx, "health", in.health.l, &http.Server{Handler: in.health.handler(), WriteTimeout: time.Minute})
		})
	}
	if in.remote != nil {
		tasks = append(tasks, in.remote.tasks(counted)...)
	}
	if in.host != nil {
		tasks = append(tasks, in.host.tasks(in)...)
	}
	return tasks
}

// electedTasks runs what one server of an installation does for all, while this
// one is elected. All of it acts by commits on what the store says.
func (in *installation) electedTasks(ctx context.Context) error {
	name, err := os.Hostname()
	if err != nil {
		name = "unnamed"
	}
	return in.store.Elected(ctx, "loops", fmt.Sprintf("%s/%d", name, os.Getpid()), func(ctx context.Context) error {
		in.log.Info("elected to bring fleets in line and to forget what is over")
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return in.control.RunFleets(ctx) })
		group.Go(func() error { return in.purge(ctx) })
		return group.Wait()
	})
}

// untilStoreFails returns when an embedded store has stopped by itself.
func (in *installation) untilStoreFails(ctx context.Context) error {
	select {
	case err := <-in.store.Failed():
		return fmt.Errorf("the store stopped: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// purge forgets instances that have been terminated long enough.
func (in *installation) purge(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := in.control.PurgeTerminated(ctx); err != nil {
				in.log.Warn("cannot forget terminated instances", "error", err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
