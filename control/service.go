// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// Caller is on whose behalf an operation runs: it sees and changes only what
// lives in its scope.
type Caller struct {
	secgroup.Scope
	ARN string // of the principal, for records
}

// Config holds what an installation decides. Zero fields mean the default
// beside them.
type Config struct {
	Regions []Region         // DefaultRegions
	Quotas  Quotas           // DefaultQuotas; SetQuota changes them for one account and Region
	Host    string           // "local": the agent that runs every instance
	Images  []Image          // none: what instances can be made from
	Now     func() time.Time // time.Now
	Seal    *access.Seal     // one that ends with the process: closes secrets and session tokens
	Log     *slog.Logger     // discards

	// PublicPool is the IPv4 block that public addresses come from; its first four
	// addresses and its last are never given. Zero: DefaultPublicPool.
	PublicPool netip.Prefix

	// Gateway returns where users reach the streaming gateway, as host:port, ""
	// while they cannot. nil: never.
	Gateway func() string

	// DeadPeerings is how long a peering connection that is over stays visible at
	// most. Zero: as long as EC2 shows it, 2 hours to 2 days.
	DeadPeerings time.Duration

	// RequirePeers refuses permissions that name no peer. EC2 accepts them and adds
	// no rule (docs/spec/ec2-api.md section 16, point 1).
	RequirePeers bool
}

// Service runs operations. It is safe for concurrent use; operations wait until
// Run runs.
type Service struct {
	store     *store.Store
	model     *model.Model
	regions   []Region
	installed Quotas // of scopes that have no others
	host      string
	images    []Image
	now       func() time.Time
	seal      *access.Seal
	parsed    parsed // policy documents in use
	log       *slog.Logger
	queue     chan *request // capacity queued; a full one makes callers wait
	stopped   chan struct{} // closed when Run has returned

	deadPeerings time.Duration // see Config
	publicPool   netip.Prefix
	gateway      func() string
	requirePeers bool // see Config
}

// New returns a Service on a model and the store that it follows.
func New(s *store.Store, m *model.Model, cfg Config) *Service {
	svc := &Service{
		store: s, model: m, regions: cfg.Regions, installed: cfg.Quotas.withDefaults(), host: cfg.Host, images: cfg.Images,
		seal: cfg.Seal, log: cfg.Log, queue: make(chan *request, queued),
		stopped: make(chan struct{}),
	}
	svc.deadPeerings, svc.publicPool, svc.requirePeers = cfg.DeadPeerings, cfg.PublicPool, cfg.RequirePeers
	if !svc.publicPool.IsValid() {
		svc.publicPool = DefaultPublicPool
	}
	svc.gateway = cfg.Gateway
	if svc.regions == nil {
		svc.regions = DefaultRegions()
	}
	if svc.host == "" {
		svc.host = "local"
	}
	if svc.seal == nil {
		svc.seal = processSeal()
	}
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	svc.now = func() time.Time { return now().Round(0) } // as the store keeps it
	if svc.log == nil {
		svc.log = slog.New(slog.DiscardHandler)
	}
	return svc
}

// RequiresPeers reports whether a permission has to name a peer; see
// Config.RequirePeers. Callers refuse it with what else is wrong with its form.
func (s *Service) RequiresPeers() bool { return s.requirePeers }

// Read returns a snapshot that holds every answered write.
func (s *Service) Read() *model.Snapshot { return s.model.Snapshot() }

const (
	queued   = 1024 // operations that wait for the committer
	maxBatch = 256  // operations in one commit
	retries  = 100  // conflicts with other servers before a batch gives up
)

// request is one operation that waits for the committer.
type request struct {
	ctx  context.Context
	edit func(*model.Tx) error
	err  error         // valid once done is closed
	done chan struct{} // closed when the outcome is durable and visible
}

// write runs edit as a transaction of scope. When it returns nil, the changes
// are durable and every later read sees them; otherwise nothing changed. edit
// may run more than once and must depend on its Tx alone.
//
// All operations of this process go through one committer: it runs whatever is
// waiting, one after the other, on one transaction and commits that once, so
// operations never conflict with each other and share the cost of the disk.
func (s *Service) write(ctx context.Context, scope secgroup.Scope, edit func(*model.Tx) error) error {
	r := &request{ctx: ctx, done: make(chan struct{})}
	r.edit = func(tx *model.Tx) error {
		tx.Guard(model.ScopeID(scope))
		return edit(tx)
	}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.stopped:
		return errStopping
	}
	select {
	case <-r.done: // the committer answers even when ctx ends: the outcome must be known
		return r.err
	case <-s.stopped:
	}
	select {
	case <-r.done:
		return r.err
	default:
		return errStopping // it came after the last batch
	}
}

// Run commits operations until ctx ends, and returns its cause. Call it once.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.stopped)
	for {
		select {
		case r := <-s.queue:
			batch := []*request{r}
			for more := true; more && len(batch) < maxBatch; {
				select {
				case r := <-s.queue:
					batch = append(batch, r)
				default:
					more = false
				}
			}
			s.commit(ctx, batch)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ErrContended is a change that lost to those of other servers each time that it
// was tried. Nothing of it is done.
var ErrContended = secgroup.Errorf("Unavailable", "Changes by way of other servers came first each time. Try again.")

var errStopping = secgroup.Errorf("Unavailable", "The server is stopping.")

func (r *request) finish(err error) { r.err = err; close(r.done) }

// commit runs a batch on one transaction and answers every request in it.
func (s *Service) commit(ctx context.Context, batch []*request) {
	for range retries {
		tx := s.model.Begin()
		outcome := make([]error, len(batch))
		for i, r := range batch {
			if outcome[i] = context.Cause(r.ctx); outcome[i] == nil {
				outcome[i] = tx.Nested(r.edit)
			}
		}
		err := s.persist(ctx, tx)
		if errors.Is(err, store.ErrConflict) {
			if err = s.catchUp(ctx); err == nil {
				continue
			}
		}
		for i, r := range batch {
			if outcome[i] == nil {
				outcome[i] = err
			}
			r.finish(outcome[i])
		}
		return
	}
	for _, r := range batch {
		r.finish(ErrContended)
	}
}

// persist makes the transaction durable and waits until reads see it.
func (s *Service) persist(ctx context.Context, tx *model.Tx) error {
	if !tx.Changed() {
		return nil
	}
	guards, writes, err := tx.Commit()
	if err != nil {
		return err
	}
	revision, err := s.store.Commit(ctx, guards, writes)
	if err != nil {
		if !errors.Is(err, store.ErrConflict) {
			// It may have been written all the same: the next reader must know.
			err = errors.Join(err, s.catchUp(ctx))
		}
		return err
	}
	_, err = s.model.Await(ctx, revision)
	return err
}

// catchUp waits until the model has seen everything that is in the store.
func (s *Service) catchUp(ctx context.Context) error {
	revision, err := s.store.Revision(ctx)
	if err != nil {
		return err
	}
	_, err = s.model.Await(ctx, revision)
	return err
}
