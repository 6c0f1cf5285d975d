// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// networksOf returns the VPCs whose interfaces may carry the group: its own, and
// those that it is associated with.
func networksOf(snap *model.Snapshot, g *secgroup.Group) []string {
	vpcs := []string{g.VPC}
	for a := range snap.GroupAssociations.By(model.ByGroup, g.ID) {
		vpcs = append(vpcs, a.VPC)
	}
	return vpcs
}

// related reports whether rules of one group may name the other: some VPC has
// both, or two VPCs that have them are peered (docs/spec/ec2-api.md sections 3.12
// and 9.3). Where that is so by way of a peering connection alone, it is
// returned too.
func related(snap *model.Snapshot, g, peer *secgroup.Group) (p *secgroup.Peering, ok bool) {
	if g.VPC == peer.VPC {
		return nil, true
	}
	theirs := networksOf(snap, peer)
	ours := networksOf(snap, g)
	for _, vpc := range ours {
		if slices.Contains(theirs, vpc) {
			return nil, true
		}
	}
	for _, a := range ours {
		for _, b := range theirs {
			if p := snap.ActivePeering(a, b); p != nil && p.References() {
				return p, true
			}
		}
	}
	return nil, false
}

// ShowPeer completes what a rule of g says of the group that it names with what
// is true now, and reports whether the rule is stale (sections 9.3 and 9.4).
// Pairs that name no group stay as they are.
func (s *Service) ShowPeer(snap *model.Snapshot, g *secgroup.Group, pair secgroup.Pair) (shown secgroup.Pair, stale bool) {
	if pair.Group == "" {
		return pair, false
	}
	peer := snap.Groups.Get(pair.Group)
	var p *secgroup.Peering
	ok := false
	if peer != nil {
		p, ok = related(snap, g, peer)
		pair.GroupOwner, pair.GroupVPC = peer.Account, peer.VPC
	} else {
		pair.GroupOwner = ""
	}
	if pair.GroupVPC == g.VPC {
		pair.GroupVPC = "" // said only where it is another one
	}
	switch {
	case p != nil:
		pair.GroupPeering, pair.PeeringStatus = p.ID, string(p.State)
	case ok:
		pair.GroupPeering = ""
	case pair.GroupPeering != "":
		pair.PeeringStatus = string(secgroup.PeeringDeleted)
		if p := snap.Peerings.Get(pair.GroupPeering); p != nil {
			pair.PeeringStatus = string(p.State)
		}
	}
	return pair, !ok
}

// GroupReference is a VPC that names a group across a peering connection.
type GroupReference struct{ Group, VPC, Peering string }

// GroupReferences returns from where the scope's groups of these ids are named
// across active peering connections, once per group, VPC and connection
// (docs/spec/ec2-api.md section 3.9).
//
// Errors: InvalidGroup.NotFound.
func GroupReferences(snap *model.Snapshot, scope secgroup.Scope, ids []string) ([]GroupReference, error) {
	groups, err := SecurityGroups(snap, scope, ids, nil)
	if err != nil {
		return nil, err
	}
	var out []GroupReference
	for _, g := range groups {
		for other := range snap.Groups.By(model.ByReferenced, g.ID) {
			p := snap.ActivePeering(g.VPC, other.VPC)
			if p == nil || other.VPC == g.VPC {
				continue
			}
			if r := (GroupReference{g.ID, other.VPC, p.ID}); !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// StaleGroup is a group with its stale permissions, completed by ShowPeer, in the
// two directions: ingress first.
type StaleGroup struct {
	*secgroup.Group
	Permissions [2][]secgroup.Permission
}

// StaleGroups returns the groups of one of the scope's VPCs that have stale rules
// (docs/spec/ec2-api.md section 3.10).
//
// Errors: InvalidVpcID.NotFound.
func (s *Service) StaleGroups(snap *model.Snapshot, scope secgroup.Scope, vpc string) ([]*StaleGroup, error) {
	if _, err := findVPC(snap, scope, vpc); err != nil {
		return nil, err
	}
	var out []*StaleGroup
	for g := range snap.Groups.By(model.ByVPC, vpc) {
		if stale := s.staleOf(snap, g); stale != nil {
			out = append(out, stale)
		}
	}
	return out, nil
}

// staleOf returns a group's stale permissions, nil when it has none.
func (s *Service) staleOf(snap *model.Snapshot, g *secgroup.Group) *StaleGroup {
	var rules []secgroup.Rule
	for i := range g.Rules {
		if _, stale := s.ShowPeer(snap, g, g.Rules[i].Pair()); stale {
			rules = append(rules, g.Rules[i])
		}
	}
	if rules == nil {
		return nil
	}
	out := &StaleGroup{Group: g}
	for direction, egress := range []bool{false, true} {
		out.Permissions[direction] = secgroup.Grouped(rules, egress)
		for _, p := range out.Permissions[direction] {
			for i := range p.Peers {
				p.Peers[i], _ = s.ShowPeer(snap, g, p.Peers[i])
				if peer := snap.Groups.Get(p.Peers[i].Group); peer != nil {
					p.Peers[i].GroupName = peer.Name
				}
			}
		}
	}
	return out
}
