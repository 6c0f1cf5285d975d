// SPDX-License-Identifier: Apache-2.0

package control

import (
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// GroupRef names a group as requests do: by id, or by its name in the default
// VPC (docs/spec/ec2-api.md section 3.0). At least one of them is set.
type GroupRef struct{ ID, Name string }

// errVPCIDNotSpecified is what a name gets where there is no default VPC to look
// it up in.
var errVPCIDNotSpecified = secgroup.Errorf("VPCIdNotSpecified",
	"No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")

// findGroup returns the scope's group of that id, or the refusal.
func findGroup(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.Group, error) {
	if g := snap.Groups.Get(id); g != nil && g.Scope == scope {
		return g, nil
	}
	return nil, unknownGroup(id)
}

// groupByName returns the group of that name in the scope's default VPC, or the
// refusal. Letter case counts.
func groupByName(snap *model.Snapshot, scope secgroup.Scope, name string) (*secgroup.Group, error) {
	vpc := DefaultVPC(snap, scope)
	if vpc == nil {
		return nil, errVPCIDNotSpecified
	}
	for g := range snap.Groups.By(model.ByName, model.NameValue(vpc.ID, name)) {
		if g.Name == name {
			return g, nil
		}
	}
	return nil, secgroup.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, vpc.ID)
}

// resolve returns the group that a request names. The name is looked at first;
// given with an id, both must mean the same group (section 16, point 13).
func (ref GroupRef) resolve(snap *model.Snapshot, scope secgroup.Scope) (*secgroup.Group, error) {
	var named *secgroup.Group
	if ref.Name != "" {
		var err error
		if named, err = groupByName(snap, scope, ref.Name); err != nil || ref.ID == "" {
			return named, err
		}
	}
	g, err := findGroup(snap, scope, ref.ID)
	if err != nil {
		return nil, err
	}
	if named != nil && named.ID != g.ID {
		return nil, secgroup.Errorf("InvalidParameterCombination",
			"The parameters groupId and groupName name different security groups: '%s' and '%s'", g.ID, named.ID)
	}
	return g, nil
}

// resolvePeers returns the permissions with every peer that is a group named by
// its id and owner. In a rule of g that is to be made (strict), what a peer names
// must exist and be related to g; revoking takes ids as they are, so that stale
// rules can be removed (sections 3.5 and 3.6).
func resolvePeers(snap *model.Snapshot, scope secgroup.Scope, g *secgroup.Group, permissions []secgroup.Permission, strict bool) ([]secgroup.Permission, error) {
	resolved := make([]secgroup.Permission, len(permissions))
	var apart bool // some group is in a VPC that g's has nothing to do with
	for i, p := range permissions {
		resolved[i] = p
		resolved[i].Peers = make([]secgroup.Pair, len(p.Peers))
		for j, pair := range p.Peers {
			if strict || pair.Group == "" && pair.GroupName != "" {
				peer, err := lookUpPeer(snap, scope, &pair)
				if err != nil {
					return nil, err
				}
				if peer != nil {
					p, ok := related(snap, g, peer)
					if !ok && peer.Scope != scope {
						return nil, unknownGroup(pair.Group) // strangers learn nothing of each other
					}
					apart = apart || !ok
					pair.Group, pair.GroupName, pair.GroupOwner, pair.GroupVPC = peer.ID, "", peer.Account, ""
					if peer.VPC != g.VPC {
						pair.GroupVPC = peer.VPC
					}
					if p != nil {
						pair.GroupPeering = p.ID
					}
				}
			}
			resolved[i].Peers[j] = pair
		}
	}
	if strict && apart {
		return nil, errNetworks
	}
	return resolved, nil
}

// lookUpPeer returns the group that a pair names, nil when it names none; a
// prefix list that it names must be there. What a request says about a group's
// owner and VPC must be true: a group of another owner or VPC than asserted does
// not exist.
func lookUpPeer(snap *model.Snapshot, scope secgroup.Scope, pair *secgroup.Pair) (g *secgroup.Group, err error) {
	name := pair.Group
	switch {
	case pair.PrefixList != "":
		if prefixListOf(snap, scope, pair.PrefixList) == nil {
			err = unknownListInRule(pair.PrefixList)
		}
		return nil, err
	case pair.Group != "":
		if pair.GroupOwner != "" { // in one Region; resolvePeers looks at what lies between the accounts
			scope.Account = pair.GroupOwner
		}
		g, err = findGroup(snap, scope, pair.Group)
	case pair.GroupName != "":
		name = pair.GroupName
		g, err = groupByName(snap, scope, pair.GroupName)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if pair.GroupOwner != "" && pair.GroupOwner != g.Account || pair.GroupVPC != "" && pair.GroupVPC != g.VPC {
		return nil, unknownGroup(name)
	}
	return g, nil
}
