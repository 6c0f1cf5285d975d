// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"maps"
	"time"

	"github.com/hedgeward/hedgeward/feed"
)

// Enforced is how far one host is.
type Enforced struct {
	Connected bool      `json:"connected,omitempty"` // to the replica that says so
	Since     time.Time `json:"since,omitzero"`      // of being connected to it, or not
	// Revision is in force on all interfaces of the host but those in Behind:
	// the host has acknowledged all that it had to be told up to there. 0: unknown.
	Revision int64 `json:"revision"`
	// Behind has the interfaces that are judged by an older revision, 0 for
	// those that nothing judges yet, through which nothing passes.
	// The map is never changed.
	Behind map[string]int64 `json:"behind,omitempty"`
}

// Peer is one host as this replica knows it.
type Peer struct {
	Host    string `json:"host"`
	Address string `json:"address"`
	Version string `json:"version"`
	Told    int64  `json:"told"` // newest revision of which it was told all that it needs
	// Owes is when the oldest delta was told that it has not acknowledged, zero if
	// there is none.
	Owes time.Time `json:"owes,omitzero"`
	Enforced
}

// host is what a server remembers of a host, connected or not.
type host struct {
	Peer
	conn *conn // nil: not connected here
}

// Enforced returns how far the hosts are that have been connected to this replica,
// and a channel that is closed when that changes.
func (s *Server) Enforced() (map[string]Enforced, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Enforced, len(s.hosts))
	for name, h := range s.hosts {
		out[name] = Enforced{h.Connected, h.Since, h.Revision, maps.Clone(h.Behind)}
	}
	return out, s.moved
}

// Peers returns all hosts that have been connected to this replica, by name.
func (s *Server) Peers() map[string]Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Peer, len(s.hosts))
	for name, h := range s.hosts {
		p := h.Peer
		p.Behind = maps.Clone(p.Behind)
		if h.conn != nil {
			p.Owes = h.conn.progress.owes()
		}
		out[name] = p
	}
	return out
}

// Of returns how far one host is, the zero Enforced if it has not been connected to
// this replica. Nobody changes what it returns.
func (s *Server) Of(name string) Enforced {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hosts[name]; h != nil {
		return Enforced{h.Connected, h.Since, h.Revision, h.Behind}
	}
	return Enforced{}
}

// Connected reports whether a host is connected to this replica.
func (s *Server) Connected(name string) bool { return s.Of(name).Connected }

// Forget drops what is remembered of a host that is no more.
func (s *Server) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hosts[name]; h != nil && h.conn == nil {
		delete(s.hosts, name)
		s.move()
	}
}

// move says that some host's progress changed. The caller holds s.mu.
func (s *Server) move() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// progress counts what a host was told on a stream and what of it is in force. The
// server's lock guards it.
type progress struct {
	sent, acked uint64
	open        [window]sentDelta   // delta n, from acked to sent, at n%window
	told        int64               // all up to here has been told
	mine        map[string]struct{} // interfaces that the host was told to have
	behind      map[string]int64    // as acknowledged last
}

// sentDelta is a delta that a host has to acknowledge.
type sentDelta struct {
	before   int64 // all up to here had been told before it
	revision int64
	origin   feed.Origin
	told     time.Time
}

// tell notes that a delta is told which the host has to acknowledge.
func (p *progress) tell(d *feed.Delta) {
	p.open[p.sent%window] = sentDelta{p.told, d.Revision, d.Origin, time.Now()}
	p.sent++
	p.told = d.Revision
}

// owes returns when the oldest delta was told that is not acknowledged, zero if
// there is none.
func (p *progress) owes() time.Time {
	if p.acked == p.sent {
		return time.Time{}
	}
	return p.open[p.acked%window].told
}

// enforced returns the newest revision of which all is acknowledged, 0 before the
// first acknowledgement of the stream.
func (p *progress) enforced() int64 {
	if p.acked == p.sent {
		return p.told
	}
	return p.open[p.acked%window].before
}
