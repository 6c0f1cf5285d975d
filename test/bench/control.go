// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed/teller"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// controlMode is the argument with which this program starts itself, in a
// namespace that it takes for the host's, to measure everything above the
// kernel: a whole installation in one process.
const controlMode = "control"

const (
	region = "us-east-1"
	host   = "local"
)

// errand is what such a process is told on its standard input.
type errand struct {
	Part    string // "api" or "changes"
	Dir     string // for the store and instances; the parent removes it
	Pins    string
	Groups  []int
	Members []int

	GroupRules       []int
	VPCs, Interfaces int // in the store when the API is measured

	Changes int
	Slice   time.Duration
	Short   bool
	Profile string // file, "" for none
}

// controlRows runs one part in a process of its own.
func (r *run) controlRows(ctx context.Context, part string) (rows []row, err error) {
	r.progress("%s", part)
	s, err := newSpace()
	if err != nil {
		return nil, err
	}
	defer s.close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	e := errand{
		Part: part, Dir: filepath.Join(r.dir, part), Pins: filepath.Join(bpffs, fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), part)),
		Groups: r.options.groups, Members: r.options.members, GroupRules: r.options.groupRules, VPCs: 100, Interfaces: 20000, Changes: r.options.changes, Slice: 5 * r.options.slice, Short: r.options.short,
	}
	if e.Short {
		e.VPCs, e.Interfaces = 2, 100
	}
	if r.profile != "" {
		if e.Profile, err = filepath.Abs(filepath.Join(r.profile, part+".pprof")); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, self, controlMode)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.start(cmd, -1); err != nil {
		return nil, err
	}
	err = json.NewEncoder(in).Encode(e)
	if decodeErr := json.NewDecoder(out).Decode(&rows); err == nil && decodeErr != io.EOF {
		err = decodeErr
	}
	// Its standard input stays open until it has ended: it stops when we do.
	if waitErr := cmd.Wait(); waitErr != nil {
		err = waitErr
	}
	return rows, err
}

// controlMain is the process that controlRows starts.
func controlMain(in io.Reader, out io.Writer) (err error) {
	var e errand
	if err := json.NewDecoder(in).Decode(&e); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Minute, errors.New("it took longer than ten minutes"))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	go func() {
		io.Copy(io.Discard, in)
		stop(errors.New("the run has ended"))
	}()
	i, err := assemble(ctx, e)
	if err != nil {
		return err
	}
	measure := i.apiRows
	if e.Part == "changes" {
		measure = i.changeRows
	}
	if e.Profile != "" {
		f, err := os.Create(e.Profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("profile: %w", err), i.close())
		}
		defer f.Close()
	}
	rows, err := measure(ctx)
	pprof.StopCPUProfile()
	if err = errors.Join(err, i.close()); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(rows)
}

// installation is what `hedgeward up` wires together, with larger quotas.
type installation struct {
	errand
	store    *store.Store
	model    *model.Model
	control  *control.Service
	datapath *datapath.Datapath
	agent    *agent.Agent
	driver   *instance.Netns
	key      *secgroup.AccessKey
	caller   control.Caller
	endpoint string // of the API
	bare     string // of a server that says the same few bytes to everybody

	stop    context.CancelFunc
	running sync.WaitGroup
}

func assemble(ctx context.Context, e errand) (_ *installation, err error) {
	i := &installation{errand: e, stop: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	quiet := slog.New(slog.DiscardHandler)
	if i.store, err = store.Embedded(ctx, filepath.Join(e.Dir, "store")); err != nil {
		return nil, err
	}
	if i.model, err = model.Open(ctx, i.store, quiet); err != nil {
		return nil, err
	}
	const many = 1 << 20
	i.control = control.New(i.store, i.model, control.Config{
		Host: host, Log: slog.New(slog.DiscardHandler),
		Images: []control.Image{{ID: "ami-netns"}},
		Quotas: control.Quotas{GroupsPerRegion: many, RulesPerGroup: 2000, InterfacesPerRegion: many, VPCsPerRegion: 100},
	})
	if i.datapath, err = datapath.Open(datapath.Config{Dir: e.Pins, Log: quiet}); err != nil {
		return nil, err
	}
	i.driver = instance.NewNetns(instance.Config{StateDir: e.Dir, StopGrace: 200 * time.Millisecond, Log: quiet})
	report := func(ctx context.Context, id string, observed secgroup.InstanceState, detail string) error {
		return i.control.ReportInstance(ctx, host, id, observed, detail)
	}
	i.agent, err = agent.New(agent.Config{Datapath: i.datapath, Driver: alone{i.driver}, Report: report, Log: quiet})
	if err != nil {
		return nil, err
	}
	var run context.Context
	run, i.stop = context.WithCancel(context.Background())
	for _, f := range []func(context.Context) error{
		i.model.Run, i.control.Run, i.agent.Run, i.datapath.Run,
		func(ctx context.Context) error { return teller.Run(ctx, i.model, host, i.agent.Apply) },
	} {
		i.running.Go(func() { f(run) })
	}
	if i.key, _, err = i.control.Bootstrap(ctx); err != nil {
		return nil, err
	}
	i.caller = control.Caller{Scope: secgroup.Scope{Account: i.key.Account, Region: region}}
	if err := i.control.EnsureRegion(ctx, i.caller.Scope); err != nil {
		return nil, err
	}
	return i, i.listen(run)
}

// listen serves the API, and beside it the least that HTTP can be.
func (i *installation) listen(run context.Context) error {
	server, err := awsapi.New(awsapi.Config{
		Services: []*awsapi.Service{ec2.New(i.control)}, Credentials: credentials{i.control}, Authorizer: awsapi.AllowAll{},
		Regions: func(string) bool { return true }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, api.Close())
	}
	least := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write([]byte("<ok/>"))
	})}
	i.endpoint, i.bare = "http://"+api.Addr().String(), "http://"+bare.Addr().String()
	i.running.Go(func() { server.Serve(run, api) })
	i.running.Go(func() { least.Serve(bare) })
	context.AfterFunc(run, func() { least.Close() })
	return nil
}

// close stops everything and takes away what is in the kernel.
func (i *installation) close() error {
	i.stop()
	i.running.Wait()
	var errs []error
	if i.driver != nil {
		found, err := alone{i.driver}.List()
		errs = append(errs, err)
		for _, f := range found {
			errs = append(errs, i.driver.Destroy(context.Background(), f.ID))
		}
	}
	if i.datapath != nil {
		errs = append(errs, i.datapath.Close())
	}
	_, err := datapath.Remove(i.Pins)
	errs = append(errs, err)
	if i.store != nil {
		errs = append(errs, i.store.Close())
	}
	return errors.Join(errs...)
}

// alone is the driver, seeing only instances whose devices are in this namespace.
type alone struct{ *instance.Netns }

func (a alone) List() (own []instance.Found, err error) {
	all, err := a.Netns.List()
	for _, f := range all {
		if len(f.Interfaces) > 0 {
			own = append(own, f)
		}
	}
	return own, err
}

// credentials finds access keys for the API server.
type credentials struct{ control *control.Service }

// Lookup implements awsapi.Credentials.
func (c credentials) Lookup(_ context.Context, id string) (string, awsapi.Caller, bool) {
	key := c.control.AccessKey(id)
	if key == nil {
		return "", awsapi.Caller{}, false
	}
	return key.Secret, awsapi.Caller{Account: key.Account, User: key.User, UserID: key.UserID, ARN: key.ARN()}, true
}

// settle lets garbage of what came before be none of what comes next.
func settle() { runtime.GC() }
