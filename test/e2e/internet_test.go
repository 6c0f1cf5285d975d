// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// The addresses of the host in the internet of tests.
const (
	outside4 = "192.0.2.1"
	outside6 = "2001:db8:ffff::1"
)

// newInternet makes a network namespace that plays the internet and returns its
// name and a guest in it, who listens on port 80.
func newInternet(t *testing.T) (name string, host *guest) {
	t.Helper()
	var b [6]byte
	rand.Read(b[:])
	name = "hw-e2e-" + hex.EncodeToString(b[:])
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	ip("netns", "add", name)
	t.Cleanup(func() { ip("netns", "delete", name) })
	ip("-n", name, "link", "set", "lo", "up")
	ip("-n", name, "address", "add", outside4+"/32", "dev", "lo")
	ip("-n", name, "address", "add", outside6+"/128", "dev", "lo", "nodad")
	host = &guest{id: name, ip: outside4, ip6: outside6}
	host.probe(t, exec.Command("ip", "netns", "exec", name, self))
	// By its addresses: answers by UDP come from there then.
	for _, addr := range []string{outside4, outside6} {
		for _, network := range []string{"tcp", "udp"} {
			if _, _, err := host.order(order{Do: "listen", Network: network, Address: net.JoinHostPort(addr, "80")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return name, host
}

// local has a probe connect from an address.
func local(p probe, addr string) probe {
	p.order.Local = netip.AddrPortFrom(netip.MustParseAddr(addr), 0).String()
	return p
}

// TestInternet has instances reach a test internet and be reached from there,
// with the AWS CLI: docs/spec/packet-semantics.md section 1.11, and what outlives
// a process that is killed.
func TestInternet(t *testing.T) {
	t.Parallel()
	name, outside := newInternet(t)
	up := []string{"--internet", name}
	s := rig.New(t, up...)
	w := newWorld(t, s, "eu-north-1", "10.60.0.0/16")
	cli := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(s.API.AWS(t, append([]string{"ec2", "--region", "eu-north-1", "--output", "text"}, args...)...))
	}
	web, bare := w.group("web"), w.group("bare")
	guests := w.run(web, web, bare)
	a, b, c := guests[0], guests[1], guests[2]
	a.listen(t, 80)
	out := connects(a, "tcp", outside4, 80)
	check(t, "no gateway", dropped(out))

	igw := cli("create-internet-gateway", "--query", "InternetGateway.InternetGatewayId")
	cli("attach-internet-gateway", "--internet-gateway-id", igw, "--vpc-id", w.vpc)
	allocation := strings.Fields(cli("allocate-address", "--query", "[AllocationId,PublicIp]"))
	tie := cli("associate-address", "--allocation-id", allocation[0], "--instance-id", a.id, "--query", "AssociationId")
	public := allocation[1]
	s.Settle(t)
	check(t, "no route", dropped(out))
	table := w.mainTable()
	cli("create-route", "--route-table-id", table, "--destination-cidr-block", "0.0.0.0/0", "--gateway-id", igw)
	s.Settle(t)
	check(t, "routed", out, connects(a, "udp", outside4, 80), pings(a, outside4, 5),
		dropped(connects(b, "tcp", outside4, 80)), dropped(connects(outside, "tcp", public, 80)))

	// From outside, as far as the rules go.
	w.allow(web, permission("tcp", 80, 80, outside4+"/32"))
	s.Settle(t)
	in := local(connects(outside, "tcp", public, 80), outside4)
	check(t, "admitted", in, dropped(local(connects(outside, "tcp", public, 81), outside4)))
	kept := talk(t, a, "tcp", outside4, 80, "")
	w.revoke(web, permission("tcp", 80, 80, outside4+"/32"))
	s.Settle(t)
	check(t, "not admitted any more", dropped(in), kept.goesOn(), out)

	// By public addresses among instances: no group, but the public address (B05).
	given := cli("allocate-address", "--query", "[AllocationId,PublicIp]")
	other := strings.Fields(given)
	cli("associate-address", "--allocation-id", other[0], "--network-interface-id", c.eni)
	w.allow(web, permission("tcp", 80, 80, bare))
	s.Settle(t)
	check(t, "B05", connects(c, "tcp", a.ip, 80), dropped(connects(c, "tcp", public, 80)))
	w.allow(web, permission("tcp", 80, 80, other[1]+"/32"))
	s.Settle(t)
	check(t, "by the public address", connects(c, "tcp", public, 80))

	// Nothing of it needs the process.
	s.Kill(t)
	check(t, "while nobody runs", kept.goesOn(), out, connects(c, "tcp", public, 80))
	s.Start(t, up...)
	w.reconnect()
	s.Settle(t)
	check(t, "after a restart", kept.goesOn(), out, connects(c, "tcp", public, 80), dropped(connects(b, "tcp", outside4, 80)))

	cli("replace-route", "--route-table-id", table, "--destination-cidr-block", "0.0.0.0/0", "--gateway-id", igw)
	cli("create-route", "--route-table-id", table, "--destination-cidr-block", outside4+"/32", "--gateway-id", igw)
	cli("delete-route", "--route-table-id", table, "--destination-cidr-block", "0.0.0.0/0")
	s.Settle(t)
	check(t, "by a narrow route", out, dropped(connects(c, "tcp", public, 80)))
	cli("disassociate-address", "--association-id", tie)
	s.Settle(t)
	check(t, "no public address", dropped(out))
	_, err := w.api.DetachInternetGateway(t.Context(), &ec2.DetachInternetGatewayInput{InternetGatewayId: &igw, VpcId: &w.vpc})
	rig.WantCode(t, "detach while C has a public address", err, "DependencyViolation")
}

// TestDefaultVPCIsOnTheInternet: what EC2 gives every account works without a
// further call, over IPv6 too once there is a block.
func TestDefaultVPCIsOnTheInternet(t *testing.T) {
	t.Parallel()
	name, outside := newInternet(t)
	s := rig.New(t, "--internet", name)
	api := s.API.In("us-east-1")
	w := &world{t: t, s: s, api: api}
	g := w.launch(&ec2.RunInstancesInput{})
	w.awaitRunning(g)
	g.enter(t)
	g.listen(t, 22)
	shown := w.describe(g)
	public := aws.ToString(shown.PublicIpAddress)
	if !netip.MustParsePrefix("198.18.0.0/16").Contains(netip.MustParseAddr(public)) {
		t.Fatalf("public address %s", public)
	}
	check(t, "out of the default VPC", connects(g, "tcp", outside4, 80), dropped(connects(outside, "tcp", public, 22)))

	w.vpc, w.subnet = *shown.VpcId, *shown.SubnetId
	if _, err := api.AssociateVpcCidrBlock(t.Context(), &ec2.AssociateVpcCidrBlockInput{VpcId: &w.vpc, AmazonProvidedIpv6CidrBlock: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	found, err := api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{w.vpc}})
	if err != nil {
		t.Fatal(err)
	}
	block := netip.MustParsePrefix(*found.Vpcs[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock)
	if _, err := api.AssociateSubnetCidrBlock(t.Context(), &ec2.AssociateSubnetCidrBlockInput{
		SubnetId: &w.subnet, Ipv6CidrBlock: aws.String(netip.PrefixFrom(block.Addr(), 64).String()),
	}); err != nil {
		t.Fatal(err)
	}
	assigned, err := api.AssignIpv6Addresses(t.Context(), &ec2.AssignIpv6AddressesInput{NetworkInterfaceId: &g.eni, Ipv6AddressCount: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	group := *shown.SecurityGroups[0].GroupId
	if _, err := api.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	table := w.mainTable()
	igw, err := api.DescribeInternetGateways(t.Context(), &ec2.DescribeInternetGatewaysInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.CreateRoute(t.Context(), &ec2.CreateRouteInput{
		RouteTableId: &table, DestinationIpv6CidrBlock: aws.String("::/0"), GatewayId: igw.InternetGateways[0].InternetGatewayId,
	}); err != nil {
		t.Fatal(err)
	}
	s.Settle(t)
	g.ip6 = assigned.AssignedIpv6Addresses[0]
	check(t, "IPv6", local(connects(outside, "tcp", g.ip6, 22), outside6), connects(g, "tcp", outside6, 80))
}

// TestDelegatedPrefix is PKT-A20, PKT-B11 and PKT-J02 with sockets: every address of
// a prefix is its interface's, for who sends, who receives and who is in a group.
func TestDelegatedPrefix(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "sa-east-1", "10.61.0.0/16")
	open, members := w.group("open"), w.group("members")
	w.allow(open, permission("tcp", 80, 80, members))
	server := w.run(open)[0]
	made := w.launch(&ec2.RunInstancesInput{NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
		DeviceIndex: aws.Int32(0), SubnetId: &w.subnet, Groups: []string{members}, Ipv4PrefixCount: aws.Int32(1),
	}}})
	w.awaitRunning(made)
	made.enter(t)
	prefix := netip.MustParsePrefix(*w.describe(made).NetworkInterfaces[0].Ipv4Prefixes[0].Ipv4Prefix)
	sixth := prefix.Addr()
	for range 6 {
		sixth = sixth.Next()
	}
	assigned, err := w.api.AssignPrivateIpAddresses(t.Context(), &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: &server.eni, Ipv4PrefixCount: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	w.s.Settle(t)
	server.listen(t, 80)
	of := netip.MustParsePrefix(*assigned.AssignedIpv4Prefixes[0].Ipv4Prefix)
	to := connects(made, "tcp", of.Addr().Next().String(), 80)
	check(t, "prefix to prefix", local(to, sixth.String()), to, local(connects(made, "tcp", server.ip, 80), prefix.Addr().String()))
	check(t, "back is no member", dropped(connects(server, "tcp", sixth.String(), 80)))
	kept := talk(t, made, "tcp", server.ip, 80, fmt.Sprint(sixth, ":0"))
	if _, err := w.api.UnassignPrivateIpAddresses(t.Context(), &ec2.UnassignPrivateIpAddressesInput{
		NetworkInterfaceId: &made.eni, Ipv4Prefixes: []string{prefix.String()},
	}); err != nil {
		t.Fatal(err)
	}
	w.s.Settle(t)
	gone := kept.goesOn()
	gone.want = shut
	check(t, "taken away", gone, to)
}
