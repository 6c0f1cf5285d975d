// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// second makes a VPC beside that of a world, in its Region and on its server.
func (w *world) second(cidr string) *world { return newWorld(w.t, w.s, w.api.Options().Region, cidr) }

// peer makes a peering connection of two worlds and returns its id.
func (w *world) peer(other *world) string {
	w.t.Helper()
	made, err := w.api.CreateVpcPeeringConnection(w.t.Context(), &ec2.CreateVpcPeeringConnectionInput{VpcId: &w.vpc, PeerVpcId: &other.vpc})
	if err != nil {
		w.t.Fatal(err)
	}
	id := made.VpcPeeringConnection.VpcPeeringConnectionId
	if _, err := w.api.AcceptVpcPeeringConnection(w.t.Context(), &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id}); err != nil {
		w.t.Fatal(err)
	}
	return *id
}

// mainTable returns the id of the VPC's main route table.
func (w *world) mainTable() string {
	w.t.Helper()
	found, err := w.api.DescribeRouteTables(w.t.Context(), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{w.vpc}}, {Name: aws.String("association.main"), Values: []string{"true"}},
	}})
	if err != nil || len(found.RouteTables) != 1 {
		w.t.Fatalf("main route tables: %v, %v", found, err)
	}
	return *found.RouteTables[0].RouteTableId
}

func (w *world) route(table, cidr, peering string) {
	w.t.Helper()
	_, err := w.api.CreateRoute(w.t.Context(), &ec2.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: &cidr, VpcPeeringConnectionId: &peering})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) unroute(table, cidr string) {
	w.t.Helper()
	if _, err := w.api.DeleteRoute(w.t.Context(), &ec2.DeleteRouteInput{RouteTableId: &table, DestinationCidrBlock: &cidr}); err != nil {
		w.t.Fatal(err)
	}
}

// TestPeering has a server admit a group of a peered VPC: nothing passes before
// both sides route, references end with the connection and come back with the
// next one (docs/spec/packet-semantics.md sections 1.6 and 2.5, B19 and B20).
func TestPeering(t *testing.T) {
	t.Parallel()
	near := newWorld(t, rig.Shared(t), "ap-northeast-3", "10.40.0.0/16")
	far := near.second("10.41.0.0/16")
	db, web, other := near.group("db"), far.group("web"), far.group("other")
	server := near.run(db)[0]
	server.listen(t, 5432, 5433)
	guests := far.run(web, other)
	member, stranger := guests[0], guests[1]

	_, err := near.api.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &db, IpPermissions: permission("tcp", 5432, 5432, web),
	})
	rig.WantCode(t, "name a group of a VPC that is not peered", err, "InvalidGroup.NotFound")
	pcx := near.peer(far)
	near.allow(db, permission("tcp", 5432, 5432, web))
	near.s.Settle(t)
	asks := connects(member, "tcp", server.ip, 5432)
	check(t, "peered, but nobody routes", dropped(asks))

	nearTable, farTable := near.mainTable(), far.mainTable()
	far.route(farTable, "10.40.0.0/16", pcx)
	far.s.Settle(t)
	check(t, "no way back", dropped(asks))
	near.route(nearTable, "10.41.0.0/16", pcx)
	near.s.Settle(t)
	check(t, "routed both ways", asks, dropped(connects(stranger, "tcp", server.ip, 5432)), dropped(connects(member, "tcp", server.ip, 5433)))
	near.allow(db, permission("tcp", 5433, 5433, stranger.ip+"/32"))
	near.s.Settle(t)
	check(t, "by address", connects(stranger, "tcp", server.ip, 5433), dropped(connects(member, "tcp", server.ip, 5433)))

	// A subnet with a table of its own goes its own way, and open flows go along.
	kept := talk(t, member, "tcp", server.ip, 5432, "")
	made, err := far.api.CreateRouteTable(t.Context(), &ec2.CreateRouteTableInput{VpcId: &far.vpc})
	if err != nil {
		t.Fatal(err)
	}
	own := *made.RouteTable.RouteTableId
	far.route(own, "10.40.1.0/24", pcx)
	tie, err := far.api.AssociateRouteTable(t.Context(), &ec2.AssociateRouteTableInput{RouteTableId: &own, SubnetId: &far.subnet})
	if err != nil {
		t.Fatal(err)
	}
	far.unroute(farTable, "10.40.0.0/16") // no longer the subnet's
	far.s.Settle(t)
	check(t, "by another table", asks, kept.goesOn(), connects(stranger, "tcp", server.ip, 5433))
	if _, err := far.api.DisassociateRouteTable(t.Context(), &ec2.DisassociateRouteTableInput{AssociationId: tie.AssociationId}); err != nil {
		t.Fatal(err)
	}
	far.s.Settle(t)
	check(t, "back to the main table, which has no route", dropped(asks), dropped(connects(stranger, "tcp", server.ip, 5433)))
	far.route(farTable, "10.40.0.0/16", pcx)
	far.s.Settle(t)
	check(t, "which has one again", asks)

	if _, err := near.api.DeleteVpcPeeringConnection(t.Context(), &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &pcx}); err != nil {
		t.Fatal(err)
	}
	near.s.Settle(t)
	check(t, "not peered any more", dropped(asks), dropped(connects(stranger, "tcp", server.ip, 5433)))
	stale, err := near.api.DescribeStaleSecurityGroups(t.Context(), &ec2.DescribeStaleSecurityGroupsInput{VpcId: &near.vpc})
	if err != nil || len(stale.StaleSecurityGroupSet) != 1 ||
		aws.ToString(stale.StaleSecurityGroupSet[0].StaleIpPermissions[0].UserIdGroupPairs[0].PeeringStatus) != "deleted" {
		t.Errorf("stale groups %+v, %v", stale, err)
	}

	pcx = far.peer(near) // from the other side
	for _, side := range []struct {
		w           *world
		table, cidr string
	}{{near, nearTable, "10.41.0.0/16"}, {far, farTable, "10.40.0.0/16"}} {
		_, err := side.w.api.ReplaceRoute(t.Context(), &ec2.ReplaceRouteInput{RouteTableId: &side.table, DestinationCidrBlock: &side.cidr, VpcPeeringConnectionId: &pcx})
		if err != nil {
			t.Fatal(err)
		}
	}
	near.s.Settle(t)
	check(t, "peered again", asks, dropped(connects(stranger, "tcp", server.ip, 5432)))
}

// TestGroupInTwoVPCs is B30: one group in two peered VPCs admits its members
// wherever they are, and only as long as it is there.
func TestGroupInTwoVPCs(t *testing.T) {
	t.Parallel()
	near := newWorld(t, rig.Shared(t), "ap-northeast-3", "10.42.0.0/16")
	far := near.second("10.43.0.0/16")
	both := near.group("both")
	near.allow(both, permission("tcp", 22, 22, both))
	_, err := near.api.AssociateSecurityGroupVpc(t.Context(), &ec2.AssociateSecurityGroupVpcInput{GroupId: &both, VpcId: &far.vpc})
	if err != nil {
		t.Fatal(err)
	}
	server := near.run(both)[0]
	server.listen(t, 22)
	guests := far.run(both, both, far.group("other"))
	member, second, stranger := guests[0], guests[1], guests[2]
	second.listen(t, 22)
	asks := connects(member, "tcp", server.ip, 22)
	check(t, "not peered", dropped(asks), connects(member, "tcp", second.ip, 22))

	pcx := near.peer(far)
	near.route(near.mainTable(), "10.43.0.0/16", pcx)
	far.route(far.mainTable(), "10.42.0.0/16", pcx)
	near.s.Settle(t)
	check(t, "peered", asks, dropped(connects(stranger, "tcp", server.ip, 22)))

	_, err = near.api.DisassociateSecurityGroupVpc(t.Context(), &ec2.DisassociateSecurityGroupVpcInput{GroupId: &both, VpcId: &far.vpc})
	rig.WantCode(t, "take a group from a VPC that has members", err, "DependencyViolation")
}
