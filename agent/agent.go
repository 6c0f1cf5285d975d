// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Datapath is what the agent asks of the kernel's side (package datapath).
type Datapath interface {
	Attach(datapath.Interface) error
	Detach(id string) error
	ReplacePolicy(old datapath.PolicyID, p *policy.Policy) (datapath.PolicyID, error)
	SetPolicy(iface string, p datapath.PolicyID, revision int64) error
	DeletePolicy(datapath.PolicyID) error
	PutAddress(datapath.Address) error
	DeleteAddress(vpc string, addr netip.Addr) error
	DeletePrefix(vpc string, p netip.Prefix) error
	SetRoutes(network string, routes []datapath.Route) error
	SetUplink(ifindex int) error
	SetOverlay(ifindex int, self netip.AddrPort) error
	SetVNIs(map[uint32]string) error
	Adopted() datapath.Adopted
	Interfaces() ([]datapath.InterfaceStatus, error)
}

// Driver makes instances (package instance).
type Driver interface {
	Ensure(context.Context, instance.Spec, instance.Attach) error
	Destroy(ctx context.Context, id string) error
	Forget(id string) error
	EnsureUplink(u instance.Uplink, attach func(device string, ifindex int) error) error
	EnsureOverlay(o instance.Overlay, attach func(device string, ifindex int) error) (changed bool, err error)
	RemoveOverlay() (removed []string, err error)
	List() ([]instance.Found, error)
}

// Devices are the devices of the host that somebody else made (instance.Devices).
type Devices interface {
	Find(name string) (instance.Device, error)
	At(index int) (instance.Device, error)
	Watch(ctx context.Context, changed func(name string, index int)) error
}

// Config is what an agent works with. Fields must be set unless they say what nil means.
type Config struct {
	Datapath Datapath
	Driver   Driver
	// Report tells the server what became of an instance. detail says why when
	// it is not what was wanted.
	Report func(ctx context.Context, id string, observed secgroup.InstanceState, detail string) error
	Log    *slog.Logger
	// Devices are where interfaces can be claimed for. nil: nowhere.
	Devices Devices
	// Uplink is the way to the internet, without its routes. The zero Uplink's far
	// end is the host's.
	Uplink instance.Uplink
	// Overlay is how other hosts reach this one. Without an address there is no way
	// to them.
	Overlay instance.Overlay
	// Applied is told of every delta that is in force, by the goroutine that brought
	// it in, and how long that took. nil: nobody is.
	Applied func(d *feed.Delta, took time.Duration)
	// Program returns the command that runs inside an instance as long as it
	// does, none when empty. nil: none ever.
	Program func(*feed.Instance) []string
}

// retryEvery is how often what failed is tried again.
const retryEvery = time.Second

// Agent brings one host in line. Apply and Run may be called at the same time.
type Agent struct {
	cfg Config

	mu         sync.Mutex
	ctx        context.Context  // of Run; nil until then
	applied    int64            // revision of the newest delta in force
	moved      chan struct{}    // closed and replaced whenever applied is, or a claim
	turned     chan struct{}    // closed and replaced whenever what judges an interface may have changed
	judgedBy   map[string]int64 // interface -> newest revision that judged it when somebody asked; see Behind
	groups     map[string]*feed.Group
	interfaces map[string]*feed.Interface
	addresses  map[feed.AddressKey]*feed.Address
	owned      map[string]map[feed.AddressKey]struct{} // interface -> the addresses that are its
	routes     map[string]*feed.Routes                 // by network
	uplink     *instance.Uplink                        // as it was wanted last; nil: not yet
	vnis       map[uint32]string                       // networks by number between hosts; nil: not told yet
	instances  map[string]*feed.Instance
	attached   map[string]device       // interface -> its device; programs are on it
	claims     map[string]*claim       // interface -> what became of the claim of its device
	closed     map[string]closed       // interfaces that are no longer wanted, until their devices are gone
	judged     map[string]*livePolicy  // attached interface -> the policy that judges it
	policies   map[string]*livePolicy  // newest by key; those of an earlier agent go when nothing uses them
	faults     map[string]error        // what could not be brought in line, by object; tried again
	failures   uint64                  // attempts that failed
	redo       map[string]func() error // how, by the same object
	workers    map[string]*worker      // by instance
	revivals   map[string]*revival     // of programs that ended, by instance
	running    sync.WaitGroup          // the workers' goroutines
}

// device is the host's end of an interface.
type device struct {
	name  string
	index int
	// claimed says that somebody else made it. It is not gone when nobody wants its
	// interface any more.
	claimed bool
}

// closed is an interface that drops everything. The programs stay on its device
// until that is gone: a device without them would be open to the host.
type closed struct {
	instance string // "" while nobody knows
	device   device
}

// New returns an agent that has been told nothing. What an earlier agent left in
// force stays in force until the first delta.
func New(cfg Config) (*Agent, error) {
	a := &Agent{
		cfg: cfg, moved: make(chan struct{}), turned: make(chan struct{}), judgedBy: map[string]int64{},
		groups: map[string]*feed.Group{}, interfaces: map[string]*feed.Interface{},
		addresses: map[feed.AddressKey]*feed.Address{}, instances: map[string]*feed.Instance{},
		owned:    map[string]map[feed.AddressKey]struct{}{},
		routes:   map[string]*feed.Routes{},
		attached: map[string]device{}, claims: map[string]*claim{}, closed: map[string]closed{}, judged: map[string]*livePolicy{}, policies: map[string]*livePolicy{},
		faults: map[string]error{}, redo: map[string]func() error{}, workers: map[string]*worker{},
		revivals: map[string]*revival{},
	}
	found, err := cfg.Datapath.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("see what is in force: %w", err)
	}
	for _, i := range found {
		a.attached[i.ID] = device{i.Device, i.Ifindex, i.Attached}
		if i.Attached {
			a.claims[i.ID] = &claim{seen: true}
		}
	}
	return a, nil
}

// Run makes and removes instances, enforces claimed devices that come, and tries
// again what failed, until ctx ends; then it waits for what is under way and returns
// the cause. Instances and enforcement stay.
func (a *Agent) Run(ctx context.Context) error {
	if a.cfg.Devices == nil {
		return a.run(ctx)
	}
	ctx, stop := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		stop(a.cfg.Devices.Watch(ctx, a.deviceChanged))
	}()
	err := a.run(ctx)
	stop(err)
	<-watched
	return err
}

func (a *Agent) run(ctx context.Context) error {
	a.mu.Lock()
	a.ctx = ctx
	for _, w := range a.workers {
		a.start(w)
	}
	a.mu.Unlock()
	tick, look := time.NewTicker(retryEvery), time.NewTicker(overlayEvery)
	defer tick.Stop()
	defer look.Stop()
	for {
		select {
		case <-look.C:
			a.mu.Lock()
			if a.cfg.Overlay.Address.IsValid() && a.applied != 0 {
				a.bringOverlay()
			}
			a.mu.Unlock()
		case <-tick.C:
			a.mu.Lock()
			a.retry()
			a.mu.Unlock()
		case <-ctx.Done():
			a.running.Wait()
			return context.Cause(ctx)
		}
	}
}

// try brings one object in line with do, now and, if it fails, again later. A
// later try of the same object replaces this one. The caller holds a.mu.
func (a *Agent) try(object string, do func() error) {
	err := do()
	if err == nil {
		delete(a.faults, object)
		delete(a.redo, object)
		return
	}
	if a.ctx != nil && a.ctx.Err() != nil {
		return // the agent stops: its successor begins with everything that is left
	}
	a.failures++
	if old := a.faults[object]; old == nil || old.Error() != err.Error() {
		a.cfg.Log.Error("cannot bring in line; what was in force stays", "object", object, "error", err)
	}
	a.faults[object], a.redo[object] = err, do
}

// retry tries everything that failed once more. The caller holds a.mu.
func (a *Agent) retry() {
	if len(a.redo) > 0 {
		defer a.turn()
	}
	for object, do := range a.redo {
		a.try(object, do)
	}
}

// Await returns when a delta of revision or later is in force on the host's
// interfaces.
func (a *Agent) Await(ctx context.Context, revision int64) error {
	for {
		a.mu.Lock()
		applied, moved := a.applied, a.moved
		a.mu.Unlock()
		if applied >= revision {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for revision %d to be in force (now %d): %w", revision, applied, context.Cause(ctx))
		}
	}
}
