// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// membership is how one operation words its refusals of the groups that an
// interface shall have: the real service has three ways for the same conditions
// (docs/spec/ec2-api.md sections 5.1, 5.3 and 6.1).
type membership struct {
	unknown func(id string, subnet *secgroup.Subnet) error
	foreign func(id string, subnet *secgroup.Subnet) error
	many    func(account string, limit int) error
}

var (
	errNetworks = secgroup.Errorf("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
	errMany     = secgroup.Errorf("SecurityGroupsPerInterfaceLimitExceeded",
		"The maximum number of security groups per interface has been reached.")
)

var (
	ofNewInterface = membership{
		unknown: func(id string, _ *secgroup.Subnet) error {
			return secgroup.Errorf("InvalidSecurityGroupID.NotFound", "The securityGroup ID '%s' does not exist", id)
		},
		foreign: func(string, *secgroup.Subnet) error { return errNetworks },
		many: func(account string, limit int) error {
			return secgroup.Errorf("InvalidParameterValue",
				"user %s exceeded limit %d on the number of interface security group memberships", account, limit)
		},
	}
	ofChangedInterface = membership{
		unknown: func(id string, _ *secgroup.Subnet) error {
			return secgroup.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
		},
		foreign: func(string, *secgroup.Subnet) error { return errNetworks },
		many:    func(string, int) error { return errMany },
	}
	ofLaunch = membership{
		unknown: func(id string, subnet *secgroup.Subnet) error {
			return secgroup.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in VPC '%s'", id, subnet.VPC)
		},
		foreign: func(id string, subnet *secgroup.Subnet) error {
			return secgroup.Errorf("InvalidParameter", "Security group %s and subnet %s belong to different networks.", id, subnet.ID)
		},
		many: func(string, int) error { return errMany },
	}
)

// groups returns the groups that an interface in subnet gets when ids are asked
// for: each once, in the order given; the VPC's default group for none.
func (m membership) groups(tx *model.Tx, quotas Quotas, subnet *secgroup.Subnet, ids []string) ([]string, error) {
	if len(ids) == 0 {
		vpc := tx.VPCs.Get(subnet.VPC)
		return []string{vpc.DefaultGroup}, nil
	}
	var out []string
	for _, id := range ids {
		if g := tx.Groups.Get(id); g == nil || g.Scope != subnet.Scope {
			return nil, m.unknown(id, subnet)
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, id := range out {
		if !carriedIn(tx.Snapshot, tx.Groups.Get(id), subnet.VPC) {
			return nil, m.foreign(id, subnet)
		}
	}
	if len(out) > quotas.GroupsPerInterface {
		return nil, m.many(subnet.Account, quotas.GroupsPerInterface)
	}
	return out, nil
}
