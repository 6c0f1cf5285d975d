// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// pass is what a streaming URL stands for. It travels sealed in the URL and is
// stored nowhere.
type pass struct {
	secgroup.Scope
	Kind    secgroup.StreamingKind `json:"k"`
	Name    string                 `json:"n"` // of the fleet or builder
	Stack   string                 `json:"s,omitempty"`
	User    string                 `json:"u,omitempty"`
	Expires time.Time              `json:"e"`
}

const passPurpose = "streaming url"

// StreamingURL is an address that lets its holder in, until it expires.
type StreamingURL struct {
	URL     string
	Expires time.Time
}

// CreateStreamingURL lets a user into a fleet by way of a stack
// (docs/spec/appstream.md section 7).
//
// Errors: ResourceNotFoundException, ResourceNotAvailableException.
func (s *Service) CreateStreamingURL(ctx context.Context, scope secgroup.Scope, stack, fleet, user string, validity time.Duration) (*StreamingURL, error) {
	snap := s.Read()
	k, err := stackNamed(snap, scope, stack)
	if err != nil {
		return nil, err
	}
	f, err := fleetNamed(snap, scope, fleet)
	switch {
	case err != nil:
		return nil, err
	case k.Fleet != fleet:
		return nil, secgroup.Errorf(streamNotFound, "Fleet %s is not associated with stack %s.", fleet, stack)
	case f.State != secgroup.FleetRunning:
		return nil, secgroup.Errorf(streamNotAvailable, "Fleet %s is %s. It must be RUNNING to stream.", fleet, f.State)
	}
	return s.letIn(ctx, pass{Scope: scope, Kind: secgroup.FleetKind, Name: fleet, Stack: stack, User: user}, k.Endpoints, validity)
}

// CreateBuilderURL lets its holder into a running builder.
//
// Errors: ResourceNotFoundException, OperationNotPermittedException.
func (s *Service) CreateBuilderURL(ctx context.Context, scope secgroup.Scope, kind secgroup.StreamingKind, name string, validity time.Duration) (*StreamingURL, error) {
	b, err := builderNamed(s.Read(), scope, kind, name)
	if err != nil {
		return nil, err
	}
	if b.State != secgroup.BuilderRunning {
		return nil, mustBe(b, secgroup.BuilderRunning)
	}
	return s.letIn(ctx, pass{Scope: scope, Kind: kind, Name: name}, b.Endpoints, validity)
}

// The gateway comes with the first streaming instance, which may be faster.
const (
	gatewayWait = 10 * time.Second
	gatewayLook = 20 * time.Millisecond
)

// letIn makes a URL for who may come by these endpoints alone or, without any, by
// the internet.
func (s *Service) letIn(ctx context.Context, p pass, endpoints []string, validity time.Duration) (*StreamingURL, error) {
	gateway, err := endpointDoor(s.Read(), p.Scope, endpoints)
	if len(endpoints) == 0 {
		gateway, err = s.awaitGateway(ctx)
	}
	if err != nil {
		return nil, err
	}
	p.Expires = s.now().Add(validity).UTC().Truncate(time.Second)
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("make a streaming URL: %w", err)
	}
	sealed := base64.RawURLEncoding.EncodeToString(s.seal.Close(passPurpose, plain))
	return &StreamingURL{"http://" + gateway + "/authenticate?parameters=" + sealed, p.Expires}, nil
}

// awaitGateway returns where users reach the gateway.
func (s *Service) awaitGateway(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gatewayWait)
	defer cancel()
	for {
		if at := s.gatewayAt(); at != "" {
			return at, nil
		}
		select {
		case <-time.After(gatewayLook):
		case <-ctx.Done():
			return "", fmt.Errorf("make a streaming URL: the streaming gateway is not there: %w", context.Cause(ctx))
		}
	}
}

// gatewayAt returns where users reach the gateway, "" while they cannot.
func (s *Service) gatewayAt() string {
	if s.gateway != nil {
		return s.gateway()
	}
	if in := gatewayInstance(s.Read()); in != nil && in.State == secgroup.Running {
		return in.Streaming.Reached
	}
	return ""
}

// endpointDoor returns where users reach the first of the endpoints that is there.
func endpointDoor(snap *model.Snapshot, scope secgroup.Scope, endpoints []string) (string, error) {
	for _, id := range endpoints {
		e := snap.VPCEndpoints.Get(id)
		if e == nil || e.Scope != scope || e.Service != secgroup.StreamingEndpoint || e.State != secgroup.EndpointAvailable {
			continue
		}
		for _, i := range snap.EndpointInterfaces(e) {
			if len(i.Addresses) > 0 {
				return netip.AddrPortFrom(i.Addresses[0], secgroup.EndpointPort).String(), nil
			}
		}
	}
	return "", secgroup.Errorf(streamNotAvailable, "None of the interface endpoints %s is an available one for streaming.", strings.Join(endpoints, ", "))
}

// OpenStream opens what a streaming URL stands for: the user's session, a new one
// if there is none, on an instance of the fleet.
//
// Errors: the URL is wrong or has expired, or the fleet has no instance to give.
func (s *Service) OpenStream(ctx context.Context, parameters string, by secgroup.Door) (*secgroup.Stream, error) {
	var p pass
	sealed, err := base64.RawURLEncoding.DecodeString(parameters)
	if err == nil {
		if sealed, err = s.seal.Open(passPurpose, sealed); err == nil {
			err = json.Unmarshal(sealed, &p)
		}
	}
	if err != nil {
		return nil, secgroup.Errorf("InvalidURL", "This is not a streaming URL of this installation.")
	}
	if !s.now().Before(p.Expires) {
		return nil, secgroup.Errorf("ExpiredURL", "This streaming URL has expired: ask for another one.")
	}
	if p.Kind != secgroup.FleetKind {
		return s.openBuilder(&p, by)
	}
	var stream *secgroup.Stream
	err = s.write(ctx, p.Scope, func(tx *model.Tx) (err error) {
		stream, err = s.openSession(tx, &p, by)
		return err
	})
	return stream, err
}

func (s *Service) openBuilder(p *pass, by secgroup.Door) (*secgroup.Stream, error) {
	snap := s.Read()
	b, err := builderNamed(snap, p.Scope, p.Kind, p.Name)
	if err != nil {
		return nil, err
	}
	if !byWay(b.Endpoints, by.Endpoint) {
		return nil, wrongWay(builderNouns[b.Kind]+" "+b.Name, b.Endpoints)
	}
	for _, in := range streamingOf(snap, p.Scope, p.Kind, p.Name) {
		if b.State == secgroup.BuilderRunning && in.State == secgroup.Running {
			return &secgroup.Stream{Instance: in.ID, Address: ManagementAddress(snap, in.ID), Protocol: "tcp", Ready: true}, nil
		}
	}
	return nil, mustBe(b, secgroup.BuilderRunning)
}

// byWay reports whether a stream may begin by way of an endpoint, or of the
// internet, given the endpoints that are configured: those alone, if there are any
// (docs/spec/appstream.md section 1.7).
func byWay(endpoints []string, endpoint string) bool {
	return endpoint == "" && len(endpoints) == 0 || endpoint != "" && slices.Contains(endpoints, endpoint)
}

func wrongWay(what string, endpoints []string) error {
	if len(endpoints) == 0 {
		return secgroup.Errorf(streamNotPermitted, "The %s does not stream through interface endpoints.", what)
	}
	return secgroup.Errorf(streamNotPermitted, "The %s streams through its interface endpoints alone: %s.", what, strings.Join(endpoints, ", "))
}

func (s *Service) openSession(tx *model.Tx, p *pass, by secgroup.Door) (*secgroup.Stream, error) {
	f, err := fleetNamed(tx.Snapshot, p.Scope, p.Name)
	if err != nil {
		return nil, err
	}
	k, err := stackNamed(tx.Snapshot, p.Scope, p.Stack)
	switch {
	case err != nil:
		return nil, err
	case k.Fleet != f.Name || f.State != secgroup.FleetRunning:
		return nil, secgroup.Errorf(streamNotAvailable, "Fleet %s does not stream for stack %s now.", f.Name, k.Name)
	}
	var session *secgroup.StreamingSession
	live := 0
	for v := range tx.StreamingSessions.By(model.ByFleet, model.StreamingName(f.Scope, f.Name)) {
		if v.State == secgroup.SessionExpired {
			continue
		}
		if live++; v.Stack == p.Stack && v.User == p.User {
			session = v
		}
	}
	if session != nil && session.Endpoint != by.Endpoint || session == nil && !byWay(k.Endpoints, by.Endpoint) {
		return nil, wrongWay("stack "+k.Name, k.Endpoints) // a session stays on the way that it began by
	}
	if session == nil {
		if f.Type == secgroup.Elastic && live >= f.MaxSessions {
			return nil, noCapacity(f)
		}
		if session, err = s.newSession(tx, f, p, by); err != nil {
			return nil, err
		}
	}
	if session.Door != by.Address {
		next := *session
		next.Door = by.Address
		tx.StreamingSessions.Put(&next)
	}
	protocol := "tcp"
	if k.Protocol == "UDP" {
		protocol = "udp"
	}
	return &secgroup.Stream{
		Session: session.ID, Instance: session.Instance, Address: ManagementAddress(tx.Snapshot, session.Instance),
		Protocol: protocol, Ready: session.State == secgroup.SessionActive,
	}, nil
}

func noCapacity(f *secgroup.Fleet) error {
	return secgroup.Errorf(streamNotAvailable, "Fleet %s has no capacity for another session now.", f.Name)
}

// newSession puts a session on the instance that has room and the fewest
// sessions.
func (s *Service) newSession(tx *model.Tx, f *secgroup.Fleet, p *pass, by secgroup.Door) (*secgroup.StreamingSession, error) {
	var on *secgroup.Instance
	fewest := max(f.Sessions, 1)
	for _, in := range streamingOf(tx.Snapshot, f.Scope, secgroup.FleetKind, f.Name) {
		usable := in.State == secgroup.Running || f.Type == secgroup.OnDemand && in.State == secgroup.Stopped
		if n := liveSessions(tx.Snapshot, in.ID); usable && !in.Streaming.Draining && n < fewest && !worn(tx.Snapshot, in) {
			on, fewest = in, n
		}
	}
	tx.Guard(model.ScopeID(serviceScope))
	if on == nil && f.Type == secgroup.Elastic {
		var err error
		on, err = s.provision(tx, secgroup.Streaming{Owner: f.Scope, Kind: secgroup.FleetKind, Name: f.Name}, f.VPC, f.Internet, f.InstanceType, f.Image)
		if err != nil {
			return nil, secgroup.Errorf(streamNotAvailable, "Fleet %s has no instance for another session: %s", f.Name, err)
		}
	}
	if on == nil {
		return nil, noCapacity(f)
	}
	next, what := *on, *on.Streaming
	what.Used = true
	next.Streaming = &what
	if next.State == secgroup.Stopped {
		if err := s.replace(tx, &next); err != nil {
			return nil, noCapacity(f)
		}
		next.State, next.Launched = secgroup.Pending, s.now().UTC()
		next.Boots++
	}
	tx.Instances.Put(&next)
	s.publishCustomer(tx, next.ID)
	now := s.now().UTC()
	session := &secgroup.StreamingSession{
		Scope: f.Scope, ID: newSessionID(), Stack: p.Stack, Fleet: f.Name, User: p.User, Instance: on.ID, Endpoint: by.Endpoint, Door: by.Address,
		State: secgroup.SessionActive, Away: now, Started: now, Expires: now.Add(f.MaxDuration),
	}
	if next.State != secgroup.Running {
		session.State = secgroup.SessionPending
	}
	tx.StreamingSessions.Put(session)
	return session, nil
}

func newSessionID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// liveSessions counts the sessions on an instance that are not over.
func liveSessions(snap *model.Snapshot, instance string) int {
	n := 0
	for v := range snap.StreamingSessions.By(model.ByInstance, instance) {
		if v.State != secgroup.SessionExpired {
			n++
		}
	}
	return n
}

// activate lets the sessions that waited for an instance begin.
func (s *Service) activate(tx *model.Tx, instance string) {
	for _, v := range slices.Collect(tx.StreamingSessions.By(model.ByInstance, instance)) {
		if v.State == secgroup.SessionPending {
			next := *v
			next.State = secgroup.SessionActive
			tx.StreamingSessions.Put(&next)
		}
	}
}

// endSession ends a session.
func (s *Service) endSession(tx *model.Tx, v *secgroup.StreamingSession) {
	if v.State == secgroup.SessionExpired {
		return
	}
	next := *v
	next.State, next.Connected, next.Ended = secgroup.SessionExpired, false, s.now().UTC()
	tx.StreamingSessions.Put(&next)
}

// endSessions ends all sessions of a fleet.
func (s *Service) endSessions(tx *model.Tx, f *secgroup.Fleet) {
	for _, v := range slices.Collect(tx.StreamingSessions.By(model.ByFleet, model.StreamingName(f.Scope, f.Name))) {
		s.endSession(tx, v)
	}
}

// sessionDue reports whether a session is over, or its record.
func (s *Service) sessionDue(f *secgroup.Fleet, v *secgroup.StreamingSession, now time.Time) bool {
	if v.State == secgroup.SessionExpired {
		return now.Sub(v.Ended) >= terminatedLife
	}
	return !now.Before(v.Expires) || !v.Connected && now.Sub(v.Away) >= f.Disconnect
}

// expireDue ends the sessions of a fleet whose time has come, and forgets those
// that ended long ago.
func (s *Service) expireDue(tx *model.Tx, f *secgroup.Fleet) {
	now := s.now()
	for _, v := range slices.Collect(tx.StreamingSessions.By(model.ByFleet, model.StreamingName(f.Scope, f.Name))) {
		switch {
		case !s.sessionDue(f, v, now):
		case v.State == secgroup.SessionExpired:
			tx.StreamingSessions.Delete(v.ID)
		default:
			s.endSession(tx, v)
		}
	}
}
