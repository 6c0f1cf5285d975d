// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// fillGroups makes groups with tags and with rules that have peers in common.
func (r *rig) fillGroups(t *testing.T, n int) (ids []string) {
	t.Helper()
	vpcs := []string{r.vpc(t, true), r.vpc(t, false)}
	for i := range n {
		made := must(r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{
			GroupName: new(fmt.Sprint("g", i)), Description: new("d"), VpcId: &vpcs[i%2],
			TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "security-group", Tags: []sdktypes.Tag{{Key: new("n"), Value: new(fmt.Sprint(i % 3))}}}},
		}))(t)
		p := sdktypes.IpPermission{IpProtocol: new("tcp"), FromPort: new(int32(i)), ToPort: new(int32(i))}
		p.IpRanges = []sdktypes.IpRange{{CidrIp: new(fmt.Sprintf("10.%d.0.0/16", i%4))}, {CidrIp: new(fmt.Sprintf("192.0.2.%d/32", i))}}
		if i > 2 {
			p.UserIdGroupPairs = []sdktypes.UserIdGroupPair{{GroupId: &ids[i%2]}}
		}
		r.authorize(t, *made.GroupId, p)
		ids = append(ids, *made.GroupId)
	}
	return ids
}

// Whatever index leads to the groups that a request asks for, the answer is that
// of looking at each of them.
func TestIndexesChangeNoAnswer(t *testing.T) {
	r := newRig(t, control.Config{})
	ids := r.fillGroups(t, 12)
	scope := secgroup.Scope{Account: r.key.Account, Region: "us-east-1"}
	seed := testrand.Seed(t)
	rng := testrand.New(seed)
	snap := r.control.Read()
	var vpcs []string
	for v := range snap.VPCs.All() {
		vpcs = append(vpcs, v.ID)
	}
	values := map[string][]string{
		"group-id": append(ids[:4:4], "sg-00000000000000000", "*"), "vpc-id": append(vpcs, "vpc-*", "vpc-00000000"),
		"ip-permission.cidr": {"10.1.0.0/16", "10.2.0.0/16", "10.3.*", "0.0.0.0/0", "none"}, "egress.ip-permission.cidr": {"0.0.0.0/0", "10.1.0.0/16"},
		"egress.ip-permission.ipv6-cidr": {"::/0", "nothing"}, "ip-permission.group-id": {ids[0], ids[1], ids[2], "sg-?"},
		"egress.ip-permission.group-id": {ids[0]}, "tag:n": {"0", "1", "2", "?"}, "tag:N": {"0"}, "group-name": {"g1", "g1*"},
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for range 500 {
		var in []ec2types.Filter
		for range rng.IntN(4) {
			name := names[rng.IntN(len(names))]
			f := ec2types.Filter{Name: &name}
			for range rng.IntN(4) {
				f.Values = append(f.Values, values[name][rng.IntN(len(values[name]))])
			}
			in = append(in, f)
		}
		match, err := compileGroupFilters(in)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for g := range snap.Groups.By(model.ByScope, model.ScopeValue(scope)) {
			if match(g) {
				want = append(want, g.ID)
			}
		}
		after := model.Place{}
		if skip := rng.IntN(len(want) + 1); skip > 0 {
			after = snap.Groups.Place(snap.Groups.Get(want[skip-1]))
			want = want[skip:]
		}
		for g := range groupFinder.rows(snap, scope, in, after) {
			if match(g) {
				got = append(got, g.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("SEED=%d: filters %v after %v find %v, want %v", seed, in, after, got, want)
		}
	}
}

// Pages of groups and of rules join to what comes without pages.
func TestPagesJoinToTheWhole(t *testing.T) {
	r := newRig(t, control.Config{})
	r.fillGroups(t, 12)
	whole, paged := must(r.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{}))(t).SecurityGroups, []string{}
	for pages := sdk.NewDescribeSecurityGroupsPaginator(r, &sdk.DescribeSecurityGroupsInput{MaxResults: aws.Int32(5)}); pages.HasMorePages(); {
		for _, g := range must(pages.NextPage(t.Context()))(t).SecurityGroups {
			paged = append(paged, *g.GroupId)
		}
	}
	reads(t, strings.Join(paged, " "), strings.Join(each(whole, func(g sdktypes.SecurityGroup) string { return *g.GroupId }), " "))

	rules, paged := must(r.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{}))(t).SecurityGroupRules, []string{}
	for pages := sdk.NewDescribeSecurityGroupRulesPaginator(r, &sdk.DescribeSecurityGroupRulesInput{MaxResults: aws.Int32(5)}); pages.HasMorePages(); {
		for _, g := range must(pages.NextPage(t.Context()))(t).SecurityGroupRules {
			paged = append(paged, *g.SecurityGroupRuleId)
		}
	}
	if len(rules) < 50 {
		t.Errorf("%d rules", len(rules))
	}
	reads(t, strings.Join(paged, " "), strings.Join(each(rules, func(g sdktypes.SecurityGroupRule) string { return *g.SecurityGroupRuleId }), " "))
}

// Tokens that nobody made are refused, whatever they are right about.
func TestForgedPlacesAreRefused(t *testing.T) {
	for _, key := range []string{"x", "\x00", "\x1c12345678", "\x09" + model.Place{ID: "a"}.Key(), "\xff" + model.Place{ID: "a"}.Key()} {
		if p, ok := parseRulePlace(key); ok {
			t.Errorf("%q is taken for %v", key, p)
		}
	}
	if _, ok := (cursor{after: "20250101"}).place(); ok {
		t.Error("a text of eight bytes is taken for a place")
	}
}
