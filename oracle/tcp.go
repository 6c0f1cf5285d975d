// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// tcpState is a state of section 3.2.
type tcpState uint8

const (
	synSent tcpState = iota
	synackSeen
	synRecv
	oneway
	established
	halfClosed
	timeWait
	rstSeen
)

// tcpClass is a class of flags of section 3.2.
type tcpClass uint8

const (
	classBad  tcpClass = iota // SYN+FIN, SYN+RST, or none of SYN, ACK, RST, FIN
	classS                    // SYN
	classSA                   // SYN+ACK
	classR                    // RST
	classF                    // FIN
	classData                 // "-": anything else with ACK
)

func classify(f flow.TCPFlags) tcpClass {
	switch {
	case f.Has(flow.SYN | flow.FIN), f.Has(flow.SYN | flow.RST):
		return classBad
	case f.Has(flow.SYN | flow.ACK):
		return classSA
	case f.Has(flow.SYN):
		return classS
	case f.Has(flow.RST):
		return classR
	case f.Has(flow.FIN):
		return classF
	case f.Has(flow.ACK):
		return classData
	}
	return classBad
}

// step applies the state table of section 3.2 to a packet that is neither BAD nor
// a SYN that needs a fresh verdict. Each case is one row, in the table's order;
// what no row lists leaves the state unchanged.
func (c *entry) step(class tcpClass, from side, now time.Duration) {
	ini := from == c.initiator
	f := class == classF
	dataOrF := class == classData || f

	// "any of the above | R". TIME_WAIT has a row of its own for whatever is no
	// SYN: a closed connection stays closed.
	if class == classR && c.tcp != timeWait && c.tcp != rstSeen {
		c.alive = [2]bool{}
		c.enter(rstSeen, now)
		return
	}
	switch c.tcp {
	case synSent:
		switch {
		case !ini && (class == classSA || class == classS):
			c.enter(synRecv, now)
		case ini && dataOrF:
			c.enter(oneway, now)
		}
	case synackSeen: // the initiator is the side that sent the SYN-ACK
		switch {
		case !ini && dataOrF:
			c.enter(established, now)
		case ini && dataOrF:
			c.enter(oneway, now)
		}
	case synRecv:
		if ini && dataOrF {
			c.enter(established, now)
			c.closeFrom(f, from, now)
		}
	case oneway:
		if !ini {
			c.enter(established, now)
		}
		c.closeFrom(f, from, now)
	case established:
		c.closeFrom(f, from, now)
	case halfClosed:
		if f && from != c.fin {
			c.enter(timeWait, now)
		}
	case rstSeen:
		if class != classR {
			c.alive[from] = true
		}
		if c.alive[local] && c.alive[remote] {
			c.enter(established, now)
		}
	}
}

func (c *entry) enter(s tcpState, now time.Duration) {
	c.tcp, c.entered = s, now
}

// closeFrom is the first FIN of an ESTABLISHED or ONEWAY connection.
func (c *entry) closeFrom(fin bool, from side, now time.Duration) {
	if fin {
		c.fin = from
		c.enter(halfClosed, now)
	}
}

// needsFreshVerdict reports a SYN that is a new connection attempt on an old
// tuple, so that the rules and not the entry decide (3.2).
func (c *entry) needsFreshVerdict(d flow.Direction, p flow.Packet) bool {
	if p.Protocol != flow.ProtoTCP || classify(p.Flags) != classS {
		return false
	}
	switch c.tcp {
	case established, oneway, halfClosed, timeWait, rstSeen:
		return true
	case synackSeen:
		return sender(d) != c.initiator
	}
	return false
}

// freshSYN is what becomes of the entry when the rules allow such a SYN.
func (e *Interface) freshSYN(k key, c *entry, d flow.Direction, p flow.Packet, untracked bool, now time.Duration) flow.Reason {
	if c.tcp != timeWait && c.tcp != rstSeen {
		// The old conversation may still live: its peer will tell. The spec
		// lists ESTABLISHED, ONEWAY and HALF_CLOSED; SYNACK_SEEN is alike.
		return flow.ReasonRule
	}
	if untracked {
		delete(e.entries, k)
		return flow.ReasonUntracked
	}
	*c = entry{initiator: sender(d), cost: c.cost, remoteOwner: c.remoteOwner, lastSeen: now, entered: now, tcp: synSent}
	c.count(d, p)
	return flow.ReasonRule
}
