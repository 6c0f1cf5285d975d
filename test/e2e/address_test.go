// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/test/rig"
)

// has waits until an instance has an address, or until it has it no more.
func (w *world) has(g *guest, address string, want bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		out := w.inside(g, "ip", "-o", "addr")
		if strings.Contains(out, " "+address+"/") == want {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s in %s is not %t but:\n%s", address, g.id, want, out)
		}
		<-time.After(brief)
	}
}

// from has a probe use a local address of its instance.
func from(local string, p probe) probe {
	p.what, p.order.Local = "with a local address", netip.AddrPortFrom(netip.MustParseAddr(local), 0).String()
	return p
}

// TestAddressesReachRunningInstances assigns, moves and takes back secondary
// addresses of running instances: they work inside, groups that refer to the
// interface's groups know them, and nobody else may use them.
func TestAddressesReachRunningInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "sa-east-1", "10.25.0.0/16")
	web, clients, others := w.group("web"), w.group("clients"), w.group("others")
	w.allow(web, permission("tcp", 80, 80, clients))
	g := w.run(web, clients, others)
	server, client, other := g[0], g[1], g[2]
	server.listen(t, 80)
	var free []string // addresses that no instance got by chance
	for n := 200; len(free) < 2; n++ {
		if a := fmt.Sprint("10.25.1.", n); a != server.ip && a != client.ip && a != other.ip {
			free = append(free, a)
		}
	}
	second, third := free[0], free[1]
	assign := func(g *guest, reassign bool, addresses ...string) {
		t.Helper()
		_, err := w.api.AssignPrivateIpAddresses(t.Context(), &ec2.AssignPrivateIpAddressesInput{
			NetworkInterfaceId: &g.eni, PrivateIpAddresses: addresses, AllowReassignment: &reassign,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.s.Settle(t)
	}
	unassign := func(g *guest, address string) {
		t.Helper()
		_, err := w.api.UnassignPrivateIpAddresses(t.Context(), &ec2.UnassignPrivateIpAddressesInput{
			NetworkInterfaceId: &g.eni, PrivateIpAddresses: []string{address},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.s.Settle(t)
	}

	check(t, "before", connects(client, "tcp", server.ip, 80), dropped(connects(client, "tcp", second, 80)), dropped(connects(other, "tcp", server.ip, 80)))
	assign(server, false, second)
	w.has(server, second, true)
	check(t, "a second address of the server", connects(client, "tcp", second, 80), connects(client, "tcp", server.ip, 80), dropped(connects(other, "tcp", second, 80)))
	assign(client, false, third)
	w.has(client, third, true)
	check(t, "a second address of the client is in its group", from(third, connects(client, "tcp", second, 80)))

	// Taken by a member of another group, the address is in that group.
	assign(other, true, third)
	w.has(other, third, true)
	w.has(client, third, false)
	check(t, "moved to another instance", dropped(from(third, connects(other, "tcp", server.ip, 80))), connects(client, "tcp", server.ip, 80))
	_, err := w.api.AssignPrivateIpAddresses(t.Context(), &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: &client.eni, PrivateIpAddresses: []string{third}})
	rig.WantCode(t, "assigning an address in use", err, "InvalidIPAddress.InUse")
	unassign(other, third)
	w.has(other, third, false)

	unassign(server, second)
	w.has(server, second, false)
	check(t, "taken back", dropped(connects(client, "tcp", second, 80)), connects(client, "tcp", server.ip, 80))
	// Whoever goes on using it is stopped at the source.
	w.inside(server, "ip", "addr", "add", second+"/24", "dev", "eth0")
	check(t, "used without right", dropped(connects(client, "tcp", second, 80)))
	w.inside(server, "ip", "addr", "del", second+"/24", "dev", "eth0")
}

// TestIPv6ComesToARunningVPC gives a VPC with running instances IPv6 and takes it
// back: blocks, addresses, routes, and the egress rule of untouched groups.
func TestIPv6ComesToARunningVPC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "ap-northeast-1", "10.22.0.0/16")
	web, changed := w.group("web"), w.group("changed")
	w.revokeEgress(changed, permission("-1", -1, -1, anywhere))
	if _, err := w.api.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{
		GroupId: &changed, IpPermissions: permission("-1", -1, -1, anywhere),
	}); err != nil {
		t.Fatal(err)
	}
	g := w.run(web, web, changed)
	server, client, silent := g[0], g[1], g[2]

	v, err := w.api.AssociateVpcCidrBlock(t.Context(), &ec2.AssociateVpcCidrBlockInput{VpcId: &w.vpc, AmazonProvidedIpv6CidrBlock: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	whole := netip.MustParsePrefix(*v.Ipv6CidrBlockAssociation.Ipv6CidrBlock)
	block := netip.PrefixFrom(whole.Addr(), 64).String()
	n, err := w.api.AssociateSubnetCidrBlock(t.Context(), &ec2.AssociateSubnetCidrBlockInput{SubnetId: &w.subnet, Ipv6CidrBlock: &block})
	if err != nil {
		t.Fatal(err)
	}
	w.allow(web, permission("tcp", 80, 80, block))
	w.allow(web, permission("tcp", 81, 81, web))
	for _, one := range g {
		got, err := w.api.AssignIpv6Addresses(t.Context(), &ec2.AssignIpv6AddressesInput{NetworkInterfaceId: &one.eni, Ipv6AddressCount: aws.Int32(1)})
		if err != nil {
			t.Fatal(err)
		}
		one.ip6 = got.AssignedIpv6Addresses[0]
	}
	w.s.Settle(t)
	for _, one := range g {
		w.has(one, one.ip6, true)
	}
	server.listen(t, 80, 81)
	late := w.launch(&ec2.RunInstancesInput{SubnetId: &w.subnet, SecurityGroupIds: []string{web}, Ipv6AddressCount: aws.Int32(1)})
	w.awaitRunning(late)
	late.enter(t)
	check(t, "with IPv6",
		connects(client, "tcp", server.ip6, 80), connects(client, "tcp", server.ip6, 81), connects(late, "tcp", server.ip6, 81),
		dropped(connects(client, "tcp", server.ip6, 82)),
		dropped(connects(silent, "tcp", server.ip6, 80))) // its egress rules were changed: none for IPv6 (API-D9)
	if out := w.inside(client, "ip", "-6", "route", "show", "default"); !strings.Contains(out, "via "+whole.Addr().Next().String()) {
		t.Errorf("no default route to the subnet's router: %q", out)
	}

	// Another subnet in another IPv4 block of the VPC, reached through the router.
	if _, err := w.api.AssociateVpcCidrBlock(t.Context(), &ec2.AssociateVpcCidrBlockInput{VpcId: &w.vpc, CidrBlock: aws.String("100.64.0.0/24")}); err != nil {
		t.Fatal(err)
	}
	far, err := w.api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: aws.String("100.64.0.0/25")})
	if err != nil {
		t.Fatal(err)
	}
	distant := w.launch(&ec2.RunInstancesInput{SubnetId: far.Subnet.SubnetId, SecurityGroupIds: []string{web}})
	w.awaitRunning(distant)
	distant.enter(t)
	check(t, "from the second block", connects(distant, "tcp", server.ip, 81), dropped(connects(distant, "tcp", server.ip, 80)))

	// What is in use is not taken; what is not, is.
	_, err = w.api.DisassociateSubnetCidrBlock(t.Context(), &ec2.DisassociateSubnetCidrBlockInput{AssociationId: n.Ipv6CidrBlockAssociation.AssociationId})
	rig.WantCode(t, "taking a block with addresses in it", err, "InvalidCidrBlock.InUse")
	for _, one := range append(g, late) {
		if _, err := w.api.UnassignIpv6Addresses(t.Context(), &ec2.UnassignIpv6AddressesInput{NetworkInterfaceId: &one.eni, Ipv6Addresses: []string{one.ip6}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.api.DisassociateSubnetCidrBlock(t.Context(), &ec2.DisassociateSubnetCidrBlockInput{AssociationId: n.Ipv6CidrBlockAssociation.AssociationId}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.api.DisassociateVpcCidrBlock(t.Context(), &ec2.DisassociateVpcCidrBlockInput{AssociationId: v.Ipv6CidrBlockAssociation.AssociationId}); err != nil {
		t.Fatal(err)
	}
	w.has(server, server.ip6, false)
	w.has(client, client.ip6, false)
	if out := w.inside(client, "ip", "-6", "route", "show", "default"); out != "" {
		t.Errorf("a default route is left: %q", out)
	}
	check(t, "without IPv6 again", dropped(connects(client, "tcp", server.ip6, 81)), connects(client, "tcp", server.ip, 81))
}

// TestInterfacesMoveBetweenInstances attaches, detaches and moves an interface of
// running instances: its groups and addresses go with it.
func TestInterfacesMoveBetweenInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "ap-south-1", "10.23.0.0/16")
	plain, web, clients := w.group("plain"), w.group("web"), w.group("clients")
	w.allow(web, permission("tcp", 80, 80, clients))
	g := w.run(plain, plain)
	one, two := g[0], g[1]
	one.listen(t, 80)
	two.listen(t, 80)
	// In a subnet that neither instance is in otherwise, so that answers leave by
	// the interface that requests came in by.
	back, err := w.api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: aws.String("10.23.2.0/24")})
	if err != nil {
		t.Fatal(err)
	}
	client := w.launch(&ec2.RunInstancesInput{SubnetId: back.Subnet.SubnetId, SecurityGroupIds: []string{clients}})
	w.awaitRunning(client)
	client.enter(t)
	made, err := w.api.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: back.Subnet.SubnetId, Groups: []string{web}})
	if err != nil {
		t.Fatal(err)
	}
	eni, ip := made.NetworkInterface.NetworkInterfaceId, *made.NetworkInterface.PrivateIpAddress
	w.s.Made(one.id, *eni)
	attach := func(g *guest) *string {
		t.Helper()
		a, err := w.api.AttachNetworkInterface(t.Context(), &ec2.AttachNetworkInterfaceInput{NetworkInterfaceId: eni, InstanceId: &g.id, DeviceIndex: aws.Int32(1)})
		if err != nil {
			t.Fatal(err)
		}
		return a.AttachmentId
	}
	detach := func(attachment *string) {
		t.Helper()
		if _, err := w.api.DetachNetworkInterface(t.Context(), &ec2.DetachNetworkInterfaceInput{AttachmentId: attachment}); err != nil {
			t.Fatal(err)
		}
	}
	a := attach(one)
	w.has(one, ip, true)
	check(t, "attached", connects(client, "tcp", ip, 80), dropped(connects(two, "tcp", ip, 80)), dropped(connects(client, "tcp", one.ip, 80)))
	detach(a)
	w.has(one, ip, false)
	check(t, "detached", dropped(connects(client, "tcp", ip, 80)))
	a = attach(two)
	w.has(two, ip, true)
	check(t, "attached to another", connects(client, "tcp", ip, 80))
	for range 3 { // at once: the host may see one change only
		detach(a)
		a = attach(one)
		detach(a)
		a = attach(two)
	}
	w.has(one, ip, false)
	w.has(two, ip, true)
	w.s.Settle(t)
	check(t, "moved to and fro", connects(client, "tcp", ip, 80), dropped(connects(two, "tcp", one.ip, 80)))
}

// TestReboot ends what runs inside and nothing else.
func TestReboot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "ap-northeast-2", "10.24.0.0/16")
	web := w.group("web")
	w.allow(web, permission("tcp", 80, 80, web))
	g := w.run(web, web)
	server, client := g[0], g[1]
	server.listen(t, 80)
	check(t, "before", connects(client, "tcp", server.ip, 80))
	if _, err := w.api.RebootInstances(t.Context(), &ec2.RebootInstancesInput{InstanceIds: []string{server.id}}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.gone:
	case <-time.After(patience):
		t.Fatal("the program inside goes on")
	}
	if i := w.describe(server); i.State.Name != "running" || *i.PrivateIpAddress != server.ip {
		t.Errorf("after a reboot %s is %s with %s", server.id, i.State.Name, *i.PrivateIpAddress)
	}
	server.enter(t)
	server.listen(t, 80)
	check(t, "after", connects(client, "tcp", server.ip, 80))
}
