// SPDX-License-Identifier: Apache-2.0

package join

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Registry keeps hosts, tokens and authorities (package control). Its refusals
// are *secgroup.Error.
type Registry interface {
	// Authorities returns all, the newest last, with their keys; of an installation
	// that has none, one that born made.
	Authorities(ctx context.Context, born func() (*secgroup.Authority, error)) ([]secgroup.Authority, error)
	PutJoinToken(ctx context.Context, t secgroup.JoinToken) error
	CheckJoinToken(id string, digest []byte, name string) error
	AdmitHost(ctx context.Context, token string, digest []byte, h secgroup.Host) error
	RenewHost(ctx context.Context, shown string, next secgroup.Host) error
	// Host may be a moment behind other servers, until Fresh returns.
	Host(name string) *secgroup.Host
	Fresh(ctx context.Context) error
	WatchHosts(ctx context.Context, changed func(names []string)) error
}

// ServerConfig is what a Server works with. Zero fields mean what is beside them;
// Registry must be set.
type ServerConfig struct {
	Registry Registry
	Clock    clock.Clock   // the machine's
	Log      *slog.Logger  // discards
	Life     time.Duration // of hosts' certificates; DefaultLife
	Crowd    Crowd         // of connections
	// Refused is called for every handshake and request that is turned away, with
	// the code of why. nil: nobody counts.
	Refused func(code string)
}

// DefaultLife is how long the certificate of a host is valid. It is renewed at
// two thirds of that.
const DefaultLife = 24 * time.Hour

// Server is the side of the installation that hosts talk to. It is safe for
// concurrent use, and any number of servers of one installation are alike.
type Server struct {
	registry Registry
	clock    clock.Clock
	log      *slog.Logger
	life     time.Duration
	crowd    Crowd
	refused  func(code string)
	slots    chan struct{} // capacity: requests to join that are worked on at a time

	mu    sync.Mutex
	known map[string]*authority       // by id, as far as they were needed
	shown map[string]*tls.Certificate // by authority
	held  map[*hold]struct{}
	said  map[string]time.Time // code of a refusal -> when it was last logged
}

const atOnce = 16 // requests to join

// NewServer returns a Server. It asks its Registry for nothing before the first
// connection.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{
		registry: cfg.Registry, clock: cfg.Clock, log: cfg.Log, life: cfg.Life, crowd: cfg.Crowd, refused: cfg.Refused,
		slots: make(chan struct{}, atOnce), known: map[string]*authority{}, shown: map[string]*tls.Certificate{},
		held: map[*hold]struct{}{}, said: map[string]time.Time{},
	}
	if s.clock == nil {
		s.clock = clock.Real{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.life == 0 {
		s.life = DefaultLife
	}
	if s.refused == nil {
		s.refused = func(string) {}
	}
	return s
}

// TokenSpec says what a token is for.
type TokenSpec struct {
	Name   string        // the host; "" leaves that to the machine
	Rejoin bool          // the host of that name is there and gets new certificates
	Life   time.Duration // 0: DefaultTokenLife
}

// How long tokens are valid.
const (
	DefaultTokenLife = time.Hour
	longestTokenLife = 30 * 24 * time.Hour
)

// CreateToken returns a token with which one machine can join. Nobody can show it
// a second time.
func (s *Server) CreateToken(ctx context.Context, spec TokenSpec) (Token, error) {
	if spec.Life == 0 {
		spec.Life = DefaultTokenLife
	}
	if spec.Life < time.Minute || spec.Life > longestTokenLife {
		return Token{}, secgroup.Errorf("InvalidTokenLife", "A join token lives from 1m to %s, not %s.", longestTokenLife, spec.Life)
	}
	all, err := s.authorities(ctx)
	if err != nil {
		return Token{}, err
	}
	a := all[len(all)-1]
	t, now := newToken(a.hash), s.clock.Now().UTC()
	err = s.registry.PutJoinToken(ctx, secgroup.JoinToken{
		ID: t.ID, Digest: t.digest(), Name: spec.Name, Rejoin: spec.Rejoin, Authority: a.id, Created: now, Expires: now.Add(spec.Life),
	})
	return t, err
}

// NewAuthority returns an authority for the registry to add: rotation begins with
// it. It signs from then on, and hosts come to believe it as they renew.
func (s *Server) NewAuthority() (*secgroup.Authority, error) { return newAuthority(s.clock.Now()) }

// authorities returns those of the installation, the newest last; never none.
func (s *Server) authorities(ctx context.Context) ([]*authority, error) {
	rows, err := s.registry.Authorities(ctx, s.NewAuthority)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*authority, len(rows))
	known := make(map[string]*authority, len(rows))
	for i := range rows {
		id := rows[i].ID
		if known[id] = s.known[id]; known[id] == nil {
			if known[id], err = openAuthority(&rows[i]); err != nil {
				return nil, err
			}
		}
		all[i] = known[id]
	}
	s.known = known
	return all, nil
}

// logEvery is how often a kind of refusal is logged: anybody can cause them.
const logEvery = time.Second

// refuse counts a refusal, and logs it unless its like was just logged.
func (s *Server) refuse(code, remote string, err error) {
	s.refused(code)
	now := s.clock.Now()
	s.mu.Lock()
	last, seen := s.said[code]
	quiet := seen && now.Sub(last) < logEvery && !now.Before(last)
	if !quiet {
		s.said[code] = now
	}
	s.mu.Unlock()
	if !quiet {
		s.log.Warn("a host was refused", "code", code, "remote", remote, "error", err)
	}
}
