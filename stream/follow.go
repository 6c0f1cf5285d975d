// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// conn is one host's stream.
type conn struct {
	*request
	server *Server
	stream *connect.BidiStream[pb.FromHost, pb.ToHost]
	ctx    context.Context // of everything that is done for the stream
	cancel context.CancelCauseFunc
	names  *namer
	acked  chan struct{} // capacity 1: there is news in progress

	mu        sync.Mutex     // of the deadlines
	over      bool           // the deadlines are nobody's any more
	listening sync.WaitGroup // for the host's acknowledgements
	progress  progress       // the server's lock guards it
}

// follow serves one host's stream until either side ends it.
func (s *Server) follow(ctx context.Context, stream *connect.BidiStream[pb.FromHost, pb.ToHost]) error {
	c := &conn{
		request: ctx.Value(requestKey{}).(*request), server: s, stream: stream, names: newNamer(),
		acked: make(chan struct{}, 1), progress: progress{mine: map[string]struct{}{}},
	}
	if err := s.begin(c.request); err != nil {
		return err
	}
	defer s.end(c.host)
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.cancel(nil)
	defer context.AfterFunc(c.ctx, c.interrupt)()
	c.cancel(c.serve())
	c.listening.Wait()
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	err := context.Cause(c.ctx) // the first reason that either side had
	var refusal *connect.Error
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &refusal):
		return refusal
	}
	return connect.NewError(connect.CodeUnavailable, err)
}

func (c *conn) serve() error {
	hello, err := c.greet()
	if err != nil {
		return err
	}
	telling := c.server.cfg.Tell(c.host)
	defer telling.Close()
	all, err := c.catchUp(telling, hello)
	if err != nil {
		return err
	}
	if err := c.server.enter(c, hello); err != nil {
		return err
	}
	defer c.server.leave(c)
	d, whole, err := differ(all, hello.GetDigests())
	if err != nil {
		return c.server.refuse(c.request, RefusedMalformed, connect.CodeInvalidArgument, err)
	}
	cfg := &c.server.cfg
	welcome := &pb.Welcome{Protocol: Protocol, Version: cfg.Version, Epoch: cfg.Epoch, Replica: cfg.Replica}
	if err := c.send(&pb.ToHost{Say: &pb.ToHost_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	c.own(all)
	c.listening.Go(c.listen)
	if err := c.say(d, whole); err != nil {
		return err
	}
	return c.tell(telling)
}

// greet takes the host's hello.
func (c *conn) greet() (*pb.Hello, error) {
	cfg := &c.server.cfg
	c.ctl.SetReadDeadline(time.Now().Add(cfg.Greet))
	m, err := c.stream.Receive()
	if err != nil {
		return nil, c.server.refuse(c.request, RefusedMalformed, connect.CodeInvalidArgument, fmt.Errorf("no hello: %w", err))
	}
	c.ctl.SetReadDeadline(time.Time{})
	hello := m.GetHello()
	if hello == nil || len(hello.GetVersion()) > maxName || len(hello.GetEpoch()) > maxName {
		return nil, c.server.refuse(c.request, RefusedMalformed, connect.CodeInvalidArgument, errors.New("the first message is no hello"))
	}
	if hello.GetProtocol() != Protocol {
		err := skew(hello.GetProtocol(), hello.GetVersion(), Protocol, cfg.Version)
		return nil, c.server.refuse(c.request, RefusedProtocol, connect.CodeFailedPrecondition, err)
	}
	return hello, nil
}

// catchUp returns everything that the host shall hold, once this replica knows at
// least what the host was told before: no host goes back in time.
func (c *conn) catchUp(telling Telling, hello *pb.Hello) (*feed.Delta, error) {
	cfg := &c.server.cfg
	ctx, cancel := context.WithTimeoutCause(c.ctx, cfg.Greet, fmt.Errorf("replica %s is behind revision %d", cfg.Replica, hello.GetRevision()))
	defer cancel()
	var all feed.State
	for {
		d, err := telling.Next(ctx)
		if err != nil {
			return nil, context.Cause(ctx)
		}
		all.Merge(d)
		if hello.GetEpoch() != cfg.Epoch || all.Revision >= hello.GetRevision() {
			return all.Delta(), nil
		}
	}
}

// tell tells the host what changes from now on.
func (c *conn) tell(telling Telling) error {
	mark := c.server.cfg.Mark
	said := time.Now()
	silent := false // the host does not know of the newest revision
	for {
		if err := c.room(); err != nil {
			return err
		}
		ctx, cancel := c.ctx, context.CancelFunc(func() {})
		if silent {
			ctx, cancel = context.WithDeadline(c.ctx, said.Add(mark))
		}
		d, err := telling.Next(ctx)
		cancel()
		switch {
		case err == nil && d.Empty() && time.Since(said) < mark:
			c.note(d.Revision, nil)
			silent = true
			continue
		case err == nil:
		case c.ctx.Err() == nil && ctx.Err() != nil:
			d = &feed.Delta{Revision: c.progress.told} // only this goroutine writes it
		default:
			return err
		}
		if err := c.say(d, nil); err != nil {
			return err
		}
		said, silent = time.Now(), false
	}
}

// say tells one delta.
func (c *conn) say(d *feed.Delta, whole []*pb.Whole) error {
	c.own(d)
	c.note(d.Revision, d)
	c.server.cfg.Log.Debug("told", "host", c.host, "revision", d.Revision, "requests", d.Origin)
	for part := range encode(d, c.names, whole) {
		if err := c.send(&pb.ToHost{Say: &pb.ToHost_Delta{Delta: part}}); err != nil {
			return err
		}
	}
	return nil
}

// send sends one message. A host that does not read loses its stream.
func (c *conn) send(m *pb.ToHost) error {
	late := time.Now().Add(c.server.cfg.Drain)
	c.mu.Lock()
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		return context.Cause(c.ctx)
	}
	c.ctl.SetWriteDeadline(late)
	c.mu.Unlock()
	err := c.stream.Send(m)
	if err == nil {
		c.ctl.SetWriteDeadline(time.Time{})
		return nil
	}
	if !time.Now().Before(late) { // HTTP/2 ends the stream, and ctx with it
		return c.server.refuse(c.request, RefusedSlow, connect.CodeDeadlineExceeded, fmt.Errorf("cannot tell the host: %w", err))
	}
	return err
}

// interrupt wakes whoever waits for the host, leaving a moment to say why.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.ctl.SetReadDeadline(time.Now())
	c.ctl.SetWriteDeadline(time.Now().Add(time.Second))
}

// room waits until the host has acknowledged enough to be told more.
func (c *conn) room() error {
	for {
		c.server.mu.Lock()
		free := c.progress.sent-c.progress.acked < window
		c.server.mu.Unlock()
		if free {
			return nil
		}
		select {
		case <-c.acked:
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// listen takes the host's acknowledgements until the stream ends.
func (c *conn) listen() {
	for {
		m, err := c.stream.Receive()
		if err != nil {
			c.cancel(err)
			return
		}
		if err := c.ack(m.GetAck()); err != nil {
			c.cancel(c.server.refuse(c.request, RefusedMalformed, connect.CodeInvalidArgument, err))
			return
		}
	}
}
