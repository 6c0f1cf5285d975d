// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// attend does for the instances of NAT gateways what a host does, and settles.
func (f *networks) attend() {
	f.t.Helper()
	for range 4 {
		f.ok(f.settleAll(f.t.Context()))
		for in := range f.Read().Instances.All() {
			switch {
			case in.Streaming == nil:
			case in.State == secgroup.Pending:
				f.ok(f.ReportInstance(f.t.Context(), f.Service.host, in.ID, secgroup.Running, ""))
			case in.State == secgroup.ShuttingDown:
				f.ok(f.ReportInstance(f.t.Context(), f.Service.host, in.ID, secgroup.Terminated, ""))
			}
		}
	}
}

func TestNATGatewaysLive(t *testing.T) { // section 4.8
	f := newNetworks(t, Config{})
	n, ctx := f.joined("10.1.0.0/16"), t.Context()
	e := f.allocate()
	spec := NATGatewaySpec{Subnet: n.subnet.ID, Allocation: e.ID, Private: n.subnet.CIDR.Addr().Next().Next().Next().Next().Next()}
	g, err := f.CreateNATGateway(ctx, alice, spec, ClientToken{})
	f.ok(err)
	i := f.Read().Interfaces.Get(g.Interface)
	if g.State != secgroup.NATPending || g.Private != spec.Private || i.Requester != secgroup.NATRequester || i.SourceDestCheck || len(i.Groups) != 0 || f.public(i.ID) != e.Address {
		t.Errorf("made %+v with the interface %+v", g, i)
	}
	state := func() secgroup.NATState { return f.Read().NATGateways.Get(g.ID).State }
	if f.attend(); state() != secgroup.NATAvailable {
		t.Errorf("it is %s", state())
	}

	// What it has is not for others to change.
	denied := "OperationNotPermitted: You do not have permission to access the specified resource."
	kept := "OperationNotPermitted: The address with allocation id [" + e.ID + "] is of a NAT gateway, with which it goes."
	other := f.create(InterfaceSpec{Subnet: n.subnet.ID}).ID
	for _, private := range []AddressTarget{{Interface: other}, {Interface: g.Interface}} {
		_, err = f.AssociateAddress(ctx, alice, AddressRef{Allocation: e.ID}, private)
		refused(t, err, kept)
	}
	_, err = f.AssociateAddress(ctx, alice, AddressRef{Allocation: f.allocate().ID}, AddressTarget{Interface: g.Interface})
	refused(t, err, denied)
	refused(t, f.DisassociateAddress(ctx, alice, "", e.Address), kept)
	refused(t, f.ReleaseAddress(ctx, alice, AddressRef{Allocation: e.ID}), "InvalidIPAddress.InUse: Address "+e.Address.String()+" is in use.")
	refused(t, f.DetachInternetGateway(ctx, alice, f.Read().Gateway(n.vpc.ID).ID, n.vpc.ID), "DependencyViolation: Network "+n.vpc.ID+
		" has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.")

	table, err := f.CreateRouteTable(ctx, alice, n.vpc.ID, nil, ClientToken{})
	f.ok(err)
	f.ok(f.CreateRoute(ctx, alice, table.ID, secgroup.Route{Destination: netip.MustParsePrefix("0.0.0.0/0"), NAT: g.ID}))
	active := func() bool {
		now := f.Read().RouteTables.Get(table.ID)
		return f.Read().Active(now, &now.Routes[0])
	}
	if !active() {
		t.Error("the route to it is no active one")
	}

	f.ok(f.DeleteNATGateway(ctx, alice, g.ID))
	if state() != secgroup.NATDeleting || active() || f.Read().ElasticIPs.Get(e.ID).Association != "" || f.Read().Interfaces.Get(g.Interface) != nil {
		t.Errorf("it is %s, its route active: %v", state(), active())
	}
	if f.attend(); state() != secgroup.NATDeleted || f.Read().Instances.Has(model.ByStreaming, model.StreamingValue(g.Scope, secgroup.NATKind, g.ID)) {
		t.Errorf("it is %s", state())
	}
	f.ok(f.DeleteNATGateway(ctx, alice, g.ID))
	f.ok(f.ReleaseAddress(ctx, alice, AddressRef{Allocation: e.ID}))
	refused(t, f.ReplaceRoute(ctx, alice, table.ID, secgroup.Route{Destination: netip.MustParsePrefix("0.0.0.0/0"), NAT: g.ID}),
		"NatGatewayNotFound: The NatGateway ID '"+g.ID+"' does not exist")
	f.clock.Advance(time.Hour - time.Second)
	if f.ok(f.PurgeTerminated(ctx)); f.Read().NATGateways.Len() != 1 {
		t.Error("it is gone within the hour")
	}
	f.clock.Advance(time.Second)
	if f.ok(f.PurgeTerminated(ctx)); f.Read().NATGateways.Len() != 0 {
		t.Error("it is there after an hour")
	}
}

func TestNATGatewaysRefused(t *testing.T) { // section 4.8
	f := newNetworks(t, Config{})
	n, alone := f.joined("10.1.0.0/16"), f.network("10.2.0.0/16", "")
	ctx := t.Context()
	e, taken := f.allocate(), f.allocate()
	_, err := f.AssociateAddress(ctx, alice, AddressRef{Allocation: taken.ID}, AddressTarget{Interface: f.create(InterfaceSpec{Subnet: n.subnet.ID}).ID})
	f.ok(err)
	for _, c := range []struct {
		spec NATGatewaySpec
		want string
	}{
		{NATGatewaySpec{Subnet: "subnet-00000000", Allocation: e.ID}, "InvalidSubnetID.NotFound: The subnet ID 'subnet-00000000' does not exist"},
		{NATGatewaySpec{Subnet: n.subnet.ID, Allocation: "eipalloc-00000000"}, "InvalidAllocationID.NotFound: The allocation ID 'eipalloc-00000000' does not exist"},
	} {
		_, err := f.CreateNATGateway(ctx, alice, c.spec, ClientToken{})
		refused(t, err, c.want)
	}
	before := f.Read()
	for _, c := range []struct {
		spec       NATGatewaySpec
		code, text string
	}{
		{NATGatewaySpec{Subnet: n.subnet.ID, Allocation: taken.ID}, "Resource.AlreadyAssociated", "Elastic IP address [" + taken.ID + "] is already associated"},
		{NATGatewaySpec{Subnet: alone.subnet.ID, Allocation: e.ID}, "Gateway.NotAttached", "Network " + alone.vpc.ID + " has no Internet gateway attached"},
	} {
		g, err := f.CreateNATGateway(ctx, alice, c.spec, ClientToken{})
		f.ok(err)
		if g.State != secgroup.NATFailed || g.Code != c.code || g.Failure != c.text || g.Interface != "" {
			t.Errorf("made %+v, want %s: %s", g, c.code, c.text)
		}
	}
	if now := f.Read(); now.Interfaces.Len() != before.Interfaces.Len() || now.Instances.Len() != before.Instances.Len() {
		t.Error("something of a gateway that failed is there")
	}
	g, err := f.CreateNATGateway(ctx, alice, NATGatewaySpec{Subnet: n.subnet.ID, Allocation: e.ID}, ClientToken{})
	f.ok(err)
	table, err := f.CreateRouteTable(ctx, alice, alone.vpc.ID, nil, ClientToken{})
	f.ok(err)
	refused(t, f.CreateRoute(ctx, alice, table.ID, secgroup.Route{Destination: netip.MustParsePrefix("0.0.0.0/0"), NAT: g.ID}),
		"InvalidParameterValue: route table "+table.ID+" and nat gateway "+g.ID+" belong to different networks")
	refused(t, f.DeleteNATGateway(ctx, alice, "nat-00000000"), "NatGatewayNotFound: The NatGateway ID 'nat-00000000' does not exist")
}
