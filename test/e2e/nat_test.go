// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// routed ties a subnet to a table of its own that sends everything to a target.
func (f *studio) routed(subnet string, target ec2.CreateRouteInput) (table string) {
	f.t.Helper()
	made, err := f.api.CreateRouteTable(f.t.Context(), &ec2.CreateRouteTableInput{VpcId: &f.vpc})
	if err != nil {
		f.t.Fatal(err)
	}
	table = *made.RouteTable.RouteTableId
	target.RouteTableId, target.DestinationCidrBlock = &table, aws.String(anywhere)
	if _, err := f.api.CreateRoute(f.t.Context(), &target); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.api.AssociateRouteTable(f.t.Context(), &ec2.AssociateRouteTableInput{RouteTableId: &table, SubnetId: &subnet}); err != nil {
		f.t.Fatal(err)
	}
	return table
}

// natGateway makes a NAT gateway and waits as clients do until it is available.
func (f *studio) natGateway(subnet, allocation string) types.NatGateway {
	f.t.Helper()
	made, err := f.api.CreateNatGateway(f.t.Context(), &ec2.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: &allocation})
	if err != nil {
		f.t.Fatal(err)
	}
	got, err := ec2.NewNatGatewayAvailableWaiter(f.api, func(o *ec2.NatGatewayAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	}).WaitForOutput(f.t.Context(), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*made.NatGateway.NatGatewayId}}, time.Minute)
	if err != nil {
		f.t.Fatal(err)
	}
	return got.NatGateways[0]
}

// TestNATGateway is section 1.6 of docs/spec/packet-semantics.md for paths through a
// NAT gateway, which are always tracked (section 2.4), and AS-E06: instances
// without public addresses reach a test internet under the gateway's.
func TestNATGateway(t *testing.T) {
	t.Parallel()
	name, outside := newInternet(t)
	for _, port := range []string{"443", "22"} {
		if _, _, err := outside.order(order{Do: "listen", Network: "tcp", Address: net.JoinHostPort(outside4, port)}); err != nil {
			t.Fatal(err)
		}
	}
	up := []string{"--internet", name}
	f := newStudioOn(t, rig.New(t, up...), "us-east-1", "nat")
	public := f.subnetIn(f.zoneOf(f.r1), "10.50.9.0/24")
	igw, err := f.api.CreateInternetGateway(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	gateway := igw.InternetGateway.InternetGatewayId
	if _, err := f.api.AttachInternetGateway(t.Context(), &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway, VpcId: &f.vpc}); err != nil {
		t.Fatal(err)
	}
	f.routed(public, ec2.CreateRouteInput{GatewayId: gateway})
	eip, err := f.api.AllocateAddress(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	nat := f.natGateway(public, *eip.AllocationId)
	table := f.routed(f.r1, ec2.CreateRouteInput{NatGatewayId: nat.NatGatewayId})

	// By section 2.1 the rules of open track nothing.
	open, narrow := f.group("open"), f.bare("narrow")
	f.allow(open, permission("-1", -1, -1, anywhere))
	f.allowEgress(narrow, permission("tcp", 443, 443, anywhere))
	guests := f.run(open, open, narrow)
	a, b, c := guests[0], guests[1], guests[2]
	f.s.Settle(t)
	check(t, "through the gateway", connects(a, "tcp", outside4, 80), connects(b, "udp", outside4, 80), pings(a, outside4, 5),
		connects(c, "tcp", outside4, 443), dropped(connects(c, "tcp", outside4, 22)), dropped(connects(c, "udp", outside4, 80)),
		dropped(connects(outside, "tcp", *eip.PublicIp, 80)))

	// From one port each, at the same time, under one address.
	first, second := talk(t, a, "tcp", outside4, 80, a.ip+":40000"), talk(t, b, "tcp", outside4, 80, b.ip+":40000")
	datagrams := talk(t, a, "udp", outside4, 80, "")
	check(t, "at the same time", first.goesOn(), second.goesOn(), datagrams.goesOn())
	seen, err := exec.Command("ip", "netns", "exec", name, "ss", "-Htn", "state", "established", "sport", "=", ":80").CombinedOutput()
	if err != nil || strings.Count(string(seen), *eip.PublicIp+":") < 2 || strings.Contains(string(seen), "10.50.") {
		t.Errorf("the internet sees %v\n%s", err, seen)
	}

	f.row(t, "AS-E06", func(f *studio) {
		fleet := f.running(f.asked("private", narrow))
		p := f.instance(fleet)
		f.s.Settle(f.t)
		kept := talk(f.t, p, "tcp", outside4, 443, "")
		check(f.t, "behind a NAT gateway", kept.goesOn(), dropped(connects(p, "tcp", outside4, 22)))
		f.revokeEgress(narrow, permission("tcp", 443, 443, anywhere))
		f.s.Settle(f.t)
		check(f.t, "without the rule", kept.goesOn(), dropped(connects(p, "tcp", outside4, 443)))
		f.stopFleet(fleet)
	})

	// PKT-C23: nothing that the rules say makes these flows untracked.
	f.revoke(open, permission("-1", -1, -1, anywhere))
	f.revokeEgress(open, permission("-1", -1, -1, anywhere))
	f.s.Settle(t)
	check(t, "revoked", first.goesOn(), second.goesOn(), datagrams.goesOn(), dropped(connects(a, "tcp", outside4, 80)))

	// Nothing of it needs the process.
	f.s.Kill(t)
	check(t, "while nobody runs", first.goesOn(), second.goesOn())
	f.s.Start(t, up...)
	f.reconnect()
	f.s.Settle(t)
	check(t, "after a restart", first.goesOn(), second.goesOn(), datagrams.goesOn())
	f.allowEgress(open, permission("-1", -1, -1, anywhere))
	f.s.Settle(t)
	check(t, "allowed again", connects(a, "tcp", outside4, 80), connects(b, "tcp", outside4, 443))

	if _, err := f.api.DeleteNatGateway(t.Context(), &ec2.DeleteNatGatewayInput{NatGatewayId: nat.NatGatewayId}); err != nil {
		t.Fatal(err)
	}
	err = ec2.NewNatGatewayDeletedWaiter(f.api, func(o *ec2.NatGatewayDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second }).
		Wait(t.Context(), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat.NatGatewayId}}, time.Minute)
	if err != nil {
		t.Error(err)
	}
	f.s.Settle(t)
	check(t, "deleted", dropped(first.goesOn()), dropped(connects(a, "tcp", outside4, 80)))
	tables, err := f.api.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{RouteTableIds: []string{table}})
	if err != nil || tables.RouteTables[0].Routes[1].State != types.RouteStateBlackhole {
		t.Errorf("the route is %+v, %v", tables, err)
	}
	if _, err := f.api.ReleaseAddress(t.Context(), &ec2.ReleaseAddressInput{AllocationId: eip.AllocationId}); err != nil {
		t.Errorf("the address is not free: %v", err)
	}
}
