// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// Telling says what one host is told (package feed/teller). The first Next tells
// everything; each later one waits for a change.
type Telling interface {
	Next(context.Context) (*feed.Delta, error)
	Close()
}

// ServerConfig is what a server works with. Fields without a default must be set.
type ServerConfig struct {
	// Hold returns which host a request is from, and a context that ends when
	// that host may no longer be served; release lets go of it.
	Hold func(*http.Request) (host string, ctx context.Context, release func(), err error)
	Tell func(host string) Telling
	// Report takes what a host sees of an instance. It returns ErrForeign if the
	// instance is not the host's.
	Report  func(ctx context.Context, host, instance string, observed secgroup.InstanceState, detail string) error
	Claims  Claims  // nil: hosts can claim no interfaces
	Streams Streams // nil: hosts have no gateways and join no domains
	Epoch   string  // names the store: revisions compare within one only
	Log     *slog.Logger

	// InForce is told of every delta that a host acknowledges. nil: nobody is.
	InForce func(InForce)

	Replica, Version string              // for people
	Refused          func(reason string) // counts refusals by reason; nil: nobody counts
	Mark             time.Duration       // how old the revision that an idle host knows may be; 5s
	Greet            time.Duration       // how long a host may take to say hello or what a call asks, and a replica to catch up with it; 10s
	Drain            time.Duration       // how long a host may take to read what it is sent; 30s
}

// InForce is a delta that one host has in force.
type InForce struct {
	Host        string
	Revision    int64
	Origin      feed.Origin
	Told, Acked time.Time     // by the clock of this replica
	Took        time.Duration // of bringing it into force, as the host says; 0: unknown
}

// ErrForeign reports that a host spoke of what is not its own.
var ErrForeign = errors.New("not of this host")

// Reasons for which a peer is refused, as ServerConfig.Refused is given them.
const (
	RefusedIdentity   = "identity"   // nobody knows who it is, or it may not be served
	RefusedProtocol   = "protocol"   // another version
	RefusedMalformed  = "malformed"  // not what a host of ours says
	RefusedForeign    = "foreign"    // it spoke of what is not its own
	RefusedSlow       = "slow"       // it does not read
	RefusedSuperseded = "superseded" // it has come back on another stream
	RefusedCrowded    = "crowded"    // it has begun too many streams at once
)

// Server serves hosts' streams and reports on one replica.
type Server struct {
	cfg ServerConfig
	mux *http.ServeMux

	mu       sync.Mutex
	hosts    map[string]*host
	begun    map[string]int // streams of a host that have not ended
	draining bool
	moved    chan struct{} // closed and replaced whenever a host's progress changes
}

// NewServer returns a server that serves nobody yet.
func NewServer(cfg ServerConfig) *Server {
	cfg.Mark = cmp.Or(cfg.Mark, 5*time.Second)
	cfg.Greet = cmp.Or(cfg.Greet, 10*time.Second)
	cfg.Drain = cmp.Or(cfg.Drain, 30*time.Second)
	if cfg.Refused == nil {
		cfg.Refused = func(string) {}
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), hosts: map[string]*host{}, begun: map[string]int{}, moved: make(chan struct{})}
	options := []connect.HandlerOption{
		connect.WithReadMaxBytes(maxFromHost),
		connect.WithCompression("gzip", nil, nil), // nothing to gain on messages this small, and no bombs
	}
	s.mux.Handle(followPath, connect.NewBidiStreamHandler(followPath, s.follow, options...))
	s.mux.Handle(reportPath, connect.NewUnaryHandler(reportPath, s.report, options...))
	if cfg.Claims != nil {
		s.mux.Handle(claimPath, connect.NewUnaryHandler(claimPath, s.claim, options...))
		s.mux.Handle(releasePath, connect.NewUnaryHandler(releasePath, s.release, options...))
	}
	if cfg.Streams != nil {
		s.mux.Handle(openStreamPath, connect.NewUnaryHandler(openStreamPath, s.openStream, options...))
		s.mux.Handle(reportStreamsPath, connect.NewUnaryHandler(reportStreamsPath, s.reportStreams, options...))
		s.mux.Handle(reportJoinPath, connect.NewUnaryHandler(reportJoinPath, s.reportJoin, options...))
	}
	return s
}

// request is what a handler knows of a request besides its messages.
type request struct {
	host string
	peer string
	ctl  *http.ResponseController
}

type requestKey struct{}

// ServeHTTP serves a host's request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ctx, release, err := s.cfg.Hold(r)
	if err != nil {
		s.cfg.Refused(RefusedIdentity)
		s.cfg.Log.Warn("refused a host", "peer", r.RemoteAddr, "error", err)
		writer := connect.NewErrorWriter()
		writer.Write(w, r, connect.NewError(connect.CodeUnauthenticated, err))
		return
	}
	defer release()
	ctl := http.NewResponseController(w)
	if r.URL.Path != followPath { // a call, which is short
		now := time.Now()
		err := errors.Join(ctl.SetReadDeadline(now.Add(s.cfg.Greet)), ctl.SetWriteDeadline(now.Add(s.cfg.Greet+s.cfg.Drain)))
		if err != nil {
			s.cfg.Log.Error("cannot bound a call", "host", name, "peer", r.RemoteAddr, "error", err)
			http.Error(w, "cannot serve this now", http.StatusServiceUnavailable)
			return
		}
	}
	ctx = context.WithValue(ctx, requestKey{}, &request{name, r.RemoteAddr, ctl})
	s.mux.ServeHTTP(w, r.WithContext(ctx))
}

// refuse ends a request of a host that did wrong.
func (s *Server) refuse(r *request, reason string, code connect.Code, err error) error {
	s.cfg.Refused(reason)
	s.cfg.Log.Warn("refused a host's words", "host", r.host, "peer", r.peer, "reason", reason, "error", err)
	return connect.NewError(code, err)
}

// report takes a host's report.
func (s *Server) report(ctx context.Context, in *connect.Request[pb.Report]) (*connect.Response[pb.Reported], error) {
	r := ctx.Value(requestKey{}).(*request)
	m := in.Msg
	err := checkName(m.GetInstance())
	if err == nil {
		err = checkName(m.GetObserved())
	}
	if err == nil && len(m.GetDetail()) > maxDetail {
		err = errors.New("too many words")
	}
	if err != nil {
		return nil, s.refuse(r, RefusedMalformed, connect.CodeInvalidArgument, err)
	}
	err = s.cfg.Report(ctx, r.host, m.GetInstance(), secgroup.InstanceState(m.GetObserved()), m.GetDetail())
	var known *secgroup.Error
	switch {
	case err == nil:
		return connect.NewResponse(&pb.Reported{}), nil
	case errors.Is(err, ErrForeign):
		return nil, s.refuse(r, RefusedForeign, connect.CodePermissionDenied, err)
	case errors.As(err, &known):
		return nil, connect.NewError(connect.CodeFailedPrecondition, known)
	}
	s.cfg.Log.Error("cannot take a report", "host", r.host, "instance", m.GetInstance(), "error", err)
	return nil, connect.NewError(connect.CodeUnavailable, errors.New("cannot take the report now"))
}

// errDraining sends hosts to another replica.
var errDraining = errors.New("this replica is going down: use another")

// Leave ends all streams and takes no more, so that hosts go to another replica.
func (s *Server) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for _, h := range s.hosts {
		if h.conn != nil {
			h.conn.cancel(connect.NewError(connect.CodeUnavailable, errDraining))
		}
	}
}
