// SPDX-License-Identifier: Apache-2.0

package secgroup

import "fmt"

// Permission is rules with equal protocol and ports, as requests name them and
// as a group's grouped view shows them (docs/spec/ec2-api.md sections 2.5 and
// 3.5). One peer is one rule; without peers it names no rule.
type Permission struct {
	Protocol Protocol
	From, To int32  // -1 when ports do not apply
	Peers    []Pair // in requests: IPv4 ranges, IPv6 ranges, prefix lists, groups
}

// Pair is one peer of a permission with what is said about it.
type Pair struct {
	Peer
	GroupName   string  // names the group in the default VPC when Peer.Group is empty; requests only
	GroupOwner  string  // account of the group; in requests empty for the caller's
	GroupVPC    string  // VPC that the group is said to be in, "" for unsaid
	Description *string // nil when not given

	// Of a group in another VPC: the peering connection that leads there, and its
	// status. Requests do not have them.
	GroupPeering  string
	PeeringStatus string
}

// Key returns the identity of the rule that the permission names with peer.
func (p *Permission) Key(egress bool, peer Peer) RuleKey {
	return RuleKey{Egress: egress, Protocol: p.Protocol, From: p.From, To: p.To, Peer: peer}
}

// Grouped returns the rules of one direction as permissions: ordered by the
// oldest rule of each, and their peers by the age of the rule
// (docs/spec/ec2-api.md section 2.5).
func Grouped(rules []Rule, egress bool) []Permission {
	var permissions []Permission
	place := map[RuleKey]int{} // of a key without peer in permissions
	for i := range rules {
		r := &rules[i]
		if r.Egress != egress {
			continue
		}
		key := r.RuleKey
		key.Peer = Peer{}
		at, ok := place[key]
		if !ok {
			at = len(permissions)
			place[key] = at
			permissions = append(permissions, Permission{Protocol: r.Protocol, From: r.From, To: r.To})
		}
		p := &permissions[at]
		p.Peers = append(p.Peers, r.Pair())
	}
	return permissions
}

// Pair returns the rule's peer with what the rule says of it.
func (r *Rule) Pair() Pair {
	return Pair{
		Peer: r.Peer, GroupOwner: r.GroupOwner, GroupVPC: r.GroupVPC, GroupPeering: r.GroupPeering, Description: r.Description,
	}
}

// SetPair makes the rule say of its peer what a pair does.
func (r *Rule) SetPair(p Pair) {
	r.Peer, r.GroupOwner, r.GroupVPC, r.GroupPeering, r.Description = p.Peer, p.GroupOwner, p.GroupVPC, p.GroupPeering, p.Description
}

// String returns the canonical CIDR, or the id of the prefix list or group.
func (p Peer) String() string {
	switch {
	case p.Group != "":
		return p.Group
	case p.PrefixList != "":
		return p.PrefixList
	}
	return p.Prefix.String()
}

// String returns the rule as EC2's messages print it, for example
// "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW"
// (docs/spec/ec2-api.md section 3.5).
func (k RuleKey) String() string {
	var spec string
	switch k.Protocol {
	case AllProtocols:
		spec = "ALL"
	case TCP:
		spec = fmt.Sprintf("TCP, from port: %d, to port: %d", k.From, k.To)
	case UDP:
		spec = fmt.Sprintf("UDP, from port: %d, to port: %d", k.From, k.To)
	case ICMP:
		spec = fmt.Sprintf("ICMP, type: %s, code: %s", orAll(k.From), orAll(k.To))
	case ICMPv6:
		spec = fmt.Sprintf("ICMPv6, type: %s, code: %s", orAll(k.From), orAll(k.To))
	default:
		spec = fmt.Sprintf("protocol: %d", k.Protocol)
	}
	return fmt.Sprintf("peer: %s, %s, ALLOW", k.Peer, spec)
}

func orAll(n int32) string {
	if n == all {
		return "ALL"
	}
	return fmt.Sprint(n)
}
