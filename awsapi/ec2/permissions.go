// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// badGroupID is what most operations call a malformed group id.
const badGroupID = "InvalidGroupId.Malformed"

// errNoPeer is what a peer gets that is there and says nothing.
var errNoPeer = secgroup.Errorf("InvalidParameterValue",
	"missing mandatory parameter: exactly one of remote-security-group, remote-ip-range, remote-ipv6-range, or prefix-list-id must be present.")

// parsePermissions checks the syntax of the permissions of a request and returns
// their normal form (docs/spec/ec2-api.md sections 2.3 to 2.7 and 3.5).
func parsePermissions(in []ec2types.IpPermission) ([]secgroup.Permission, error) {
	permissions := make([]secgroup.Permission, len(in))
	for i := range in {
		p, err := parsePermission(&in[i])
		if err != nil {
			return nil, err
		}
		permissions[i] = p
	}
	return permissions, nil
}

func parsePermission(in *ec2types.IpPermission) (p secgroup.Permission, err error) {
	if p.Protocol, err = secgroup.ParseProtocol(deref(in.IpProtocol)); err != nil {
		return p, err
	}
	if p.From, p.To, err = secgroup.ParsePorts(p.Protocol, in.FromPort, in.ToPort); err != nil {
		return p, err
	}
	add := func(pair secgroup.Pair, err error, description *string) error {
		if err != nil {
			return err
		}
		pair.Description = description
		p.Peers = append(p.Peers, pair)
		return secgroup.CheckRuleDescription(deref(description))
	}
	for _, r := range in.IpRanges {
		pair, err := cidrPeer(r.CidrIp, nil)
		if err := add(pair, err, r.Description); err != nil {
			return p, err
		}
	}
	for _, r := range in.Ipv6Ranges {
		pair, err := cidrPeer(nil, r.CidrIpv6)
		if err := add(pair, err, r.Description); err != nil {
			return p, err
		}
	}
	for _, l := range in.PrefixListIds {
		pair, err := prefixListPeer(l.PrefixListId)
		if err := add(pair, err, l.Description); err != nil {
			return p, err
		}
	}
	for i := range in.UserIdGroupPairs {
		pair, err := groupPeer(&in.UserIdGroupPairs[i])
		if err := add(pair, err, in.UserIdGroupPairs[i].Description); err != nil {
			return p, err
		}
	}
	return p, nil
}

// cidrPeer returns the range that is given: one of the two.
func cidrPeer(v4, v6 *string) (pair secgroup.Pair, err error) {
	switch {
	case v4 != nil:
		pair.Prefix, err = secgroup.ParseCIDR4(*v4)
	case v6 != nil:
		pair.Prefix, err = secgroup.ParseCIDR6(*v6)
	default:
		err = errNoPeer
	}
	return pair, err
}

func prefixListPeer(id *string) (pair secgroup.Pair, err error) {
	if id == nil {
		return pair, errNoPeer
	}
	pair.PrefixList = *id
	return pair, secgroup.CheckID(secgroup.PrefixListPrefix, *id, "InvalidPrefixListId.Malformed")
}

// groupPeer returns the group that is named by id, or else by name.
func groupPeer(in *ec2types.UserIdGroupPair) (pair secgroup.Pair, err error) {
	pair.GroupOwner, pair.GroupVPC = deref(in.UserId), deref(in.VpcId)
	if pair.Group = deref(in.GroupId); pair.Group != "" {
		return pair, secgroup.CheckID(secgroup.GroupPrefix, pair.Group, badGroupID)
	}
	if pair.GroupName = deref(in.GroupName); pair.GroupName == "" {
		return pair, errNoSourceGroup
	}
	return pair, nil
}

// showRules returns the rules of one direction of a group as permissions, which
// say of the groups that they name what is true now.
func (s *Service) showRules(snap *model.Snapshot, g *secgroup.Group, egress bool) []ec2types.IpPermission {
	return each(secgroup.Alike(g.Rules, egress), func(rules []*secgroup.Rule) ec2types.IpPermission {
		out := noPeers(rules[0].Protocol, rules[0].From, rules[0].To)
		out.IpRanges, rules = showRanges(rules)
		for _, r := range rules {
			pair := r.Pair()
			if pair.Group != "" {
				pair, _ = s.control.ShowPeer(snap, g, pair)
			}
			addPeer(&out, &pair)
		}
		return out
	})
}

// showRanges shows the IPv4 ranges at the beginning of rules, and returns the other
// rules. Most permissions are lists of such ranges: their texts share one string.
func showRanges(rules []*secgroup.Rule) ([]ec2types.IpRange, []*secgroup.Rule) {
	const longest = len("255.255.255.255/32")
	n := 0
	for n < len(rules) && rules[n].Peer.Prefix.Addr().Is4() {
		n++
	}
	text, names := make([]byte, 0, n*longest), make([]string, n)
	ranges, ends := make([]ec2types.IpRange, n), make([]int, n)
	for i, r := range rules[:n] {
		text = r.Peer.Prefix.AppendTo(text)
		ends[i] = len(text)
	}
	all, from := string(text), 0
	for i, r := range rules[:n] {
		names[i], from = all[from:ends[i]], ends[i]
		ranges[i].CidrIp, ranges[i].Description = &names[i], r.Description
	}
	return ranges, rules[n:]
}

// ipPermissions returns permissions as results show them.
func ipPermissions(permissions []secgroup.Permission) []ec2types.IpPermission {
	return each(permissions, func(p secgroup.Permission) ec2types.IpPermission {
		out := noPeers(p.Protocol, p.From, p.To)
		for i := range p.Peers {
			addPeer(&out, &p.Peers[i])
		}
		return out
	})
}

// noPeers returns a permission without its peers. The ports are absent when the
// protocol has none; the four lists are always there (docs/spec/ec2-api.md
// sections 1.2 and 2.5).
func noPeers(protocol secgroup.Protocol, from, to int32) ec2types.IpPermission {
	out := ec2types.IpPermission{
		IpProtocol:       new(protocol.String()),
		IpRanges:         []ec2types.IpRange{},
		Ipv6Ranges:       []ec2types.Ipv6Range{},
		PrefixListIds:    []ec2types.PrefixListId{},
		UserIdGroupPairs: []ec2types.UserIdGroupPair{},
	}
	if protocol.HasPorts() {
		out.FromPort, out.ToPort = &from, &to
	}
	return out
}

func addPeer(out *ec2types.IpPermission, pair *secgroup.Pair) {
	switch {
	case pair.Group != "":
		out.UserIdGroupPairs = append(out.UserIdGroupPairs, showGroupPair(*pair))
	case pair.PrefixList != "":
		out.PrefixListIds = append(out.PrefixListIds, ec2types.PrefixListId{PrefixListId: new(pair.PrefixList), Description: pair.Description})
	case pair.Prefix.Addr().Is4():
		out.IpRanges = append(out.IpRanges, ec2types.IpRange{CidrIp: new(rangeOf(pair.Prefix)), Description: pair.Description})
	default:
		out.Ipv6Ranges = append(out.Ipv6Ranges, ec2types.Ipv6Range{CidrIpv6: new(rangeOf(pair.Prefix)), Description: pair.Description})
	}
}

// rangeOf is p.String() in one piece.
func rangeOf(p netip.Prefix) string {
	var space [64]byte
	return string(p.AppendTo(space[:0]))
}
