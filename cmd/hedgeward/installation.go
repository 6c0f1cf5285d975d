// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/appstream"
	"github.com/hedgeward/hedgeward/awsapi/ec2"
	"github.com/hedgeward/hedgeward/awsapi/sts"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed/teller"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/metrics"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

const (
	host          = "local" // the one host of this installation
	startTimeout  = 30 * time.Second
	purgeEvery    = 5 * time.Minute
	awaitEnforced = 30 * time.Second
)

// installation is everything that up runs in one process, wired together.
type installation struct {
	st       *state
	log      *slog.Logger
	region   string
	throttle awsapi.Rates
	window   time.Duration
	store    *store.Store
	model    *model.Model
	control  *control.Service
	datapath *datapath.Datapath
	agent    *agent.Agent
	socket   net.Listener
	scrapes  net.Listener // nil: none
	key      *secgroup.AccessKey
}

// assemble opens everything and starts nothing. On an error what was opened is
// closed again and what is in force in the kernel stays.
func assemble(ctx context.Context, st *state, o upOptions, log *slog.Logger) (in *installation, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := datapath.Check(); err != nil {
		return nil, err
	}
	if err := checkPool(o.public); err != nil {
		return nil, err
	}
	in = &installation{st: st, log: log, region: o.region, throttle: o.throttle, window: o.window}
	defer func() {
		if err != nil {
			err = errors.Join(err, in.close())
			in = nil
		}
	}()
	if in.store, err = store.Embedded(ctx, st.store()); err != nil {
		return in, err
	}
	if in.model, err = model.Open(ctx, in.store, log); err != nil {
		return in, err
	}
	seal, err := st.seal()
	if err != nil {
		return in, err
	}
	in.control = control.New(in.store, in.model, control.Config{
		Host: host, Log: log, Seal: seal,
		Images: images(), Gateway: st.gatewayAddress, RequirePeers: o.requirePeers, PublicPool: o.public,
	})
	if _, served := in.control.Region(o.region); !served {
		return in, fmt.Errorf("this installation does not serve Region %q; choose another with --region", o.region)
	}
	if in.datapath, err = datapath.Open(datapath.Config{Dir: st.pins(), Log: log}); err != nil {
		return in, err
	}
	program, err := streamingPrograms(st)
	if err != nil {
		return in, err
	}
	in.agent, err = agent.New(agent.Config{
		Datapath: in.datapath,
		Driver:   ownInstances{instance.NewNetns(instance.Config{StateDir: st.dir, Log: log}), st},
		Report:   in.control.ReportInstance,
		Log:      log,
		Program:  program,
		Uplink:   uplink(o),
	})
	if err != nil {
		return in, err
	}
	in.socket, err = st.listenSocket()
	return in, err
}

// close lets go of everything; what is in force stays in force.
func (in *installation) close() error {
	var errs []error
	errs = append(errs, closeMetrics(in.scrapes))
	if in.socket != nil {
		errs = append(errs, in.socket.Close())
	}
	if in.datapath != nil {
		errs = append(errs, in.datapath.Close())
	}
	if in.store != nil {
		errs = append(errs, in.store.Close())
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// serve runs everything until ctx ends or something fails, and closes it. ready
// is called once calls are answered. The API stops first, so that no call is cut
// off half-way.
func (in *installation) serve(ctx context.Context, api net.Listener, ready func()) (err error) {
	defer func() { err = errors.Join(err, in.close()) }()
	defer api.Close()
	run, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(context.Canceled)
	group, run := errgroup.WithContext(run)
	group.Go(func() error { return in.model.Run(run) })
	group.Go(func() error { return in.control.Run(run) })
	group.Go(func() error { return teller.Run(run, in.model, host, in.agent.Apply) })
	group.Go(func() error { return in.agent.Run(run) })
	group.Go(func() error { return in.datapath.Run(run) })
	group.Go(func() error { return serveSocket(run, in.socket, in) })
	group.Go(func() error { return in.purge(run) })
	group.Go(func() error { return in.control.RunFleets(run) })
	counted := in.newMetrics()
	if in.scrapes != nil {
		group.Go(func() error { return serveMetrics(run, in.scrapes, counted.Handler()) })
	}
	group.Go(func() error {
		select {
		case err := <-in.store.Failed():
			return fmt.Errorf("the store stopped: %w", err)
		case <-run.Done():
			return context.Cause(run)
		}
	})
	group.Go(func() error {
		err := in.answer(ctx, run, api, counted, ready)
		stop(err)
		return err
	})
	return group.Wait()
}

// answer makes what a new installation is born with and serves the API until ctx
// or run ends.
func (in *installation) answer(ctx, run context.Context, api net.Listener, counted *metrics.Metrics, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(run, func() { cancel(context.Cause(run)) })()
	key, _, err := in.control.Bootstrap(ctx)
	if err != nil {
		return fmt.Errorf("make the first account: %w", err)
	}
	in.key = key
	if err := in.control.EnsureRegion(ctx, secgroup.Scope{Account: key.Account, Region: in.region}); err != nil {
		return fmt.Errorf("make the default VPC of %s: %w", in.region, err)
	}
	if err := in.st.writeProfile(key, "http://"+api.Addr().String(), in.region); err != nil {
		return err
	}
	audit := in.st.audit(in.log)
	defer audit.Close()
	server, err := awsapi.New(awsapi.Config{
		Audit:       audit,
		Services:    []*awsapi.Service{ec2.New(in.control), sts.New(in.control), appstream.New(in.control)},
		Credentials: credentials{in.control},
		Sessions:    in.control,
		Authorizer: awsapi.ByService{
			"ec2":       ec2.NewAuthorizer(in.control),
			"sts":       sts.Authorizer{},
			"appstream": appstream.NewAuthorizer(in.control),
		},
		Regions: func(name string) bool { _, served := in.control.Region(name); return served },
		Now:     time.Now,
		Log:     in.log,

		Called:   counted.Called,
		Throttle: in.throttle,
		Window:   in.window,
	})
	if err != nil {
		return err
	}
	if _, err := in.Wait(ctx); err != nil {
		return err
	}
	ready()
	if err := server.Serve(ctx, api); err != nil {
		return err
	}
	return context.Cause(ctx)
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

// Wait returns the store's revision once it is in force on this host.
func (in *installation) Wait(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, awaitEnforced)
	defer cancel()
	revision := in.model.Snapshot().Revision
	return revision, in.agent.Await(ctx, revision)
}

// credentials finds access keys for the API server.
type credentials struct{ control *control.Service }

// Lookup implements awsapi.Credentials.
func (c credentials) Lookup(_ context.Context, id string) (string, awsapi.Caller, bool) {
	key := c.control.AccessKey(id)
	if key == nil || key.Disabled {
		return "", awsapi.Caller{}, false
	}
	return key.Secret, awsapi.Caller{Account: key.Account, User: key.User, UserID: key.UserID, ARN: key.ARN()}, true
}
