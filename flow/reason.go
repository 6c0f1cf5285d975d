// SPDX-License-Identifier: Apache-2.0

package flow

// Reason says why a packet got its verdict. Every verdict carries one, and each
// is counted per interface and direction. The numbers are those of enum reason
// in datapath/bpf/reason.h; a test in datapath holds the two together.
type Reason uint8

const (
	ReasonUnset Reason = iota // observing this is a bug

	// Accept.
	ReasonRule      // a rule admits a new flow, or a packet that needs no state
	ReasonTracked   // a live entry admits it
	ReasonUntracked // any-CIDR rules admit it both ways (section 2.1)
	ReasonRelated   // an ICMP error about a flow that passes (3.4)

	// Exempt.
	ReasonExempt   // traffic that groups never filter (section 4.1)
	ReasonAnswered // ARP, neighbour discovery or router echo, answered or absorbed (4.2)

	// Reject.
	ReasonNoRule        // no rule admits it
	ReasonNoState       // rules admit it, but it cannot begin a flow (3.2)
	ReasonBadFlags      // a combination of TCP flags that no stack sends (3.2)
	ReasonAllowance     // the instance's tracking allowance or the table is used up (3.8)
	ReasonFragNoContext // a later fragment whose first was not seen (4.5)

	// Discard.
	ReasonNoPolicy       // the interface has no policy yet: closed (3.10)
	ReasonMalformed      // headers contradict each other or the frame (4.6)
	ReasonEthertype      // neither IPv4, IPv6 nor ARP, or a VLAN tag (4.2)
	ReasonSpoofMAC       // Ethernet source is not the interface's (5)
	ReasonSpoofIP        // source address is not the interface's (5)
	ReasonSpoofARP       // ARP content is not the interface's (4.2)
	ReasonSpoofND        // neighbour advertisement for a foreign address (4.2)
	ReasonRogueRA        // router advertisement or redirect from an instance (4.2)
	ReasonNotMine        // destination is not an address of the interface (5)
	ReasonMartian        // an address that may never be on the wire (1.8, 4.6)
	ReasonLinkLocal      // a link-local service address, but not a service port (4.1)
	ReasonBroadcast      // (4.3)
	ReasonMulticast      // (4.3)
	ReasonSourceRoute    // IPv4 source routing (4.4)
	ReasonExtChain       // IPv6 extension chain too long, truncated or refused (4.4)
	ReasonFamilyMismatch // ICMP in IPv6 or ICMPv6 in IPv4 (4.4)
	ReasonTinyFragment   // first fragment without its whole transport header (4.5)
	ReasonFragOverlap    // fragments of the datagram overlap: nothing more of it passes (4.5)
	ReasonFragHeld       // a later fragment, kept until its first one is judged; counted then (4.5)
	ReasonFragAllowance  // more egress fragments in a second than the interface may send (3.8)
	ReasonLinkLocalRate  // more packets to local services in a second than it may send (3.8)
	ReasonNoRoute        // egress admits it, but the fabric knows nobody at the destination
	// It is for the internet, and its source is not known there (1.11).
	ReasonNoPublicAddress
	ReasonTooBig // longer than the network between hosts takes; its sender is told (1.12)

	NumReasons // keep last: sizes counters
)

var reasonNames = [NumReasons]string{
	ReasonUnset:          "unset",
	ReasonRule:           "rule",
	ReasonTracked:        "tracked",
	ReasonUntracked:      "untracked",
	ReasonRelated:        "related",
	ReasonExempt:         "exempt",
	ReasonAnswered:       "answered",
	ReasonNoRule:         "no_rule",
	ReasonNoState:        "no_state",
	ReasonBadFlags:       "bad_flags",
	ReasonAllowance:      "allowance",
	ReasonFragNoContext:  "frag_no_context",
	ReasonNoPolicy:       "no_policy",
	ReasonMalformed:      "malformed",
	ReasonEthertype:      "ethertype",
	ReasonSpoofMAC:       "spoof_mac",
	ReasonSpoofIP:        "spoof_ip",
	ReasonSpoofARP:       "spoof_arp",
	ReasonSpoofND:        "spoof_nd",
	ReasonRogueRA:        "rogue_ra",
	ReasonNotMine:        "not_mine",
	ReasonMartian:        "martian",
	ReasonLinkLocal:      "linklocal",
	ReasonBroadcast:      "broadcast",
	ReasonMulticast:      "multicast",
	ReasonSourceRoute:    "source_route",
	ReasonExtChain:       "ext_chain",
	ReasonFamilyMismatch: "family_mismatch",
	ReasonTinyFragment:   "tiny_fragment",
	ReasonFragOverlap:    "frag_overlap",
	ReasonFragHeld:       "frag_held",
	ReasonFragAllowance:  "frag_allowance",
	ReasonLinkLocalRate:  "linklocal_allowance",
	ReasonNoRoute:        "no_route",

	ReasonNoPublicAddress: "no_public_address",
	ReasonTooBig:          "too_big",
}

func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "invalid"
}

// Verdict returns the verdict that goes with the reason.
func (r Reason) Verdict() Verdict {
	switch {
	case r == ReasonUnset || r >= ReasonNoPolicy:
		return Discard
	case r <= ReasonRelated:
		return Accept
	case r <= ReasonAnswered:
		return Exempt
	default:
		return Reject
	}
}
