// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// companionOperations are those that clients call to read what is born with a
// VPC or an account (docs/spec/ec2-api.md section 4.4). Nothing here can be
// changed, so everything shown follows from the VPCs, their subnets and the
// account's Region.
func (s *Service) companionOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "DescribeVpcAttribute", s.describeVPCAttribute),
		awsapi.RegionalOp(s.control, "DescribeAccountAttributes", s.describeAccountAttributes),
		awsapi.RegionalOp(s.control, "DescribeNetworkAcls", s.describeNetworkACLs),
		awsapi.RegionalOp(s.control, "DescribeDhcpOptions", s.describeDHCPOptions),
		awsapi.RegionalOp(s.control, "DescribeVpcClassicLink", noClassicLink[ec2types.DescribeVpcClassicLinkRequest, ec2types.DescribeVpcClassicLinkResult]),
		awsapi.RegionalOp(s.control, "DescribeVpcClassicLinkDnsSupport", noClassicLink[ec2types.DescribeVpcClassicLinkDnsSupportRequest, ec2types.DescribeVpcClassicLinkDnsSupportResult]),
	}
}

// association returns the id of the tie between a companion and the resource
// that owner names. There is one at most, so it has the digits of the owner's id.
func association(prefix, owner string) string {
	return prefix + owner[strings.LastIndexByte(owner, '-'):]
}

// companion is a VPC with its subnets, oldest first: what its main route table
// and its default ACL are made of.
type companion struct {
	*secgroup.VPC
	subnets []*secgroup.Subnet
}

// companions returns one for each VPC of the scope.
func (s *Service) companions(scope secgroup.Scope) []*companion {
	snap := s.control.Read()
	vpcs, _ := control.VPCs(snap, scope) // without ids nothing can be missing
	subnets, _ := control.Subnets(snap, scope)
	slices.SortFunc(subnets, func(a, b *secgroup.Subnet) int {
		return strings.Compare(sortKey(a.Created, a.ID), sortKey(b.Created, b.ID))
	})
	return each(vpcs, func(v *secgroup.VPC) *companion {
		c := &companion{VPC: v}
		for _, n := range subnets {
			if n.VPC == v.ID {
				c.subnets = append(c.subnets, n)
			}
		}
		return c
	})
}

// byID returns the rows that ids name, all of them when there are no ids. Ids
// that name nothing are refused with the code and the noun.
func byID[T any](rows []*T, ids []string, idOf func(*T) string, code, noun string) ([]*T, error) {
	if len(ids) == 0 {
		return rows, nil
	}
	var unknown []string
	for _, id := range ids {
		if !slices.Contains(unknown, id) && !slices.ContainsFunc(rows, func(row *T) bool { return idOf(row) == id }) {
			unknown = append(unknown, id)
		}
	}
	switch len(unknown) {
	case 0:
		return slices.DeleteFunc(rows, func(row *T) bool { return !slices.Contains(ids, idOf(row)) }), nil
	case 1:
		return nil, secgroup.Errorf(code, "The %s ID '%s' does not exist", noun, unknown[0])
	}
	return nil, secgroup.Errorf(code, "The %s IDs '%s' do not exist", noun, strings.Join(unknown, ", "))
}
