// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// most is how many streams of one host are served at a time: the one that counts,
// those that it has just superseded, and one that begins. Each that begins costs the
// server all that the host shall hold.
const most = 4

// begin counts a stream that begins; end must be called when it has ended. Too many
// are refused.
func (s *Server) begin(r *request) error {
	s.mu.Lock()
	crowded := s.begun[r.host] >= most
	if !crowded {
		s.begun[r.host]++
	}
	s.mu.Unlock()
	if crowded {
		return s.refuse(r, RefusedCrowded, connect.CodeResourceExhausted, fmt.Errorf("the host has begun %d streams already", most))
	}
	return nil
}

// end counts a stream that has ended.
func (s *Server) end(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun[host]--; s.begun[host] == 0 {
		delete(s.begun, host)
	}
}

// enter makes a stream its host's. An older one of the same host ends: it is most
// often what a broken link left behind.
func (s *Server) enter(c *conn, hello *pb.Hello) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return connect.NewError(connect.CodeUnavailable, errDraining)
	}
	h := s.hosts[c.host]
	if h == nil {
		h = &host{}
		s.hosts[c.host] = h
	}
	if h.conn != nil {
		s.cfg.Refused(RefusedSuperseded)
		s.cfg.Log.Warn("a host has come back on another stream", "host", c.host, "was", h.Address, "now", c.peer)
		h.conn.cancel(connect.NewError(connect.CodeAborted, fmt.Errorf("host %s has come back on another stream", c.host)))
	}
	h.conn = c
	h.Peer = Peer{Host: c.host, Address: c.peer, Version: hello.GetVersion(), Enforced: h.Enforced}
	h.Connected, h.Since = true, time.Now()
	s.cfg.Log.Info("host connected", "host", c.host, "peer", c.peer, "version", hello.GetVersion(), "revision", hello.GetRevision())
	s.move()
	return nil
}

// leave notes that a stream has ended.
func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[c.host]
	if h == nil || h.conn != c {
		return
	}
	h.conn, h.Connected, h.Since = nil, false, time.Now()
	s.cfg.Log.Info("host disconnected", "host", c.host, "peer", c.peer)
	s.move()
}

// own takes down which interfaces are the host's.
func (c *conn) own(d *feed.Delta) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	for id, i := range d.Interfaces {
		if i != nil {
			c.progress.mine[id] = struct{}{}
		} else {
			delete(c.progress.mine, id)
		}
	}
}

// note takes down that all up to a revision is told, because a delta is, nil if
// there was nothing to tell.
func (c *conn) note(revision int64, d *feed.Delta) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if d != nil {
		c.progress.tell(d)
	}
	c.progress.told = revision
	c.publish()
}

// ack takes an acknowledgement.
func (c *conn) ack(m *pb.Ack) error {
	if m == nil {
		return errors.New("neither hello nor acknowledgement")
	}
	if len(m.GetBehind()) > maxBehind {
		return fmt.Errorf("%d interfaces are behind", len(m.GetBehind()))
	}
	behind := make(map[string]int64, len(m.GetBehind()))
	for _, b := range m.GetBehind() {
		if err := checkName(b.GetInterface()); err != nil {
			return err
		}
		behind[b.GetInterface()] = b.GetRevision()
	}
	done, err := c.settle(m.GetDeltas(), behind)
	if err != nil {
		return err
	}
	select {
	case c.acked <- struct{}{}:
	default:
	}
	c.report(done, m.GetTook())
	return nil
}

// settle takes down what is acknowledged, and returns what that adds.
func (c *conn) settle(deltas uint64, behind map[string]int64) (done []sentDelta, err error) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	p := &c.progress
	if deltas < p.acked || deltas > p.sent {
		return nil, fmt.Errorf("delta %d of %d is acknowledged after %d", deltas, p.sent, p.acked)
	}
	for ; p.acked < deltas; p.acked++ {
		done = append(done, p.open[p.acked%window])
	}
	p.behind = behind
	c.publish()
	return done, nil
}

// report says what is in force on the host now. took is how long the host says
// that the newest of it took, in nanoseconds.
func (c *conn) report(done []sentDelta, took uint64) {
	now := time.Now()
	for i, d := range done {
		f := InForce{Host: c.host, Revision: d.revision, Origin: d.origin, Told: d.told, Acked: now}
		if since := now.Sub(d.told); i == len(done)-1 {
			f.Took = time.Duration(min(took, uint64(since))) // a host says what it likes
		}
		c.server.cfg.Log.Debug("in force on a host", "host", f.Host, "revision", f.Revision, "requests", f.Origin,
			"roundtrip", f.Acked.Sub(f.Told), "took", f.Took)
		if c.server.cfg.InForce != nil {
			c.server.cfg.InForce(f)
		}
	}
}

// publish makes the stream's progress that of its host. What the host says of
// interfaces that are not its own is nobody's business. The caller holds the
// server's lock.
func (c *conn) publish() {
	h := c.server.hosts[c.host]
	if h == nil || h.conn != c {
		return
	}
	h.Told = c.progress.told
	if c.progress.acked == 0 {
		return // what it had in force when it came stays in force
	}
	h.Revision, h.Behind = c.progress.enforced(), map[string]int64{}
	for id, revision := range c.progress.behind {
		if _, its := c.progress.mine[id]; its {
			h.Behind[id] = min(revision, h.Revision)
		}
	}
	c.server.move()
}
