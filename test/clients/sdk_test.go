// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

var (
	sdkWaiter = regexp.MustCompile(`(?m)^func New(\w+)Waiter\(`)
	offeredIn = regexp.MustCompile(`\b[A-Z][a-z]+[A-Za-z0-9]+\b`)
)

// sdkWaiters returns the waiters of the SDK for Go whose operation is served, as
// its source and docs/operations.md have them.
func sdkWaiters(t *testing.T) (names []string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/ec2").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range offeredIn.FindAllString(read(t, "../../docs/operations.md"), -1) {
		files, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "api_op_"+operation+".go"))
		for _, file := range files {
			for _, m := range sdkWaiter.FindAllStringSubmatch(read(t, file), -1) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// waits runs a waiter of the SDK, often and not for long.
func waits[In, Options any](t *testing.T, wait func(context.Context, *In, time.Duration, ...func(*Options)) error, in *In) error {
	t.Helper()
	return wait(t.Context(), in, 20*time.Second)
}

// TestSDKWaiters runs every waiter of the SDK for Go whose operation is served.
func TestSDKWaiters(t *testing.T) {
	t.Parallel()
	api := rig.Shared(t).API.In("us-west-2")
	ctx := t.Context()
	vpc := func(block string) *string {
		t.Helper()
		made, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: &block})
		if err != nil {
			t.Fatal(err)
		}
		return made.Vpc.VpcId
	}
	one, two := vpc("10.1.0.0/16"), vpc("10.2.0.0/16")
	subnet, err1 := api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: one, CidrBlock: aws.String("10.1.0.0/24")})
	group, err2 := api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: one, GroupName: aws.String("g"), Description: aws.String("d")})
	gateway, err3 := api.CreateInternetGateway(ctx, nil)
	peering, err4 := api.CreateVpcPeeringConnection(ctx, &ec2.CreateVpcPeeringConnectionInput{VpcId: one, PeerVpcId: two})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	pcx := []string{*peering.VpcPeeringConnection.VpcPeeringConnectionId}
	eni, err1 := api.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: subnet.Subnet.SubnetId})
	run, err2 := api.RunInstances(ctx, &ec2.RunInstancesInput{ImageId: aws.String("ami-netns"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: subnet.Subnet.SubnetId})
	_, err3 = api.AssociateSecurityGroupVpc(ctx, &ec2.AssociateSecurityGroupVpcInput{GroupId: group.GroupId, VpcId: two})
	_, err4 = api.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway.InternetGateway.InternetGatewayId, VpcId: one})
	address, err5 := api.AllocateAddress(ctx, nil)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	nat, err := api.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: subnet.Subnet.SubnetId, AllocationId: address.AllocationId})
	if err != nil {
		t.Fatal(err)
	}
	nats := &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat.NatGateway.NatGatewayId}}
	instance := []string{*run.Instances[0].InstanceId}
	instances, status := &ec2.DescribeInstancesInput{InstanceIds: instance}, &ec2.DescribeInstanceStatusInput{InstanceIds: instance}
	images := &ec2.DescribeImagesInput{ImageIds: []string{"ami-netns"}}
	volumes := &ec2.DescribeVolumesInput{VolumeIds: []string{"vol-0123456789abcdef0"}}
	association := &ec2.DescribeSecurityGroupVpcAssociationsInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{*group.GroupId}}}}
	first := func(_ any, err error) {
		if err != nil {
			t.Error(err)
		}
	}
	// There are no volumes and no key pairs: these two ask until they give up.
	never := func(wait func(context.Context, time.Duration) error) error {
		if err := wait(ctx, time.Second); err == nil {
			return errors.New("found what is not there")
		}
		return nil
	}

	cases := []struct {
		name string
		wait func() error
	}{
		{"ImageAvailable", func() error { return waits(t, ec2.NewImageAvailableWaiter(api).Wait, images) }},
		{"ImageExists", func() error { return waits(t, ec2.NewImageExistsWaiter(api).Wait, images) }},
		{"InstanceExists", func() error { return waits(t, ec2.NewInstanceExistsWaiter(api).Wait, instances) }},
		{"InstanceRunning", func() error {
			return ec2.NewInstanceRunningWaiter(api, func(o *ec2.InstanceRunningWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second }).Wait(ctx, instances, rig.Timeout)
		}},
		{"InstanceStatusOk", func() error { return waits(t, ec2.NewInstanceStatusOkWaiter(api).Wait, status) }},
		{"SystemStatusOk", func() error { return waits(t, ec2.NewSystemStatusOkWaiter(api).Wait, status) }},
		{"InternetGatewayExists", func() error {
			return waits(t, ec2.NewInternetGatewayExistsWaiter(api).Wait, &ec2.DescribeInternetGatewaysInput{InternetGatewayIds: []string{*gateway.InternetGateway.InternetGatewayId}})
		}},
		{"NatGatewayAvailable", func() error {
			return ec2.NewNatGatewayAvailableWaiter(api, func(o *ec2.NatGatewayAvailableWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second }).Wait(ctx, nats, rig.Timeout)
		}},
		{"NatGatewayDeleted", func() error {
			first(api.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: nat.NatGateway.NatGatewayId}))
			return ec2.NewNatGatewayDeletedWaiter(api, func(o *ec2.NatGatewayDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second }).Wait(ctx, nats, rig.Timeout)
		}},
		{"NetworkInterfaceAvailable", func() error {
			return waits(t, ec2.NewNetworkInterfaceAvailableWaiter(api).Wait, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*eni.NetworkInterface.NetworkInterfaceId}})
		}},
		{"SecurityGroupExists", func() error {
			return waits(t, ec2.NewSecurityGroupExistsWaiter(api).Wait, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*group.GroupId}})
		}},
		{"SecurityGroupVpcAssociationAssociated", func() error {
			return waits(t, ec2.NewSecurityGroupVpcAssociationAssociatedWaiter(api).Wait, association)
		}},
		{"SecurityGroupVpcAssociationDisassociated", func() error {
			first(api.DisassociateSecurityGroupVpc(ctx, &ec2.DisassociateSecurityGroupVpcInput{GroupId: group.GroupId, VpcId: two}))
			return waits(t, ec2.NewSecurityGroupVpcAssociationDisassociatedWaiter(api).Wait, association)
		}},
		{"SubnetAvailable", func() error {
			return waits(t, ec2.NewSubnetAvailableWaiter(api).Wait, &ec2.DescribeSubnetsInput{SubnetIds: []string{*subnet.Subnet.SubnetId}})
		}},
		{"VpcAvailable", func() error {
			return waits(t, ec2.NewVpcAvailableWaiter(api).Wait, &ec2.DescribeVpcsInput{VpcIds: []string{*one}})
		}},
		{"VpcExists", func() error {
			return waits(t, ec2.NewVpcExistsWaiter(api).Wait, &ec2.DescribeVpcsInput{VpcIds: []string{*one}})
		}},
		{"VpcPeeringConnectionExists", func() error {
			return waits(t, ec2.NewVpcPeeringConnectionExistsWaiter(api).Wait, &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: pcx})
		}},
		{"VpcPeeringConnectionDeleted", func() error {
			first(api.DeleteVpcPeeringConnection(ctx, &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &pcx[0]}))
			return waits(t, ec2.NewVpcPeeringConnectionDeletedWaiter(api).Wait, &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: pcx})
		}},
		{"InstanceStopped", func() error {
			first(api.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: instance}))
			return ec2.NewInstanceStoppedWaiter(api, func(o *ec2.InstanceStoppedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second }).Wait(ctx, instances, rig.Timeout)
		}},
		{"InstanceTerminated", func() error {
			first(api.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: instance}))
			return ec2.NewInstanceTerminatedWaiter(api, func(o *ec2.InstanceTerminatedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second }).Wait(ctx, instances, rig.Timeout)
		}},
		{"VolumeDeleted", func() error { return waits(t, ec2.NewVolumeDeletedWaiter(api).Wait, volumes) }},
		{"VolumeAvailable", func() error {
			return never(func(ctx context.Context, d time.Duration) error {
				return ec2.NewVolumeAvailableWaiter(api).Wait(ctx, volumes, d)
			})
		}},
		{"VolumeInUse", func() error {
			return never(func(ctx context.Context, d time.Duration) error {
				return ec2.NewVolumeInUseWaiter(api).Wait(ctx, volumes, d)
			})
		}},
		{"KeyPairExists", func() error {
			return never(func(ctx context.Context, d time.Duration) error {
				return ec2.NewKeyPairExistsWaiter(api).Wait(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{"mine"}}, d)
			})
		}},
	}
	var have []string
	for _, c := range cases {
		have = append(have, c.name)
		if err := c.wait(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if slices.Sort(have); !slices.Equal(have, sdkWaiters(t)) {
		t.Errorf("tried are %v\nserved are %v", have, sdkWaiters(t))
	}
}

// TestPageTokensSurviveARestart walks through a listing while groups come and go,
// and while the server is killed between two pages
// (docs/spec/ec2-api.md section 1.8).
func TestPageTokensSurviveARestart(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	create := func(name string) string {
		t.Helper()
		g, err := s.API.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("d")})
		if err != nil {
			t.Fatal(err)
		}
		return *g.GroupId
	}
	drop := func(id string) {
		t.Helper()
		if _, err := s.API.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	var groups []string
	for n := range 20 {
		groups = append(groups, create(fmt.Sprintf("page-%02d", n)))
	}
	in := &ec2.DescribeSecurityGroupsInput{
		MaxResults: aws.Int32(5), Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{"page-*"}}},
	}
	var seen []string
	for pages := 1; ; pages++ {
		page, err := s.API.DescribeSecurityGroups(t.Context(), in)
		if err != nil {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, g := range page.SecurityGroups {
			seen = append(seen, *g.GroupId)
		}
		if page.NextToken == nil {
			break
		}
		in.NextToken = page.NextToken
		switch pages {
		case 1: // the item that the token names goes, and the server with it
			drop(groups[4])
			drop(groups[11])
			s.Kill(t)
			s.Start(t)
		case 2:
			create("page-late")
			s.Interrupt(t)
			s.Start(t)
		}
	}
	want := slices.DeleteFunc(slices.Clone(groups), func(id string) bool { return id == groups[11] })
	if len(seen) == 0 || !slices.Equal(seen[:len(seen)-1], want) {
		t.Errorf("seen %v\nwant %v and the late one", seen, want)
	}
}
