// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"strconv"
	"time"
)

// Protocol is an IANA protocol number, or AllProtocols.
type Protocol int16

const (
	AllProtocols Protocol = -1
	ICMP         Protocol = 1
	TCP          Protocol = 6
	UDP          Protocol = 17
	ICMPv6       Protocol = 58
)

// String returns the stored and shown form (docs/spec/ec2-api.md section 2.3).
func (p Protocol) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmpv6"
	}
	return strconv.Itoa(int(p))
}

// HasPorts reports whether rules of the protocol carry a port range or an ICMP
// type and code.
func (p Protocol) HasPorts() bool {
	return p == TCP || p == UDP || p == ICMP || p == ICMPv6
}

// Peer is the other side that a rule admits. Exactly one of Prefix, PrefixList
// and Group is set.
type Peer struct {
	Prefix     netip.Prefix `json:"prefix,omitzero"`      // canonical: host bits cleared
	PrefixList string       `json:"prefixList,omitempty"` // pl-…
	Group      string       `json:"group,omitempty"`      // sg-…; may be gone (stale)
}

// RuleKey is what makes a rule the same rule: everything but its id, description
// and tags (docs/spec/ec2-api.md section 2.2). It is comparable.
type RuleKey struct {
	Egress   bool     `json:"egress,omitempty"`
	Protocol Protocol `json:"protocol"`
	From     int32    `json:"from"` // first port or ICMP type; -1 for all
	To       int32    `json:"to"`   // last port or ICMP code; -1 for all
	Peer     Peer     `json:"peer"`
}

// Rule is one allow-rule of a group.
type Rule struct {
	ID string `json:"id"` // sgr-…
	RuleKey
	GroupOwner  string  `json:"groupOwner,omitempty"`  // account of Peer.Group
	Description *string `json:"description,omitempty"` // nil when never given

	// Of a group in another VPC, as it was when the rule was made: what is shown
	// when the group or the peering connection is gone.
	GroupVPC     string `json:"groupVpc,omitempty"`
	GroupPeering string `json:"groupPeering,omitempty"` // pcx-…; empty where an association is the way

	Tags Tags `json:"tags,omitempty"`

	// Created is when the rule was made. Rules of one call lie a nanosecond apart,
	// so that the order of creation is the order of the request.
	Created time.Time `json:"created"`
}
