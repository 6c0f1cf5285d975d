// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
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
	Host    string           // "local": the agent that runs every instance, without Presence
	Images  []Image          // none: what instances can be made from
	Now     func() time.Time // time.Now
	Seal    *access.Seal     // one that ends with the process: closes secrets and session tokens
	Log     *slog.Logger     // discards

	// PublicPool is the IPv4 block that public addresses come from; its first four
	// addresses and its last are never given. Zero: DefaultPublicPool.
	PublicPool netip.Prefix

	// Presence tells which hosts are there to take instances. nil: this process's
	// own, always.
	Presence Presence

	// InForce returns the revision of the store that a host has in force, 0 if that is
	// not known, and the interfaces that an older one judges, 0 for none. It must not
	// wait. nil: nobody knows of any host.
	InForce func(host string) (revision int64, behind map[string]int64)

	// Committed is told of every commit of this server that answers calls. nil: nobody is.
	Committed func(Committed)

	// Gateway returns where users reach the streaming gateway, as host:port, ""
	// while they cannot. nil: where the host says that has it.
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
	commitTo  func(context.Context, []store.Guard, []store.Write) (int64, error) // the store's; tests lose answers
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
	presence     Presence // nil: there is only host
	inForce      func(host string) (int64, map[string]int64)
	committed    func(Committed)
	requirePeers bool // see Config
}

// New returns a Service on a model and the store that it follows.
func New(s *store.Store, m *model.Model, cfg Config) *Service {
	svc := &Service{
		store: s, commitTo: s.Commit, model: m, regions: cfg.Regions, installed: cfg.Quotas.withDefaults(), host: cfg.Host, images: cfg.Images,
		seal: cfg.Seal, log: cfg.Log, queue: make(chan *request, queued),
		stopped: make(chan struct{}),
	}
	svc.deadPeerings, svc.publicPool, svc.requirePeers = cfg.DeadPeerings, cfg.PublicPool, cfg.RequirePeers
	if !svc.publicPool.IsValid() {
		svc.publicPool = DefaultPublicPool
	}
	svc.gateway, svc.presence, svc.inForce, svc.committed = cfg.Gateway, cfg.Presence, cfg.InForce, cfg.Committed
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

// Read returns a snapshot that holds every write that this server answered, and
// since Fresh every one that any server answered.
func (s *Service) Read() *model.Snapshot { return s.model.Snapshot() }

// Fresh returns once Read holds every write that was answered before the call, by
// whichever server. Callers ask before they look at anything of a call, the
// caller's access key included. It costs nothing where no other server writes.
//
// Errors: ServiceUnavailable when the store does not answer for a while.
func (s *Service) Fresh(ctx context.Context) error {
	if !s.store.Shared() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	if err := s.model.CatchUp(ctx); err != nil {
		return away(err)
	}
	return nil
}

// Ready returns nil when operations can be answered: the store answers, and the
// model holds everything that is in it.
func (s *Service) Ready(ctx context.Context) error { return s.model.CatchUp(ctx) }
