// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/query"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// BenchmarkPage shows and encodes a page of 1,000 groups with 60 rules each.
func BenchmarkPage(b *testing.B) {
	g := &secgroup.Group{ID: "sg-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", Name: "name", Description: "description"}
	for i := range 60 {
		g.Rules = append(g.Rules, secgroup.Rule{ID: fmt.Sprintf("sgr-%017x", i), RuleKey: secgroup.RuleKey{
			Protocol: secgroup.TCP, From: int32(i % 6), To: int32(i % 6), Peer: secgroup.Peer{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 2, byte(i * 4)}), 30)},
		}})
	}
	s, snap := &Service{control: new(control.Service)}, new(model.Snapshot)
	var space []byte
	b.ReportAllocs()
	for b.Loop() {
		out := new(ec2types.DescribeSecurityGroupsResult)
		for range 1000 {
			out.SecurityGroups = append(out.SecurityGroups, s.showGroup(snap, g))
		}
		space = query.EC2Result(space[:0], ec2types.Model, ec2types.Model.Operations["DescribeSecurityGroups"], "id", out)
	}
	b.SetBytes(int64(len(space)))
}
