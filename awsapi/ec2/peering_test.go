// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func vpcAt(t *testing.T, r *rig, cidr string) string {
	t.Helper()
	return *must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: &cidr}))(t).Vpc.VpcId
}

func TestPeeringConnections(t *testing.T) { // section 9.2
	r := newRig(t, control.Config{})
	a, b := vpcAt(t, r, "10.1.0.0/16"), vpcAt(t, r, "10.2.0.0/16")
	request := func(vpc, peer *string) error {
		_, err := r.CreateVpcPeeringConnection(t.Context(), &sdk.CreateVpcPeeringConnectionInput{VpcId: vpc, PeerVpcId: peer})
		return err
	}
	refused(t, request(&a, nil), "MissingParameter: The request must contain the parameter peerVpcId")
	refused(t, request(&a, aws.String("vpc")), `InvalidVpcId.Malformed: Invalid id: "vpc" (expecting "vpc-...")`)
	refused(t, request(aws.String("vpc-00000000"), &b), "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist")
	_, err := r.AcceptVpcPeeringConnection(t.Context(), &sdk.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: aws.String("pcx")})
	refused(t, err, `InvalidVpcPeeringConnectionId.Malformed: Invalid id: "pcx" (expecting "pcx-...")`)

	p := must(r.CreateVpcPeeringConnection(t.Context(), &sdk.CreateVpcPeeringConnectionInput{
		VpcId: &a, PeerVpcId: &b, TagSpecifications: []sdktypes.TagSpecification{
			{ResourceType: "vpc-peering-connection", Tags: []sdktypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}},
		},
	}))(t).VpcPeeringConnection
	id, account := *p.VpcPeeringConnectionId, r.key.Account
	if p.Status.Code != "pending-acceptance" || *p.Status.Message != "Pending Acceptance by "+account || p.ExpirationTime == nil ||
		p.AccepterVpcInfo.CidrBlock != nil || *p.RequesterVpcInfo.CidrBlock != "10.1.0.0/16" || *p.AccepterVpcInfo.Region != "us-east-1" {
		t.Errorf("requested: %+v", p)
	}
	p = must(r.AcceptVpcPeeringConnection(t.Context(), &sdk.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}))(t).VpcPeeringConnection
	if p.Status.Code != "active" || *p.Status.Message != "Active" || p.ExpirationTime != nil || *p.AccepterVpcInfo.CidrBlockSet[0].CidrBlock != "10.2.0.0/16" ||
		*p.AccepterVpcInfo.PeeringOptions.AllowDnsResolutionFromRemoteVpc {
		t.Errorf("accepted: %+v", p)
	}
	must(r.ModifyVpcPeeringConnectionOptions(t.Context(), &sdk.ModifyVpcPeeringConnectionOptionsInput{
		VpcPeeringConnectionId: &id, RequesterPeeringConnectionOptions: &sdktypes.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: aws.Bool(true)},
	}))(t)
	for _, f := range []sdktypes.Filter{
		where("accepter-vpc-info.cidr-block", "10.2.*"), where("requester-vpc-info.vpc-id", a), where("requester-vpc-info.owner-id", account),
		where("status-code", "active"), where("tag:k", "v"), where("vpc-peering-connection-id", id),
	} {
		found := must(r.DescribeVpcPeeringConnections(t.Context(), &sdk.DescribeVpcPeeringConnectionsInput{Filters: []sdktypes.Filter{f}}))(t).VpcPeeringConnections
		if len(found) != 1 || !*found[0].RequesterVpcInfo.PeeringOptions.AllowDnsResolutionFromRemoteVpc {
			t.Errorf("filter %s: %+v", *f.Name, found)
		}
	}

	web := *must(r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{GroupName: aws.String("web"), Description: aws.String("x"), VpcId: &b}))(t).GroupId
	db := *must(r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{GroupName: aws.String("db"), Description: aws.String("x"), VpcId: &a}))(t).GroupId
	added := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: []sdktypes.IpPermission{
		{IpProtocol: aws.String("-1"), UserIdGroupPairs: []sdktypes.UserIdGroupPair{{GroupId: &web}}},
	}}))(t).SecurityGroupRules[0].ReferencedGroupInfo
	shown := must(r.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupIds: []string{db}}))(t).SecurityGroups[0].IpPermissions[0].UserIdGroupPairs[0]
	if *added.VpcId != b || *added.VpcPeeringConnectionId != id || *added.PeeringStatus != "active" ||
		*shown.VpcId != b || *shown.VpcPeeringConnectionId != id || *shown.PeeringStatus != "active" || *shown.UserId != account {
		t.Errorf("a group of a peered VPC is shown as %+v and %+v", added, shown)
	}
	refs := must(r.DescribeSecurityGroupReferences(t.Context(), &sdk.DescribeSecurityGroupReferencesInput{GroupId: []string{web}}))(t).SecurityGroupReferenceSet
	if len(refs) != 1 || *refs[0].ReferencingVpcId != a || *refs[0].VpcPeeringConnectionId != id || *refs[0].GroupId != web {
		t.Errorf("references %+v", refs)
	}
	must(r.DeleteVpcPeeringConnection(t.Context(), &sdk.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &id}))(t)
	stale := must(r.DescribeStaleSecurityGroups(t.Context(), &sdk.DescribeStaleSecurityGroupsInput{VpcId: &a}))(t).StaleSecurityGroupSet
	if len(stale) != 1 || *stale[0].GroupId != db {
		t.Fatalf("stale groups %+v", stale)
	}
	if pair := stale[0].StaleIpPermissions[0].UserIdGroupPairs[0]; *pair.GroupName != "web" || *pair.PeeringStatus != "deleted" || *pair.UserId != account {
		t.Errorf("stale pair %+v", pair)
	}
	_, err = r.DescribeStaleSecurityGroups(t.Context(), &sdk.DescribeStaleSecurityGroupsInput{VpcId: aws.String("vpc-00000000")})
	refused(t, err, "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist")
}

func TestGroupVPCAssociations(t *testing.T) { // section 3.12
	r := newRig(t, control.Config{})
	a, b := vpcAt(t, r, "10.1.0.0/16"), vpcAt(t, r, "10.2.0.0/16")
	web := *must(r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{GroupName: aws.String("web"), Description: aws.String("x"), VpcId: &a}))(t).GroupId
	if state := must(r.AssociateSecurityGroupVpc(t.Context(), &sdk.AssociateSecurityGroupVpcInput{GroupId: &web, VpcId: &b}))(t).State; state != "associating" {
		t.Errorf("associate answers %s", state)
	}
	describe := func() []sdktypes.SecurityGroupVpcAssociation {
		t.Helper()
		return must(r.DescribeSecurityGroupVpcAssociations(t.Context(), &sdk.DescribeSecurityGroupVpcAssociationsInput{
			Filters: []sdktypes.Filter{where("group-id", web), where("vpc-id", b), where("state", "associated")},
		}))(t).SecurityGroupVpcAssociations
	}
	if found := describe(); len(found) != 1 || *found[0].VpcOwnerId != r.key.Account || found[0].StateReason != nil {
		t.Errorf("associations %+v", found)
	}
	if state := must(r.DisassociateSecurityGroupVpc(t.Context(), &sdk.DisassociateSecurityGroupVpcInput{GroupId: &web, VpcId: &b}))(t).State; state != "disassociating" {
		t.Errorf("disassociate answers %s", state)
	}
	if found := describe(); len(found) != 0 {
		t.Errorf("after disassociation: %+v", found)
	}
}

func TestRouteTables(t *testing.T) { // section 4.4
	r := newRig(t, control.Config{})
	a, b := vpcAt(t, r, "10.1.0.0/16"), vpcAt(t, r, "10.2.0.0/16")
	n := *must(r.CreateSubnet(t.Context(), &sdk.CreateSubnetInput{VpcId: &a, CidrBlock: aws.String("10.1.0.0/24")}))(t).Subnet.SubnetId
	made := must(r.CreateRouteTable(t.Context(), &sdk.CreateRouteTableInput{VpcId: &a, ClientToken: aws.String("once")}))(t).RouteTable
	again := must(r.CreateRouteTable(t.Context(), &sdk.CreateRouteTableInput{VpcId: &a, ClientToken: aws.String("once")}))(t).RouteTable
	if *again.RouteTableId != *made.RouteTableId || len(made.Associations) != 0 || len(made.Routes) != 1 || *made.Routes[0].GatewayId != "local" {
		t.Errorf("made %+v, again %s", made, *again.RouteTableId)
	}
	pcx := must(r.CreateVpcPeeringConnection(t.Context(), &sdk.CreateVpcPeeringConnectionInput{VpcId: &a, PeerVpcId: &b}))(t).VpcPeeringConnection.VpcPeeringConnectionId
	must(r.AcceptVpcPeeringConnection(t.Context(), &sdk.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: pcx}))(t)
	route := sdk.CreateRouteInput{RouteTableId: made.RouteTableId, DestinationCidrBlock: aws.String("10.2.0.0/16"), VpcPeeringConnectionId: pcx}
	must(r.CreateRoute(t.Context(), &route))(t)
	other := route
	other.VpcPeeringConnectionId, other.EgressOnlyInternetGatewayId = nil, aws.String("eigw-00000000")
	_, err := r.CreateRoute(t.Context(), &other)
	refused(t, err, errUnsupported.Error())
	other.EgressOnlyInternetGatewayId = nil
	other.DestinationCidrBlock, other.GatewayId, other.VpcPeeringConnectionId = aws.String("10.2.0.0"), nil, pcx
	_, err = r.CreateRoute(t.Context(), &other)
	refused(t, err, "InvalidParameterValue: Value (10.2.0.0) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.")
	tie := must(r.AssociateRouteTable(t.Context(), &sdk.AssociateRouteTableInput{RouteTableId: made.RouteTableId, SubnetId: &n}))(t).AssociationId
	must(r.DeleteVpcPeeringConnection(t.Context(), &sdk.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: pcx}))(t)
	found := must(r.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{Filters: []sdktypes.Filter{where("association.subnet-id", n)}}))(t).RouteTables
	if len(found) != 1 || *found[0].Associations[0].RouteTableAssociationId != *tie || *found[0].Associations[0].Main ||
		found[0].Routes[1].State != "blackhole" || *found[0].Routes[1].VpcPeeringConnectionId != *pcx || found[0].Routes[1].Origin != "CreateRoute" {
		t.Errorf("found %+v", found)
	}
}
