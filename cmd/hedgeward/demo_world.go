// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// demoWorld is what demo makes through the public API, and how it goes again.
type demoWorld struct {
	api    *ec2.Client
	calls  fleetCalls
	vpc    string
	subnet string
	undo   []func(context.Context) error // in order of making
}

// newDemoWorld reaches the API as any client would: by the profile that up
// wrote.
func newDemoWorld(ctx context.Context, st *state) (*demoWorld, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithSharedConfigProfile(profileName),
		config.WithSharedConfigFiles([]string{st.config()}),
		config.WithSharedCredentialsFiles([]string{st.credentials()}),
	)
	if err != nil {
		return nil, fmt.Errorf("read the AWS profile: %w; is `hedgeward up` running on %s?", err, st.dir)
	}
	return &demoWorld{api: ec2.NewFromConfig(cfg), calls: fleetCalls{cfg}}, nil
}

// later has f run at clean-up, before what was made earlier is taken down.
func (w *demoWorld) later(f func(context.Context) error) { w.undo = append(w.undo, f) }

// cleanUp takes down everything that was made, newest first.
func (w *demoWorld) cleanUp(ctx context.Context) error {
	var errs []error
	for _, f := range slices.Backward(w.undo) {
		errs = append(errs, f(ctx))
	}
	w.undo = nil
	return errors.Join(errs...)
}

// network makes a VPC with one subnet.
func (w *demoWorld) network(ctx context.Context) error {
	vpc, err := w.api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.77.0.0/16"), TagSpecifications: named(types.ResourceTypeVpc, "demo")})
	if err != nil {
		return err
	}
	w.vpc = *vpc.Vpc.VpcId
	w.later(func(ctx context.Context) error {
		_, err := w.api.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &w.vpc})
		return err
	})
	subnet, err := w.api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: aws.String("10.77.1.0/24")})
	if err != nil {
		return err
	}
	w.subnet = *subnet.Subnet.SubnetId
	w.later(func(ctx context.Context) error {
		_, err := w.api.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &w.subnet})
		return err
	})
	return nil
}

// group makes a security group.
func (w *demoWorld) group(ctx context.Context, name string) (string, error) {
	g, err := w.api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: &name, Description: aws.String("demonstration"), VpcId: &w.vpc,
	})
	if err != nil {
		return "", err
	}
	w.later(func(ctx context.Context) error {
		_, err := w.api.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: g.GroupId})
		return err
	})
	return *g.GroupId, nil
}

// allow adds one TCP ingress rule to a group and returns its id.
func (w *demoWorld) allow(ctx context.Context, group string, port int32, peer types.IpPermission) (string, error) {
	peer.IpProtocol, peer.FromPort, peer.ToPort = aws.String("tcp"), &port, &port
	added, err := w.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{peer},
	})
	if err != nil {
		return "", err
	}
	return *added.SecurityGroupRules[0].SecurityGroupRuleId, nil
}

func (w *demoWorld) revoke(ctx context.Context, group, rule string) error {
	_, err := w.api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, SecurityGroupRuleIds: []string{rule}})
	return err
}

// demoInstance is an instance that runs.
type demoInstance struct{ name, id, ip string }

// run starts an instance in a group and waits until it runs.
func (w *demoWorld) run(ctx context.Context, name, group string) (*demoInstance, error) {
	made, err := w.api.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-netns"), InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: &w.subnet, SecurityGroupIds: []string{group}, TagSpecifications: named(types.ResourceTypeInstance, name),
	})
	if err != nil {
		return nil, err
	}
	i := &demoInstance{name: name, id: *made.Instances[0].InstanceId, ip: *made.Instances[0].PrivateIpAddress}
	ids := &ec2.DescribeInstancesInput{InstanceIds: []string{i.id}}
	w.later(func(ctx context.Context) error {
		if _, err := w.api.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids.InstanceIds}); err != nil {
			return err
		}
		return ec2.NewInstanceTerminatedWaiter(w.api, func(o *ec2.InstanceTerminatedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
		}).Wait(ctx, ids, time.Minute)
	})
	return i, ec2.NewInstanceRunningWaiter(w.api, func(o *ec2.InstanceRunningWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	}).Wait(ctx, ids, time.Minute)
}

// join puts an instance into exactly these groups.
func (w *demoWorld) join(ctx context.Context, i *demoInstance, groups ...string) error {
	_, err := w.api.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: &i.id, Groups: groups})
	return err
}

func named(kind types.ResourceType, name string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("Name"), Value: &name}}}}
}
