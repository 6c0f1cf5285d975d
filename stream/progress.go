// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"maps"
	"time"
)

// Enforced is how far one host is.
type Enforced struct {
	Connected bool `json:"connected,omitempty"` // to the replica that says so
	// Revision is in force on all interfaces of the host but those in Behind:
	// the host has acknowledged all that it had to be told up to there. 0: unknown.
	Revision int64 `json:"revision"`
	// Behind has the interfaces that are judged by an older revision, 0 for
	// those that nothing judges yet, through which nothing passes.
	Behind map[string]int64 `json:"behind,omitempty"`
}

// Peer is one host as this replica knows it.
type Peer struct {
	Host    string    `json:"host"`
	Since   time.Time `json:"since"` // of being connected, or not
	Address string    `json:"address"`
	Version string    `json:"version"`
	Told    int64     `json:"told"` // newest revision of which it was told all that it needs
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
		out[name] = Enforced{h.Connected, h.Revision, maps.Clone(h.Behind)}
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
		out[name] = p
	}
	return out
}

// Connected reports whether a host is connected to this replica.
func (s *Server) Connected(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[name]
	return h != nil && h.conn != nil
}

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
	before      [window]int64       // before delta n was told, all up to before[n%window] had been
	told        int64               // all up to here has been told
	mine        map[string]struct{} // interfaces that the host was told to have
	behind      map[string]int64    // as acknowledged last
}

// tell notes that a delta is told; sent says that the host has to acknowledge it.
func (p *progress) tell(revision int64, sent bool) {
	if sent {
		p.before[p.sent%window] = p.told
		p.sent++
	}
	p.told = revision
}

// enforced returns the newest revision of which all is acknowledged, 0 before the
// first acknowledgement of the stream.
func (p *progress) enforced() int64 {
	if p.acked == p.sent {
		return p.told
	}
	return p.before[p.acked%window]
}
