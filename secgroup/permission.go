// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"fmt"
	"slices"
)

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
	for _, alike := range Alike(rules, egress) {
		p := Permission{Protocol: alike[0].Protocol, From: alike[0].From, To: alike[0].To}
		for _, r := range alike {
			p.Peers = append(p.Peers, r.Pair())
		}
		permissions = append(permissions, p)
	}
	return permissions
}

// Alike returns the rules of one direction in the order of Grouped: each list is
// those of one permission.
func Alike(rules []Rule, egress bool) [][]*Rule {
	type ports struct {
		protocol Protocol
		from, to int32
	}
	var all []ports
	var count []int
	var place map[ports]int       // in all; only of those beyond what is searched
	const searched = 16           // as fast as a map
	of := make([]int, len(rules)) // in all, -1 for the other direction
	for i := range rules {
		r := &rules[i]
		if of[i] = -1; r.Egress != egress {
			continue
		}
		key := ports{r.Protocol, r.From, r.To}
		at := slices.Index(all[:min(len(all), searched)], key)
		if at < 0 && len(all) > searched {
			var ok bool
			if at, ok = place[key]; !ok {
				at = -1
			}
		}
		if at < 0 {
			at = len(all)
			if all, count = append(all, key), append(count, 0); at >= searched {
				if place == nil {
					place = map[ports]int{}
				}
				place[key] = at
			}
		}
		of[i] = at
		count[at]++
	}
	space := make([]*Rule, len(rules))
	lists := make([][]*Rule, len(all))
	for at, n := range count {
		lists[at], space = space[:0:n], space[n:]
	}
	for i, at := range of {
		if at >= 0 {
			lists[at] = append(lists[at], &rules[i])
		}
	}
	return lists
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
