// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// follower is a client on one server.
type follower struct {
	*Client
	agent  Agent
	stream *connect.BidiStreamForClient[pb.FromHost, pb.ToHost]
	done   chan done // capacity 1: newest delta that is in force and kept
}

// done says that the first deltas of a stream are in force and kept.
type done struct {
	deltas uint64
	took   time.Duration // of the newest, from its last byte on
}

// follow does what one server says until that ends, and says why. It reports
// whether the server had said anything. It ends when renewed is closed.
func (c *Client) follow(ctx context.Context, a Agent, server string, renewed <-chan struct{}) (followed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	f := &follower{Client: c, agent: a, done: make(chan done, 1)}
	f.stream = connect.NewClient[pb.FromHost, pb.ToHost](c.client(), "https://"+server+followPath, c.options()...).CallBidiStream(ctx)
	// HTTP/2 of the standard library looks at ctx again once the request has ended.
	defer context.AfterFunc(ctx, func() { f.stream.CloseRequest() })()
	var acking sync.WaitGroup
	defer func() {
		cancel(err)
		acking.Wait()
		f.stream.CloseRequest()
		f.stream.CloseResponse()
	}()
	late := time.AfterFunc(c.cfg.Silent+c.cfg.Answer, func() { cancel(errSilent) })
	welcome, err := f.greet()
	late.Stop()
	if err != nil {
		return false, cause(ctx, err)
	}
	acking.Go(func() {
		if err := f.ack(ctx); err != nil {
			cancel(err)
		}
	})
	acking.Go(func() {
		select {
		case <-renewed:
			cancel(errRenewed)
		case <-ctx.Done():
		}
	})
	d := &decoder{}
	for n := uint64(0); ; {
		m, err := f.stream.Receive()
		if err != nil {
			return n > 0, cause(ctx, err)
		}
		if m.GetDelta() == nil {
			return n > 0, errors.New("the server says what is no delta")
		}
		delta, whole, err := d.add(m.GetDelta())
		if err != nil {
			return n > 0, fmt.Errorf("the server's words are refused: %w", err)
		}
		if delta == nil {
			continue
		}
		if n == 0 {
			if err := f.first(delta, whole, welcome); err != nil {
				return false, err
			}
			c.connected(server)
		} else if len(whole) > 0 || delta.Revision < c.held.Revision {
			return true, fmt.Errorf("the server goes back from revision %d to %d", c.held.Revision, delta.Revision)
		}
		took := f.take(delta, n == 0)
		n++
		select { // only the newest is of interest
		case <-f.done:
		default:
		}
		f.done <- done{n, took}
	}
}

// cause prefers the reason for which ctx ended over what that led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// greet says hello and takes the welcome.
func (f *follower) greet() (*pb.Welcome, error) {
	hello := &pb.Hello{Protocol: Protocol, Version: f.cfg.Version, Epoch: f.epoch, Revision: f.held.Revision, Digests: digest(&f.held)}
	err := f.stream.Send(&pb.FromHost{Say: &pb.FromHost_Hello{Hello: hello}})
	m, refusal := f.stream.Receive() // says why, if the hello could not be sent
	if refusal != nil {
		return nil, refusal
	}
	if err != nil {
		return nil, err
	}
	welcome := m.GetWelcome()
	if welcome == nil {
		return nil, errors.New("the server does not begin with a welcome")
	}
	if welcome.GetProtocol() != Protocol {
		return nil, skew(Protocol, f.cfg.Version, welcome.GetProtocol(), welcome.GetVersion())
	}
	return welcome, nil
}

// first makes the first delta of a stream one that says what changed.
func (f *follower) first(d *feed.Delta, whole []*pb.Whole, welcome *pb.Welcome) error {
	if f.epoch == welcome.GetEpoch() && d.Revision < f.held.Revision {
		return fmt.Errorf("the server is at revision %d, behind %d that is in force here", d.Revision, f.held.Revision)
	}
	complete(d, whole, &f.held)
	if f.epoch != welcome.GetEpoch() {
		f.journal.drop() // it is written anew under the other store's name
		f.epoch = welcome.GetEpoch()
	}
	return nil
}

// take keeps a delta and does it. It is kept first: what is on disk is never older
// than what is in force, so an agent that is killed here begins where this one was.
// It returns how long that took.
func (f *follower) take(d *feed.Delta, jump bool) time.Duration {
	began := time.Now()
	steps := []*feed.Delta{d}
	if jump && f.held.Revision > 0 {
		if first, then := f.held.Jump(d); then != nil {
			steps = []*feed.Delta{first, then}
		}
	}
	f.held.Merge(d)
	kept := f.journal.add(d, &f.held, f.epoch)
	if d.Origin.Waited > 0 {
		steps[0].Origin.Waited += time.Since(began)
	}
	for _, step := range steps {
		f.agent.Apply(step)
	}
	if kept == nil {
		kept = f.journal.sync()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Revision, f.status.Kept, f.status.Journal.Bytes = f.held.Revision, kept == nil && f.cfg.File != "", f.journal.size
	switch {
	case kept != nil:
		f.status.Journal.Errors++
		f.cfg.Log.Error("what is told is in force but not kept", "error", kept)
	case f.status.Kept:
		f.status.Journal.Writes++
	}
	return time.Since(began)
}

// ack tells the server what is in force, whenever that changes.
func (f *follower) ack(ctx context.Context) error {
	var now done
	var told uint64
	var said map[string]int64
	for {
		behind, changed := f.agent.Behind()
		if now.deltas > told || told > 0 && !maps.Equal(behind, said) {
			m := &pb.Ack{Deltas: now.deltas}
			if now.deltas > told {
				m.Took = uint64(now.took)
			}
			told, said = now.deltas, behind
			for id, revision := range behind {
				if len(m.Behind) < maxBehind {
					m.Behind = append(m.Behind, &pb.Behind{Interface: id, Revision: revision})
				}
			}
			if err := f.stream.Send(&pb.FromHost{Say: &pb.FromHost_Ack{Ack: m}}); err != nil {
				return err
			}
		}
		select {
		case now = <-f.done:
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
