// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// NewGroup is what CreateSecurityGroup is given. Name and Description have the
// form that package secgroup checks.
type NewGroup struct {
	VPC         string // id; "" is the default VPC
	Name        string
	Description string
	Tags        secgroup.Tags
}

// CreateSecurityGroup makes a group that admits nothing in and everything out
// (docs/spec/ec2-api.md section 3.1).
func (s *Service) CreateSecurityGroup(ctx context.Context, caller Caller, in NewGroup) (made *secgroup.Group, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		vpc, err := vpcOrDefault(tx.Snapshot, caller.Scope, in.VPC)
		if err != nil {
			return err
		}
		if tx.Groups.Has(model.ByName, model.NameValue(vpc.ID, in.Name)) {
			return secgroup.Errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", in.Name, vpc.ID)
		}
		if full(&tx.Groups, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).GroupsPerRegion) {
			return secgroup.Errorf("SecurityGroupLimitExceeded", "The maximum number of security groups for VPC '%s' has been reached.", vpc.ID)
		}
		if err := s.checkTagCount(in.Tags); err != nil {
			return err
		}
		made = newGroup(vpc, in.Name, in.Description, s.now().UTC())
		made.Tags = in.Tags
		tx.Groups.Put(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// vpcOrDefault returns the scope's VPC of that id, or its default VPC for "".
func vpcOrDefault(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.VPC, error) {
	if id != "" {
		return findVPC(snap, scope, id)
	}
	if vpc := DefaultVPC(snap, scope); vpc != nil {
		return vpc, nil
	}
	return nil, errVPCIDNotSpecified
}

// newGroup returns a group with the egress rules that every group is born with:
// everything to everywhere, over IPv6 only where the VPC has it.
func newGroup(vpc *secgroup.VPC, name, description string, now time.Time) *secgroup.Group {
	anywhere := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	if len(vpc.IPv6) > 0 {
		anywhere = append(anywhere, netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	}
	g := &secgroup.Group{
		Scope: vpc.Scope, ID: newID(secgroup.GroupPrefix), VPC: vpc.ID,
		Name: name, Description: description, EgressOriginal: true, Created: now,
	}
	for _, prefix := range anywhere {
		g.Rules = append(g.Rules, everything(true, secgroup.Peer{Prefix: prefix}))
	}
	return born(g)
}

// newDefaultGroup returns the group that is born with a VPC: its members may
// also talk to each other.
func newDefaultGroup(vpc *secgroup.VPC, now time.Time) *secgroup.Group {
	g := newGroup(vpc, secgroup.DefaultGroupName, "default VPC security group", now)
	self := everything(false, secgroup.Peer{Group: g.ID})
	self.GroupOwner = vpc.Account
	g.Rules = append(g.Rules, self)
	return born(g)
}

func everything(egress bool, peer secgroup.Peer) secgroup.Rule {
	return secgroup.Rule{RuleKey: secgroup.RuleKey{Egress: egress, Protocol: secgroup.AllProtocols, From: -1, To: -1, Peer: peer}}
}

// born gives the rules that have none yet an id and the time of their creation.
func born(g *secgroup.Group) *secgroup.Group {
	for i := range g.Rules {
		if r := &g.Rules[i]; r.ID == "" {
			r.ID, r.Created = newID(secgroup.RulePrefix), g.Created.Add(time.Duration(i))
		}
	}
	return g
}

// checkTagCount refuses more tags than one resource may have. Reserved ones do
// not count.
func (s *Service) checkTagCount(tags secgroup.Tags) error {
	if len(tags.Without(secgroup.Tag.Reserved)) > s.installed.TagsPerResource {
		return secgroup.Errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return nil
}

// DeleteSecurityGroup deletes a group that nothing depends on, and returns its id
// (docs/spec/ec2-api.md section 3.2).
func (s *Service) DeleteSecurityGroup(ctx context.Context, caller Caller, ref GroupRef) (id string, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		g, err := ref.resolve(tx.Snapshot, caller.Scope)
		if err != nil {
			return err
		}
		if g.Default() {
			return secgroup.Errorf("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, g.ID, g.Name)
		}
		if groupInUse(tx.Snapshot, g) {
			return secgroup.Errorf("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
		tx.Groups.Delete(g.ID)
		id = g.ID
		return nil
	})
	return id, err
}

// groupInUse reports whether the group is on an interface or named by a rule of
// another group that has a VPC in common with it, or associated with a VPC.
func groupInUse(snap *model.Snapshot, g *secgroup.Group) bool {
	if snap.Interfaces.Has(model.ByGroup, g.ID) || snap.GroupAssociations.Has(model.ByGroup, g.ID) {
		return true
	}
	for other := range snap.Groups.By(model.ByReferenced, g.ID) {
		if other.ID != g.ID && slices.Contains(networksOf(snap, other), g.VPC) {
			return true
		}
	}
	return false
}

// SecurityGroups returns the scope's groups: those with these ids and, in the
// default VPC, these names, or all of them when there are neither. What does not
// exist is refused (docs/spec/ec2-api.md sections 3.0 and 3.3).
func SecurityGroups(snap *model.Snapshot, scope secgroup.Scope, ids, names []string) ([]*secgroup.Group, error) {
	var groups []*secgroup.Group
	seen := map[string]bool{}
	add := func(g *secgroup.Group) {
		if !seen[g.ID] {
			seen[g.ID] = true
			groups = append(groups, g)
		}
	}
	if len(names) > 0 {
		found, err := groupsByName(snap, scope, names)
		if err != nil {
			return nil, err
		}
		for _, g := range found {
			add(g)
		}
	}
	if len(ids) > 0 || len(names) == 0 {
		found, err := named(&snap.Groups, scope, ids, func(g *secgroup.Group) secgroup.Scope { return g.Scope }, unknownGroup, unknownGroups)
		if err != nil {
			return nil, err
		}
		for _, g := range found {
			add(g)
		}
	}
	return groups, nil
}

func unknownGroups(names string) error {
	return secgroup.Errorf("InvalidGroup.NotFound", "The security groups '%s' do not exist", names)
}

// groupsByName is groupByName for several names: those that mean nothing are
// refused together.
func groupsByName(snap *model.Snapshot, scope secgroup.Scope, names []string) ([]*secgroup.Group, error) {
	var groups []*secgroup.Group
	var unknown []string
	var first error
	for _, name := range names {
		g, err := groupByName(snap, scope, name)
		switch {
		case err == errVPCIDNotSpecified:
			return nil, err
		case err != nil:
			unknown = append(unknown, name)
			if first == nil {
				first = err
			}
		default:
			groups = append(groups, g)
		}
	}
	if len(unknown) > 1 {
		return nil, unknownGroups(strings.Join(unknown, ", "))
	}
	return groups, first
}

// SecurityGroupsFor returns the groups that interfaces in one of the scope's VPCs
// can carry (docs/spec/ec2-api.md section 3.11).
func SecurityGroupsFor(snap *model.Snapshot, scope secgroup.Scope, vpc string) ([]*secgroup.Group, error) {
	if _, err := findVPC(snap, scope, vpc); err != nil {
		return nil, err
	}
	groups := slices.Collect(snap.Groups.By(model.ByVPC, vpc))
	for a := range snap.GroupAssociations.By(model.ByVPC, vpc) {
		groups = append(groups, snap.Groups.Get(a.Group))
	}
	return groups, nil
}
