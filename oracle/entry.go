// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// side names an end of a flow as the interface sees it (1.3).
type side uint8

const (
	remote side = iota
	local
)

// sender returns the side that a packet in direction d comes from.
func sender(d flow.Direction) side {
	if d == flow.Egress {
		return local
	}
	return remote
}

func (s side) other() side { return s ^ 1 }

// key is the flow key of section 1.3; the interface is the map it is in.
type key struct {
	protocol      uint8
	local, remote netip.Addr
	// TCP and UDP: the ports. ICMP queries: identifier and query family.
	localPort, remotePort uint16
	initiator             side // ICMP queries only
}

// keyOf returns the key of a packet, and false for ICMP messages that have none
// (3.4).
func keyOf(d flow.Direction, p flow.Packet) (key, bool) {
	k := key{protocol: p.Protocol, local: p.Local(d), remote: p.Remote(d)}
	switch p.Protocol {
	case flow.ProtoTCP, flow.ProtoUDP:
		k.localPort, k.remotePort = p.SrcPort, p.DstPort
		if d == flow.Ingress {
			k.localPort, k.remotePort = p.DstPort, p.SrcPort
		}
	case flow.ProtoICMP, flow.ProtoICMPv6:
		query, isQuery, isReply := flow.ICMPQuery(p.Family, p.Type)
		if !isQuery && !isReply {
			return key{}, false
		}
		k.localPort, k.remotePort = p.ID, uint16(query)
		k.initiator = sender(d)
		if isReply {
			k.initiator = k.initiator.other()
		}
	}
	return k, true
}

// entry is one tracked flow (3.1).
type entry struct {
	initiator   side
	cost        int    // of the allowance (2.4)
	remoteOwner string // interface that owned the remote address at creation; "" outside

	lastSeen time.Duration // idle timers count from here
	entered  time.Duration // absolute timers count from here

	tcp   tcpState
	fin   side    // in HALF_CLOSED: the side that closed
	alive [2]bool // in RST_SEEN: sides that sent on after the RST

	asked        bool // UDP: the initiator sent since the last transaction
	transactions int  // UDP: completed ones (3.3)

	packets, octets [flow.NumDirections]int
}

// newEntry returns the entry that a packet creates, or nil and the reason why it
// may not, or need not, create one (1.9 step 11). In a time of grace after a loss
// of state, TCP data may (3.10).
func newEntry(d flow.Direction, p flow.Packet, now time.Duration, grace bool) (*entry, flow.Reason) {
	c := &entry{initiator: sender(d), cost: 1, lastSeen: now, entered: now}
	c.count(d, p)
	switch p.Protocol {
	case flow.ProtoTCP:
		switch classify(p.Flags) {
		case classS:
			c.tcp = synSent
		case classSA:
			c.tcp = synackSeen // asymmetric pick-up (2.6)
		case classData:
			if !grace {
				return nil, flow.ReasonNoState
			}
			c.tcp = established
		default: // BAD, too: bad_flags is said of a live entry's packets
			return nil, flow.ReasonNoState
		}
	case flow.ProtoUDP:
		c.asked = true
	case flow.ProtoICMP, flow.ProtoICMPv6:
		if _, isQuery, _ := flow.ICMPQuery(p.Family, p.Type); !isQuery {
			return nil, flow.ReasonRule // a reply passes by rule, without state
		}
	}
	return c, flow.ReasonRule
}

// update lets a live entry take note of a packet (3.1 to 3.5).
func (c *entry) update(d flow.Direction, p flow.Packet, now time.Duration) flow.Reason {
	from := sender(d)
	switch p.Protocol {
	case flow.ProtoTCP:
		class := classify(p.Flags)
		if class == classBad {
			return flow.ReasonBadFlags
		}
		c.step(class, from, now)
	case flow.ProtoUDP:
		if from == c.initiator {
			c.asked = true
		} else if c.asked {
			c.asked = false
			c.transactions++
		}
	}
	c.lastSeen = now
	c.count(d, p)
	return flow.ReasonTracked
}

// count adds a packet, or all segments of one, to the entry's counters (4.6).
func (c *entry) count(d flow.Direction, p flow.Packet) {
	c.packets[d] += p.Segments()
	c.octets[d] += p.Length
}

// find returns the live entry of the key, or nil. A dead one may stay until another
// takes its place, and until then a longer timeout revives it (2.5).
func (w *World) find(e *Interface, k key, now time.Duration) *entry {
	if c := e.entries[k]; c != nil && e.live(k, c, now, w.pressed(e)) {
		return c
	}
	return nil
}

// live is the definition of section 3.1: an entry exactly at its timeout is dead.
// pressed says that the instance is short of its allowance.
func (e *Interface) live(k key, c *entry, now time.Duration, pressed bool) bool {
	timeout, absolute := c.timeout(k, e.Timeouts.withDefaults(), pressed)
	since := c.lastSeen
	if absolute {
		since = c.entered
	}
	return now-since < timeout
}

// timeout is the table of section 3.6.
func (c *entry) timeout(k key, t Timeouts, pressed bool) (d time.Duration, absolute bool) {
	switch k.protocol {
	case flow.ProtoTCP:
		switch c.tcp {
		case synSent, synackSeen:
			if pressed {
				return 5 * time.Second, true
			}
			return 30 * time.Second, true
		case synRecv:
			if pressed {
				return 10 * time.Second, true
			}
			return 60 * time.Second, true
		case established:
			return t.TCPEstablished, false
		case oneway:
			return min(t.TCPEstablished, 350*time.Second), false
		case halfClosed:
			return min(t.TCPEstablished, 3600*time.Second), false
		case timeWait:
			return 60 * time.Second, true
		case rstSeen:
			return 10 * time.Second, true
		}
	case flow.ProtoUDP:
		if c.transactions >= 2 {
			return t.UDPStream, false
		}
		return t.UDP, false
	case flow.ProtoICMP, flow.ProtoICMPv6:
		return 30 * time.Second, false
	}
	return 600 * time.Second, false
}
