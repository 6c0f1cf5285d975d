// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (f *networks) vpcOf(owner Caller, block string) *secgroup.VPC {
	f.t.Helper()
	if err := f.EnsureRegion(f.t.Context(), owner.Scope); err != nil {
		f.t.Fatal(err)
	}
	v, err := f.CreateVPC(f.t.Context(), owner, VPCRequest{CIDR: netip.MustParsePrefix(block)})
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *networks) groupOf(owner Caller, vpc, name string) *secgroup.Group {
	f.t.Helper()
	g, err := f.CreateSecurityGroup(f.t.Context(), owner, NewGroup{VPC: vpc, Name: name, Description: name})
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

// peer asks for a peering connection of two VPCs.
func (f *networks) peer(a, b *secgroup.VPC) *secgroup.Peering {
	f.t.Helper()
	p, err := f.CreatePeering(f.t.Context(), Caller{Scope: a.Scope}, PeeringRequest{VPC: a.ID, PeerVPC: b.ID, PeerOwner: b.Account, PeerRegion: b.Region})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *networks) peered(a, b *secgroup.VPC) *secgroup.Peering {
	f.t.Helper()
	p, err := f.AcceptPeering(f.t.Context(), Caller{Scope: b.Scope}, f.peer(a, b).ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *networks) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// from is a permission for what a group sends to TCP port 443.
func from(group, owner string) []secgroup.Permission {
	return []secgroup.Permission{{Protocol: secgroup.TCP, From: 443, To: 443, Peers: []secgroup.Pair{
		{Peer: secgroup.Peer{Group: group}, GroupOwner: owner},
	}}}
}

func (f *networks) admit(owner Caller, group, peer, peerOwner string) error {
	_, err := f.AuthorizeSecurityGroup(f.t.Context(), owner, GroupRef{ID: group}, false, from(peer, peerOwner), nil)
	return err
}

// shown returns how the ingress rule of a group shows its peer.
func (f *networks) shown(group string) (secgroup.Pair, bool) {
	f.t.Helper()
	g := f.Read().Groups.Get(group)
	for i := range g.Rules {
		if !g.Rules[i].Egress {
			return f.ShowPeer(f.Read(), g, g.Rules[i].Pair())
		}
	}
	f.t.Fatalf("%s has no ingress rule", group)
	return secgroup.Pair{}, false
}

func TestReferencesAcrossAPeering(t *testing.T) { // API-V1, V2, V3, V4, D7, R9
	f := newNetworks(t, Config{})
	a, b := f.vpcOf(alice, "10.1.0.0/16"), f.vpcOf(alice, "10.2.0.0/16")
	web, db := f.groupOf(alice, a.ID, "web"), f.groupOf(alice, b.ID, "db")
	p := f.peer(a, b)
	const apart = "InvalidGroup.NotFound: You have specified two resources that belong to different networks."
	refused(t, f.admit(alice, web.ID, db.ID, ""), apart)
	_, err := f.AcceptPeering(t.Context(), alice, p.ID)
	f.ok(err)
	f.ok(f.admit(alice, web.ID, db.ID, ""))
	expect := func(step string, owner, peering, status string, stale bool) {
		t.Helper()
		pair, isStale := f.shown(web.ID)
		if pair.GroupOwner != owner || pair.GroupVPC != b.ID || pair.GroupPeering != peering || pair.PeeringStatus != status || isStale != stale {
			t.Errorf("%s: shown %+v, stale %v", step, pair, isStale)
		}
		listed, err := f.StaleGroups(f.Read(), alice.Scope, a.ID)
		if f.ok(err); (len(listed) == 1) != stale {
			t.Errorf("%s: %d groups are listed as stale", step, len(listed))
		}
		refs, err := GroupReferences(f.Read(), alice.Scope, []string{db.ID})
		if owner == "" {
			refused(t, err, "InvalidGroup.NotFound: The security group '"+db.ID+"' does not exist")
		} else if want := (GroupReference{db.ID, a.ID, peering}); (len(refs) == 1 && refs[0] == want) == stale {
			t.Errorf("%s: references %v", step, refs)
		}
	}
	expect("V1", alice.Account, p.ID, "active", false)
	f.ok(f.DeletePeering(t.Context(), alice, p.ID))
	expect("V2", alice.Account, p.ID, "deleted", true)
	f.clock.Advance(3 * 24 * time.Hour)
	f.ok(f.PurgeTerminated(t.Context()))
	if f.Read().Peerings.Get(p.ID) != nil {
		t.Error("a peering connection that nobody can see is still there")
	}
	expect("forgotten", alice.Account, p.ID, "deleted", true)
	again := f.peered(b, a)
	expect("V3", alice.Account, again.ID, "active", false)
	_, err = f.DeleteSecurityGroup(t.Context(), alice, GroupRef{ID: db.ID})
	f.ok(err) // D7
	pair, stale := f.shown(web.ID)
	if !stale || pair.GroupOwner != "" || pair.GroupVPC != b.ID {
		t.Errorf("V4: shown %+v, stale %v", pair, stale)
	}
	_, err = f.RevokeSecurityGroup(t.Context(), alice, GroupRef{ID: web.ID}, false, from(db.ID, ""))
	f.ok(err) // R9
}

func TestPeeringStates(t *testing.T) { // API-V5, V6
	f := newNetworks(t, Config{})
	a, b, same := f.vpcOf(alice, "10.1.0.0/16"), f.vpcOf(bob, "10.2.0.0/16"), f.vpcOf(bob, "10.1.128.0/17")
	p := f.peer(a, b)
	if again := f.peer(a, b); again.ID != p.ID {
		t.Errorf("asking again makes %s beside %s", again.ID, p.ID)
	}
	_, err := f.AcceptPeering(t.Context(), alice, p.ID)
	refused(t, err, "OperationNotPermitted: User (111122223333) cannot accept peering "+p.ID)
	carol := Caller{Scope: secgroup.Scope{Account: "777788889999", Region: "us-east-1"}}
	_, err = f.AcceptPeering(t.Context(), carol, p.ID)
	refused(t, err, "InvalidVpcPeeringConnectionID.NotFound: The vpcPeeringConnection ID '"+p.ID+"' does not exist")
	f.ok(f.RejectPeering(t.Context(), bob, p.ID))
	refused(t, f.DeletePeering(t.Context(), alice, p.ID),
		"InvalidStateTransition: Invalid state transition for "+p.ID+", attempted to transition from rejected to deleting")
	_, err = f.AcceptPeering(t.Context(), bob, p.ID)
	refused(t, err, "InvalidStateTransition: Invalid state transition for "+p.ID+", attempted to transition from rejected to active")
	if p := f.peer(a, same); p.State != secgroup.PeeringFailed {
		t.Errorf("overlapping VPCs: %s, want failed", p.State)
	}
	visible := func(who Caller, id string, want bool) {
		t.Helper()
		if _, err := f.Peerings(f.Read(), who.Scope, id); (err == nil) != want {
			t.Errorf("%s sees %s: %v, want %v", who.Account, id, err, want)
		}
	}
	f.clock.Advance(3 * time.Hour)
	visible(alice, p.ID, true) // rejected: 2 days for who asked
	visible(bob, p.ID, false)  // 2 hours for who answered

	late := f.peer(a, b)
	f.clock.Advance(7 * 24 * time.Hour)
	found, err := f.Peerings(f.Read(), bob.Scope, late.ID)
	if f.ok(err); found[0].State != secgroup.PeeringExpired {
		t.Errorf("after 7 days: %s, want expired", found[0].State)
	}
	first := f.peer(b, a) // another direction: another request
	active := f.peered(a, b)
	_, err = f.AcceptPeering(t.Context(), alice, first.ID)
	refused(t, err, "VpcPeeringConnectionAlreadyExists: The vpc peering connection identified by "+first.ID+" already exists.")
	// An address that a peer can reach already must not mean another place.
	further := f.vpcOf(bob, "10.1.0.0/17")
	_, err = f.AcceptPeering(t.Context(), bob, f.peer(b, further).ID)
	refused(t, err, "UnsupportedOperation: The blocks of "+further.ID+" overlap those of "+a.ID+", which "+b.ID+" is peered with already ("+active.ID+").")
	_, err = f.AssociateVPCBlock(t.Context(), bob, b.ID, netip.MustParsePrefix("10.1.0.0/24"))
	refused(t, err, "InvalidVpc.Range: The CIDR '10.1.0.0/24' overlaps one that is reached through a peering connection.")
	f.ok(f.DeleteVPC(t.Context(), bob, b.ID))
	found, err = f.Peerings(f.Read(), alice.Scope, active.ID)
	if f.ok(err); found[0].State != secgroup.PeeringDeleted || found[0].By != bob.Account {
		t.Errorf("the VPC is deleted: %+v", found[0])
	}
}

func TestPeeringQuotas(t *testing.T) { // API-OutstandingVpcPeeringConnectionLimitExceeded, API-ActiveVpcPeeringConnectionPerVpcLimitExceeded
	f := newNetworks(t, Config{Quotas: Quotas{PeeringRequests: 1, PeeringsPerVPC: 1}})
	a, b, c := f.vpcOf(alice, "10.1.0.0/16"), f.vpcOf(alice, "10.2.0.0/16"), f.vpcOf(alice, "10.3.0.0/16")
	f.peered(a, b)
	waiting := f.peer(a, c)
	_, err := f.CreatePeering(t.Context(), alice, PeeringRequest{VPC: b.ID, PeerVPC: c.ID})
	refused(t, err, "OutstandingVpcPeeringConnectionLimitExceeded: You've reached the limit on the number of VPC peering connection requests that you've created: 1")
	_, err = f.AcceptPeering(t.Context(), alice, waiting.ID)
	refused(t, err, "ActiveVpcPeeringConnectionPerVpcLimitExceeded: You've reached the limit on the number of active VPC peering connections you can have for "+a.ID+": 1")
}

func TestReferenceToAnotherAccount(t *testing.T) { // API-V7
	f := newNetworks(t, Config{})
	a, b := f.vpcOf(alice, "10.1.0.0/16"), f.vpcOf(bob, "10.2.0.0/16")
	web, db := f.groupOf(alice, a.ID, "web"), f.groupOf(bob, b.ID, "db")
	unknown := "InvalidGroup.NotFound: The security group '" + db.ID + "' does not exist"
	refused(t, f.admit(alice, web.ID, db.ID, bob.Account), unknown)
	p := f.peered(a, b)
	refused(t, f.admit(alice, web.ID, db.ID, ""), unknown)
	f.ok(f.admit(alice, web.ID, db.ID, bob.Account))
	if pair, stale := f.shown(web.ID); stale || pair.GroupOwner != bob.Account || pair.GroupVPC != b.ID || pair.GroupPeering != p.ID {
		t.Errorf("shown %+v, stale %v", pair, stale)
	}
	refs, err := GroupReferences(f.Read(), bob.Scope, []string{db.ID})
	if f.ok(err); len(refs) != 1 || refs[0] != (GroupReference{db.ID, a.ID, p.ID}) {
		t.Errorf("references to bob's group: %v", refs)
	}
	elsewhere := bob
	elsewhere.Region = "eu-west-1"
	far := f.vpcOf(elsewhere, "10.4.0.0/16")
	p = f.peer(a, far)
	_, err = f.AcceptPeering(t.Context(), bob, p.ID)
	refused(t, err, "InvalidVpcPeeringConnectionID.NotFound: The vpcPeeringConnection ID '"+p.ID+"' does not exist")
	_, err = f.AcceptPeering(t.Context(), elsewhere, p.ID)
	f.ok(err)
	store := f.groupOf(elsewhere, far.ID, "store")
	refused(t, f.admit(alice, web.ID, store.ID, bob.Account), "InvalidGroup.NotFound: The security group '"+store.ID+"' does not exist")
}

func TestGroupsInFurtherVPCs(t *testing.T) {
	f := newNetworks(t, Config{})
	a, b := f.vpcOf(alice, "10.1.0.0/16"), f.vpcOf(alice, "10.2.0.0/16")
	web, db := f.groupOf(alice, a.ID, "web"), f.groupOf(alice, b.ID, "db")
	home := DefaultVPC(f.Read(), alice.Scope)
	associate := func(group, vpc string) error { _, err := f.AssociateGroup(t.Context(), alice, group, vpc); return err }
	refused(t, associate(a.DefaultGroup, b.ID),
		"InvalidParameterValue: Security group '"+a.DefaultGroup+"' is a default security group and cannot be associated with a VPC.")
	refused(t, associate(web.ID, a.ID), "InvalidParameterValue: Security group '"+web.ID+"' belongs to that VPC and cannot be associated with it.")
	refused(t, associate(web.ID, home.ID), "InvalidParameterValue: Security group '"+web.ID+"' cannot be associated with a default VPC.")
	refused(t, f.DisassociateGroup(t.Context(), alice, web.ID, b.ID),
		"InvalidSecurityGroupVpcAssociation.NotFound: The security group '"+web.ID+"' is not associated with the VPC '"+b.ID+"'")
	f.ok(associate(web.ID, b.ID))
	if already, err := f.AssociateGroup(t.Context(), alice, web.ID, b.ID); err != nil || !already {
		t.Errorf("again: %v, %v", already, err)
	}
	f.ok(f.admit(alice, web.ID, db.ID, "")) // groups of the further VPC may be named, and may name it
	f.ok(f.admit(alice, db.ID, web.ID, ""))
	for group, vpc := range map[string]string{web.ID: b.ID, db.ID: a.ID} {
		if pair, stale := f.shown(group); stale || pair.GroupVPC != vpc || pair.GroupPeering != "" {
			t.Errorf("shown %+v, stale %v", pair, stale)
		}
	}
	_, err := f.DeleteSecurityGroup(t.Context(), alice, GroupRef{ID: web.ID})
	refused(t, err, "DependencyViolation: resource "+web.ID+" has a dependent object")
	n, err := f.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: b.ID, CIDR: netip.MustParsePrefix("10.2.0.0/24")})
	f.ok(err)
	i := f.create(InterfaceSpec{Subnet: n.ID, Groups: []string{web.ID}})
	refused(t, f.DisassociateGroup(t.Context(), alice, web.ID, b.ID), "DependencyViolation: resource "+web.ID+" has a dependent object")
	want := map[string]int{a.ID: 2, b.ID: 3}
	for vpc := range want {
		groups, err := SecurityGroupsFor(f.Read(), alice.Scope, vpc)
		if f.ok(err); len(groups) != want[vpc] {
			t.Errorf("%d groups for %s", len(groups), vpc)
		}
	}
	f.edit(func(tx *model.Tx) { tx.Interfaces.Delete(i.ID) })
	f.ok(f.DisassociateGroup(t.Context(), alice, web.ID, b.ID))
	for _, group := range []string{web.ID, db.ID} {
		if pair, stale := f.shown(group); !stale || pair.PeeringStatus != "" {
			t.Errorf("after the association: shown %+v, stale %v", pair, stale)
		}
	}
}

func TestRoutes(t *testing.T) {
	f := newNetworks(t, Config{Quotas: Quotas{RouteTablesPerVPC: 2, RoutesPerTable: 1}})
	a, b := f.vpcOf(alice, "10.1.0.0/16"), f.vpcOf(alice, "10.2.0.0/16")
	n, err := f.CreateSubnet(t.Context(), alice, SubnetRequest{VPC: a.ID, CIDR: netip.MustParsePrefix("10.1.0.0/24")})
	f.ok(err)
	p := f.peer(a, b)
	route := secgroup.Route{Destination: netip.MustParsePrefix("10.2.0.0/16"), Peering: p.ID}
	create := func(table string, r secgroup.Route) error { return f.CreateRoute(t.Context(), alice, table, r) }
	refused(t, create(a.MainRouteTable, route), "InvalidParameterValue: The peering connection "+p.ID+" is not an active one of the VPC "+a.ID+".")
	_, err = f.AcceptPeering(t.Context(), alice, p.ID)
	f.ok(err)
	f.ok(create(a.MainRouteTable, route))
	f.ok(create(a.MainRouteTable, route)) // the same one
	other := route
	other.Destination = netip.MustParsePrefix("10.2.0.0/24")
	refused(t, create(a.MainRouteTable, other), "RouteLimitExceeded: The maximum number of routes has been reached.")
	other.Destination = netip.MustParsePrefix("10.1.4.0/24")
	refused(t, create(a.MainRouteTable, other), "InvalidParameterValue: The destination CIDR block 10.1.4.0/24 is equal to or more specific than one of this VPC's CIDR blocks. "+
		"This route can target only an interface or an instance.")
	refused(t, f.ReplaceRoute(t.Context(), alice, a.MainRouteTable, secgroup.Route{Destination: netip.MustParsePrefix("10.9.0.0/16"), Peering: p.ID}),
		"InvalidRoute.NotFound: no route with destination-cidr-block 10.9.0.0/16 in route table "+a.MainRouteTable)
	refused(t, create("rtb-00000000", route), "InvalidRouteTableID.NotFound: The routeTable ID 'rtb-00000000' does not exist")
	refused(t, f.DeleteRoute(t.Context(), alice, a.MainRouteTable, netip.MustParsePrefix("10.1.0.0/16")),
		"InvalidParameterValue: cannot remove local route 10.1.0.0/16 in route table "+a.MainRouteTable)

	mine, err := f.CreateRouteTable(t.Context(), alice, a.ID, nil, ClientToken{})
	f.ok(err)
	_, err = f.CreateRouteTable(t.Context(), alice, a.ID, nil, ClientToken{})
	refused(t, err, "RouteTableLimitExceeded: The maximum number of route tables has been reached.")
	tie, err := f.AssociateRouteTable(t.Context(), alice, mine.ID, n.ID)
	f.ok(err)
	_, err = f.AssociateRouteTable(t.Context(), alice, a.MainRouteTable, n.ID)
	refused(t, err, "Resource.AlreadyAssociated: the specified association for route table "+a.MainRouteTable+" conflicts with an existing association")
	if table, explicit := f.Read().RouteTableOf(n.ID, a.ID); !explicit || table.ID != mine.ID {
		t.Errorf("the subnet is routed for by %s", table.ID)
	}
	refused(t, f.DeleteRouteTable(t.Context(), alice, mine.ID), "DependencyViolation: The routeTable '"+mine.ID+"' has dependencies and cannot be deleted.")
	f.ok(f.DisassociateRouteTable(t.Context(), alice, tie))
	refused(t, f.DisassociateRouteTable(t.Context(), alice, tie), "InvalidAssociationID.NotFound: The association ID '"+tie+"' does not exist")
	main := MainRouteAssociation(a.MainRouteTable)
	refused(t, f.DisassociateRouteTable(t.Context(), alice, main), "InvalidParameterValue: cannot disassociate the main route table association "+main)
	next, err := f.ReplaceRouteTableAssociation(t.Context(), alice, main, mine.ID)
	if f.ok(err); f.Read().VPCs.Get(a.ID).MainRouteTable != mine.ID || next != MainRouteAssociation(mine.ID) {
		t.Errorf("the main table is %s (%s), want %s", f.Read().VPCs.Get(a.ID).MainRouteTable, next, mine.ID)
	}
	f.ok(f.DeleteSubnet(t.Context(), alice, n.ID))
	refused(t, f.DeleteVPC(t.Context(), alice, a.ID), "DependencyViolation: The vpc '"+a.ID+"' has dependencies and cannot be deleted.")
	f.ok(f.DeleteRouteTable(t.Context(), alice, a.MainRouteTable))
	f.ok(f.DeleteVPC(t.Context(), alice, a.ID))
	for left := range f.Read().RouteTables.By(model.ByVPC, a.ID) {
		t.Errorf("table %s is left", left.ID)
	}
}
