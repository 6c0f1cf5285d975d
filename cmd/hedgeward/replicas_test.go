// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/hedgeward/hedgeward/internal/testetcd"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/secgroup"
)

// code returns the code of a refusal, "" for none.
func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return ""
}

// crowd are workers that write by way of several replicas at once, with the
// same names, rules and addresses, and look each answered write up elsewhere.
type crowd struct {
	t        *testing.T
	replicas []*replica
	vpc      string
	subnet   string
	shared   string // group whose rules all change

	mu       sync.Mutex
	made     map[string]int // by what was made or removed: how often more made than removed
	answered map[string]int // by outcome
}

func (c *crowd) count(what string, by int, outcome error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered[what[:strings.Index(what, " ")]+" "+code(outcome)]++
	if outcome == nil {
		c.made[what] += by
	}
}

// allowed are the refusals that a crowd may meet.
var allowed = []string{"", "InvalidGroup.Duplicate", "InvalidGroup.NotFound", "InvalidPermission.Duplicate", "InvalidPermission.NotFound",
	"RulesPerSecurityGroupLimitExceeded", "InvalidIPAddress.InUse", "InvalidParameterValue", "InvalidNetworkInterfaceID.NotFound"}

// step makes or removes one thing by way of one replica and looks for the outcome
// by way of another.
func (c *crowd) step(ctx context.Context, rng *rand.Rand) error {
	here, there := c.replicas[rng.IntN(len(c.replicas))], c.replicas[rng.IntN(len(c.replicas))]
	n := rng.IntN(6)
	switch rng.IntN(5) {
	case 0, 1:
		name := fmt.Sprint("g", n)
		out, err := here.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name, VpcId: &c.vpc})
		c.count("group "+name, 1, err)
		if err != nil {
			return err
		}
		if _, err := there.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*out.GroupId}}); err != nil {
			return fmt.Errorf("a group that was made is not there by way of another server: %w", err)
		}
		if _, err = here.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: out.GroupId}); err != nil {
			return fmt.Errorf("a group of our own cannot be deleted: %w", err)
		}
		c.count("group "+name, -1, nil)
		if _, err := there.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*out.GroupId}}); code(err) != "InvalidGroup.NotFound" {
			return fmt.Errorf("a group that was deleted is there by way of another server: %w", err)
		}
	case 2, 3:
		port := int32(1000 + n)
		rule := []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: aws.String("192.0.2.0/24")}}}}
		what := fmt.Sprint("rule ", port)
		if rng.IntN(2) == 0 {
			_, err := here.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &c.shared, IpPermissions: rule})
			c.count(what, 1, err)
			return err
		}
		out, err := here.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &c.shared, IpPermissions: rule})
		if err == nil && len(out.RevokedSecurityGroupRules) > 0 { // EC2 says nothing about one that is not there
			c.count(what, -1, nil)
		}
		return err
	default:
		address := fmt.Sprint("172.31.0.", 100+n)
		out, err := here.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &c.subnet, PrivateIpAddress: &address})
		c.count("address "+address, 1, err)
		if err != nil || rng.IntN(2) == 0 {
			return err
		}
		if _, err := there.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: out.NetworkInterface.NetworkInterfaceId}); err != nil {
			return fmt.Errorf("an interface that was made cannot be deleted by way of another server: %w", err)
		}
		c.count("address "+address, -1, nil)
	}
	return nil
}

// view is what one replica answers about everything that the crowd touches, in
// words that can be compared.
func (c *crowd) view(r *replica) map[string]int {
	c.t.Helper()
	seen := map[string]int{}
	groups, err := r.DescribeSecurityGroups(c.t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{c.vpc}}}})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, g := range groups.SecurityGroups {
		if strings.HasPrefix(*g.GroupName, "g") {
			seen["group "+*g.GroupName]++
		}
	}
	rules, err := r.DescribeSecurityGroupRules(c.t.Context(), &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{c.shared}}}})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, x := range rules.SecurityGroupRules {
		if !*x.IsEgress {
			seen[fmt.Sprint("rule ", *x.FromPort)]++
		}
	}
	interfaces, err := r.DescribeNetworkInterfaces(c.t.Context(), &ec2.DescribeNetworkInterfacesInput{})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range interfaces.NetworkInterfaces {
		seen["address "+*n.PrivateIpAddress]++
	}
	return seen
}

// TestReplicasAreOneServer has a crowd write the same things by way of three
// replicas on a cluster of three members at once: an answered write is seen by the
// next read anywhere, nothing is made twice, quotas hold, and what is there in the
// end is what was answered.
func TestReplicasAreOneServer(t *testing.T) {
	etcd := testetcd.Start(t, 3, nil)
	seal := sealFile(t)
	c := &crowd{t: t, made: map[string]int{}, answered: map[string]int{}}
	for range 3 {
		c.replicas = append(c.replicas, startReplica(t, etcd, replicaOptions(etcd, seal)))
	}
	first := c.replicas[0]
	subnets, err := first.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{
		Filters: []types.Filter{{Name: aws.String("cidr-block"), Values: []string{"172.31.0.0/20"}}}})
	if err != nil || len(subnets.Subnets) != 1 {
		t.Fatalf("%v, %v", subnets, err)
	}
	c.vpc, c.subnet = *subnets.Subnets[0].VpcId, *subnets.Subnets[0].SubnetId
	group, err := first.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("shared"), Description: aws.String("x"), VpcId: &c.vpc})
	if err != nil {
		t.Fatal(err)
	}
	c.shared = *group.GroupId
	scope := secgroup.Scope{Account: first.in.key.Account, Region: "us-east-1"}
	const most = 4 // rules of a group, fewer than the crowd wants
	if err := first.in.control.SetQuota(t.Context(), scope, "rules-per-group", most); err != nil {
		t.Fatal(err)
	}
	rng := testrand.New(testrand.Seed(t))
	var workers sync.WaitGroup
	for range 9 {
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		workers.Go(func() {
			for range 40 {
				if err := c.step(t.Context(), own); !slices.Contains(allowed, code(err)) || err != nil && code(err) == "" {
					t.Errorf("%v", err)
				}
			}
		})
	}
	workers.Wait()
	t.Log(c.answered)
	want := map[string]int{}
	rules := 0
	for what, n := range c.made {
		if n != 0 && n != 1 {
			t.Errorf("%s was made %d times more than it was removed", what, n)
		}
		if n != 0 {
			want[what] = n
		}
		if strings.HasPrefix(what, "rule") {
			rules += n
		}
	}
	if rules > most {
		t.Errorf("the group has %d rules, more than its quota of %d", rules, most)
	}
	for i, r := range c.replicas {
		if got := c.view(r); !maps.Equal(got, want) {
			t.Errorf("replica %d shows %v, answered was %v", i, got, want)
		}
	}
	for _, seen := range []string{"group ", "group InvalidGroup.Duplicate", "rule ", "rule InvalidPermission.Duplicate", "address "} {
		if c.answered[seen] == 0 {
			t.Errorf("nobody was answered %q: the crowd did not collide", seen)
		}
	}
}
