// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/secgroup"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// Streams is what gateways and streaming instances of hosts ask. It is told which host
// asks by who that is to the server, and returns ErrForeign if gateway or instance
// are not on it. Refusals are *secgroup.Error.
type Streams interface {
	OpenStream(ctx context.Context, host, parameters string, by secgroup.Door) (*secgroup.Stream, error)
	// ReportStreams is also told where users reach the host's gateway of the internet.
	ReportStreams(ctx context.Context, host, reached string, watched []secgroup.Watched, by secgroup.Door) (leave []string, err error)
	ReportJoin(ctx context.Context, host, instance, trouble string) error
}

// maxParameters is how long what a streaming URL carries may be, far above what it is.
const maxParameters = 16 << 10

// doorOf makes a door of an endpoint's id and the address of its interface.
func doorOf(endpoint string, address []byte) (by secgroup.Door, err error) {
	if endpoint == "" {
		if len(address) > 0 {
			return by, errors.New("an address of the internet's gateway")
		}
		return by, nil
	}
	var r reader
	by = secgroup.Door{Endpoint: r.name(endpoint), Address: r.addr(address)}
	return by, r.err
}

// noStream ends a request that was refused or failed.
func (s *Server) noStream(r *request, what string, err error) error {
	if errors.Is(err, ErrForeign) {
		return s.refuse(r, RefusedForeign, connect.CodePermissionDenied, err)
	}
	s.cfg.Log.Error("cannot serve a gateway", "host", r.host, "asked to", what, "error", err)
	return connect.NewError(connect.CodeUnavailable, fmt.Errorf("cannot %s now", what))
}

func (s *Server) openStream(ctx context.Context, in *connect.Request[pb.OpenStream]) (*connect.Response[pb.OpenedStream], error) {
	r := ctx.Value(requestKey{}).(*request)
	by, err := doorOf(in.Msg.GetEndpoint(), in.Msg.GetAddress())
	if err == nil && len(in.Msg.GetParameters()) > maxParameters {
		err = errors.New("a streaming URL that is too long")
	}
	if err != nil {
		return nil, s.refuse(r, RefusedMalformed, connect.CodeInvalidArgument, err)
	}
	stream, err := s.cfg.Streams.OpenStream(ctx, r.host, in.Msg.GetParameters(), by)
	if no := new(secgroup.Error); errors.As(err, &no) {
		return connect.NewResponse(&pb.OpenedStream{Refusal: &pb.Refusal{Code: no.Code, Message: no.Message}}), nil
	}
	if err != nil {
		return nil, s.noStream(r, "open a stream", err)
	}
	return connect.NewResponse(&pb.OpenedStream{
		Session: stream.Session, Instance: stream.Instance, Address: stream.Address.AsSlice(), Protocol: stream.Protocol, Ready: stream.Ready,
	}), nil
}

func (s *Server) reportStreams(ctx context.Context, in *connect.Request[pb.Watching]) (*connect.Response[pb.Leave], error) {
	r := ctx.Value(requestKey{}).(*request)
	by, err := doorOf(in.Msg.GetEndpoint(), in.Msg.GetAddress())
	if err == nil && in.Msg.GetReached() != "" {
		_, err = netip.ParseAddrPort(in.Msg.GetReached())
	}
	var watched []secgroup.Watched
	for _, w := range in.Msg.GetWatched() {
		if err == nil {
			err = checkName(w.GetSession())
		}
		idle := min(w.GetIdle(), uint64(24*365*time.Hour/time.Millisecond))
		watched = append(watched, secgroup.Watched{Session: w.GetSession(), Idle: time.Duration(idle) * time.Millisecond})
	}
	if err != nil {
		return nil, s.refuse(r, RefusedMalformed, connect.CodeInvalidArgument, err)
	}
	leave, err := s.cfg.Streams.ReportStreams(ctx, r.host, in.Msg.GetReached(), watched, by)
	if err != nil {
		return nil, s.noStream(r, "take a report of streams", err)
	}
	return connect.NewResponse(&pb.Leave{Sessions: leave}), nil
}

func (s *Server) reportJoin(ctx context.Context, in *connect.Request[pb.JoinAttempt]) (*connect.Response[pb.JoinHeard], error) {
	r := ctx.Value(requestKey{}).(*request)
	err := checkName(in.Msg.GetInstance())
	if err == nil && len(in.Msg.GetTrouble()) > maxDetail {
		err = errors.New("too many words")
	}
	if err != nil {
		return nil, s.refuse(r, RefusedMalformed, connect.CodeInvalidArgument, err)
	}
	if err := s.cfg.Streams.ReportJoin(ctx, r.host, in.Msg.GetInstance(), in.Msg.GetTrouble()); err != nil {
		return nil, s.noStream(r, "take a report of a domain", err)
	}
	return connect.NewResponse(&pb.JoinHeard{}), nil
}

// OpenStream asks what a streaming URL stands for, for a gateway of this host.
// Refusals are *secgroup.Error.
func (c *Client) OpenStream(ctx context.Context, parameters string, by secgroup.Door) (*secgroup.Stream, error) {
	out, err := call[pb.OpenStream, pb.OpenedStream](ctx, c, openStreamPath, &pb.OpenStream{Parameters: parameters, Endpoint: by.Endpoint, Address: by.Address.AsSlice()})
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	if err := refusal(out.GetRefusal()); err != nil {
		return nil, err
	}
	at, ok := netip.AddrFromSlice(out.GetAddress())
	if !ok {
		return nil, fmt.Errorf("open a stream: an address of %d bytes", len(out.GetAddress()))
	}
	return &secgroup.Stream{Session: out.GetSession(), Instance: out.GetInstance(), Address: at, Protocol: out.GetProtocol(), Ready: out.GetReady()}, nil
}

// ReportStreams says which users are at a gateway of this host and, of that of the
// internet, where users reach it. It returns who has to leave.
func (c *Client) ReportStreams(ctx context.Context, reached string, watched []secgroup.Watched, by secgroup.Door) (leave []string, err error) {
	m := &pb.Watching{Endpoint: by.Endpoint, Address: by.Address.AsSlice(), Reached: reached}
	for _, w := range watched {
		m.Watched = append(m.Watched, &pb.Watched{Session: w.Session, Idle: uint64(max(w.Idle, 0).Milliseconds())})
	}
	out, err := call[pb.Watching, pb.Leave](ctx, c, reportStreamsPath, m)
	if err != nil {
		return nil, fmt.Errorf("report streams: %w", err)
	}
	return out.GetSessions(), nil
}

// ReportJoin says what became of an instance's attempt to join its domain; trouble is ""
// for success.
func (c *Client) ReportJoin(ctx context.Context, instance, trouble string) error {
	trouble = strings.ToValidUTF8(trouble[:min(len(trouble), maxDetail)], "")
	if _, err := call[pb.JoinAttempt, pb.JoinHeard](ctx, c, reportJoinPath, &pb.JoinAttempt{Instance: instance, Trouble: trouble}); err != nil {
		return fmt.Errorf("report a domain: %w", err)
	}
	return nil
}
