// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// anywhere is the range that makes TCP and UDP flows untracked when the other
// direction is open too (docs/spec/packet-semantics.md section 2.1).
const anywhere = "0.0.0.0/0"

// world is a VPC of a test's own, made through the SDK, in a Region that the
// test has for itself on its server.
type world struct {
	t      *testing.T
	s      *rig.Server
	api    *ec2.Client
	vpc    string
	subnet string
}

// newWorld makes a VPC with the given /16 and a /24 subnet in it.
func newWorld(t *testing.T, s *rig.Server, region, cidr string) *world {
	t.Helper()
	w := &world{t: t, s: s, api: s.API.In(region)}
	vpc, err := w.api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: &cidr})
	if err != nil {
		t.Fatal(err)
	}
	w.vpc = *vpc.Vpc.VpcId
	b := netip.MustParsePrefix(cidr).Addr().As4()
	b[2] = 1
	subnet, err := w.api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{
		VpcId: &w.vpc, CidrBlock: aws.String(netip.PrefixFrom(netip.AddrFrom4(b), 24).String()),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.subnet = *subnet.Subnet.SubnetId
	return w
}

// reconnect takes the endpoint of the server's new process.
func (w *world) reconnect() { w.api = w.s.API.In(w.api.Options().Region) }

// group makes a security group: no ingress, all egress.
func (w *world) group(name string) string {
	w.t.Helper()
	g, err := w.api.CreateSecurityGroup(w.t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: &name, Description: aws.String("end to end"), VpcId: &w.vpc,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return *g.GroupId
}

// permission is a protocol, its ports (or ICMP type and code) and one peer: a
// group's id or a range.
func permission(protocol string, from, to int32, peer string) []types.IpPermission {
	p := types.IpPermission{IpProtocol: &protocol, FromPort: &from, ToPort: &to}
	if prefix, err := netip.ParsePrefix(peer); err != nil {
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &peer}}
	} else if prefix.Addr().Is4() {
		p.IpRanges = []types.IpRange{{CidrIp: &peer}}
	} else {
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &peer}}
	}
	return []types.IpPermission{p}
}

func (w *world) allow(group string, p []types.IpPermission) {
	w.t.Helper()
	if _, err := w.api.AuthorizeSecurityGroupIngress(w.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: p}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) revoke(group string, p []types.IpPermission) {
	w.t.Helper()
	if _, err := w.api.RevokeSecurityGroupIngress(w.t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: p}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) revokeEgress(group string, p []types.IpPermission) {
	w.t.Helper()
	if _, err := w.api.RevokeSecurityGroupEgress(w.t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: p}); err != nil {
		w.t.Fatal(err)
	}
}

// join puts an instance into exactly these groups.
func (w *world) join(g *guest, groups ...string) {
	w.t.Helper()
	if _, err := w.api.ModifyInstanceAttribute(w.t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &g.id, Groups: groups}); err != nil {
		w.t.Fatal(err)
	}
}

// launch starts one instance and does not wait for it.
func (w *world) launch(in *ec2.RunInstancesInput) *guest {
	w.t.Helper()
	in.ImageId, in.MinCount, in.MaxCount = aws.String("ami-netns"), aws.Int32(1), aws.Int32(1)
	made, err := w.api.RunInstances(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.found(made.Instances[0])
}

// run starts an instance in each of some groups and enters them.
func (w *world) run(groups ...string) []*guest {
	w.t.Helper()
	guests := make([]*guest, len(groups))
	for n, group := range groups {
		guests[n] = w.launch(&ec2.RunInstancesInput{SubnetId: &w.subnet, SecurityGroupIds: []string{group}})
	}
	w.awaitRunning(guests...)
	for _, g := range guests {
		g.enter(w.t)
	}
	return guests
}

// found returns the guest for an instance that a response shows.
func (w *world) found(i types.Instance) *guest {
	g := &guest{id: *i.InstanceId}
	var all []string
	for _, n := range i.NetworkInterfaces {
		all = append(all, *n.NetworkInterfaceId)
		if *n.Attachment.DeviceIndex != 0 {
			continue
		}
		g.eni, g.ip = *n.NetworkInterfaceId, aws.ToString(n.PrivateIpAddress)
		if len(n.Ipv6Addresses) > 0 {
			g.ip6 = *n.Ipv6Addresses[0].Ipv6Address
		}
	}
	w.s.Made(g.id, all...)
	return g
}

// awaitRunning waits until instances run and are in force.
func (w *world) awaitRunning(guests ...*guest) {
	w.t.Helper()
	waiter := ec2.NewInstanceRunningWaiter(w.api, func(o *ec2.InstanceRunningWaiterOptions) {
		o.MinDelay, o.MaxDelay = brief, brief
	})
	if err := waiter.Wait(w.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: ids(guests)}, rig.Timeout); err != nil {
		w.t.Fatal(err)
	}
	w.s.Settle(w.t)
}

// brief is how often tests ask for a state.
const brief = 50 * time.Millisecond

func (w *world) stop(g *guest) {
	w.t.Helper()
	if _, err := w.api.StopInstances(w.t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{g.id}}); err != nil {
		w.t.Fatalf("stop %s: %v", g.id, err)
	}
	w.awaitStopped(g)
}

func (w *world) awaitStopped(g *guest) {
	w.t.Helper()
	waiter := ec2.NewInstanceStoppedWaiter(w.api, func(o *ec2.InstanceStoppedWaiterOptions) { o.MinDelay, o.MaxDelay = brief, brief })
	if err := waiter.Wait(w.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{g.id}}, rig.Timeout); err != nil {
		w.t.Fatalf("%s does not stop: %v", g.id, err)
	}
}

func (w *world) terminate(g *guest) {
	w.t.Helper()
	if _, err := w.api.TerminateInstances(w.t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{g.id}}); err != nil {
		w.t.Fatalf("terminate %s: %v", g.id, err)
	}
	w.awaitTerminated(g)
}

func (w *world) awaitTerminated(g *guest) {
	w.t.Helper()
	waiter := ec2.NewInstanceTerminatedWaiter(w.api, func(o *ec2.InstanceTerminatedWaiterOptions) { o.MinDelay, o.MaxDelay = brief, brief })
	if err := waiter.Wait(w.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{g.id}}, rig.Timeout); err != nil {
		w.t.Fatalf("%s does not go: %v", g.id, err)
	}
}

func ids(guests []*guest) []string {
	out := make([]string, len(guests))
	for i, g := range guests {
		out[i] = g.id
	}
	return out
}

// describe returns the instance as the API shows it now.
func (w *world) describe(g *guest) types.Instance {
	w.t.Helper()
	got, err := w.api.DescribeInstances(w.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{g.id}})
	if err != nil || len(got.Reservations) != 1 || len(got.Reservations[0].Instances) != 1 {
		w.t.Fatalf("describe %s: %+v, %v", g.id, got, err)
	}
	return got.Reservations[0].Instances[0]
}
