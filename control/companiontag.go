// SPDX-License-Identifier: Apache-2.0

package control

import (
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// What is born with a VPC or an account's Region (docs/spec/ec2-api.md section
// 4.4) cannot be changed, but it can be tagged.

func unknownACL(id string) error {
	return secgroup.Errorf("InvalidNetworkAclID.NotFound", "The networkAcl ID '%s' does not exist", id)
}

// findACL finds a VPC's default ACL, which is part of the VPC's row.
func findACL(tx *model.Tx, scope secgroup.Scope, id string) (secgroup.Tags, func(secgroup.Tags), bool) {
	for v := range tx.VPCs.By(model.ByScope, model.ScopeValue(scope)) {
		if v.DefaultACL == id {
			return v.ACLTags, func(changed secgroup.Tags) {
				next := *v
				next.ACLTags = changed
				tx.VPCs.Put(&next)
			}, true
		}
	}
	return nil, nil, false
}

func eachACL(snap *model.Snapshot, scope secgroup.Scope, yield func(string, secgroup.Tags)) {
	for v := range snap.VPCs.By(model.ByScope, model.ScopeValue(scope)) {
		if len(v.ACLTags) > 0 {
			yield(v.DefaultACL, v.ACLTags)
		}
	}
}

func unknownDHCPOptions(id string) error {
	return secgroup.Errorf("InvalidDhcpOptionID.NotFound", "The dhcpOption ID '%s' does not exist", id)
}

// findDHCPOptions finds the default option set of an account's Region.
func findDHCPOptions(tx *model.Tx, scope secgroup.Scope, id string) (secgroup.Tags, func(secgroup.Tags), bool) {
	born := tx.AccountRegions.Get(model.ScopeID(scope))
	if born == nil || born.DHCPOptions != id {
		return nil, nil, false
	}
	return born.DHCPTags, func(changed secgroup.Tags) {
		next := *born
		next.DHCPTags = changed
		tx.AccountRegions.Put(&next)
	}, true
}

func eachDHCPOptions(snap *model.Snapshot, scope secgroup.Scope, yield func(string, secgroup.Tags)) {
	if born := snap.AccountRegions.Get(model.ScopeID(scope)); born != nil && len(born.DHCPTags) > 0 {
		yield(born.DHCPOptions, born.DHCPTags)
	}
}
