// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// joined makes a network with an internet gateway.
func (f *networks) joined(block string) network {
	f.t.Helper()
	n := f.network(block, "")
	g, err := f.CreateInternetGateway(f.t.Context(), f.Caller, nil)
	f.ok(err)
	f.ok(f.AttachInternetGateway(f.t.Context(), f.Caller, g.ID, n.vpc.ID))
	return n
}

func (f *networks) allocate() *secgroup.ElasticIP {
	f.t.Helper()
	e, err := f.AllocateAddress(f.t.Context(), f.Caller, netip.Addr{}, nil)
	f.ok(err)
	return e
}

// public returns the address that an interface's primary one has on the internet.
func (f *networks) public(id string) netip.Addr {
	i := f.Read().Interfaces.Get(id)
	return f.Read().PublicAddress(i, i.Addresses[0])
}

func TestInternetGateways(t *testing.T) { // API-Resource.AlreadyAssociated, API-Gateway.NotAttached, section 4.5
	f := newNetworks(t, Config{Quotas: Quotas{InternetGatewaysPerRegion: 3}})
	a, b := f.network("10.1.0.0/16", ""), f.network("10.2.0.0/16", "")
	ctx := t.Context()
	g, err := f.CreateInternetGateway(ctx, alice, secgroup.Tags{{Key: "Name", Value: "out"}})
	f.ok(err)
	refused(t, f.DetachInternetGateway(ctx, alice, g.ID, a.vpc.ID), "Gateway.NotAttached: resource "+g.ID+" is not attached to network "+a.vpc.ID)
	f.ok(f.AttachInternetGateway(ctx, alice, g.ID, a.vpc.ID))
	refused(t, f.AttachInternetGateway(ctx, alice, g.ID, b.vpc.ID), "Resource.AlreadyAssociated: resource "+g.ID+" is already attached to network "+a.vpc.ID)
	second, err := f.CreateInternetGateway(ctx, alice, nil)
	f.ok(err)
	refused(t, f.AttachInternetGateway(ctx, alice, second.ID, a.vpc.ID), "InvalidParameterValue: Network "+a.vpc.ID+" already has an internet gateway attached")
	_, err = f.CreateInternetGateway(ctx, alice, nil) // the third is the default VPC's
	refused(t, err, "InternetGatewayLimitExceeded: The maximum number of internet gateways has been reached.")
	refused(t, f.DeleteInternetGateway(ctx, alice, g.ID), "DependencyViolation: The internetGateway '"+g.ID+"' has dependencies and cannot be deleted.")
	f.ok(f.DeleteInternetGateway(ctx, alice, second.ID))
	refused(t, f.DeleteInternetGateway(ctx, alice, second.ID), "InvalidInternetGatewayID.NotFound: The internetGateway ID '"+second.ID+"' does not exist")
	refused(t, f.AttachInternetGateway(ctx, alice, g.ID, "vpc-00000000"), "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist")
	f.ok(f.DetachInternetGateway(ctx, alice, g.ID, a.vpc.ID))
	f.ok(f.AttachInternetGateway(ctx, alice, g.ID, b.vpc.ID))
}

func TestRoutesToInternetGateways(t *testing.T) { // API-InvalidGatewayID.NotFound, section 4.4
	f := newNetworks(t, Config{})
	a, b := f.joined("10.1.0.0/16"), f.joined("10.2.0.0/16")
	ctx := t.Context()
	table, err := f.CreateRouteTable(ctx, alice, a.vpc.ID, nil, ClientToken{})
	f.ok(err)
	g := f.Read().Gateway(a.vpc.ID).ID
	out := secgroup.Route{Destination: everywhere, Gateway: g}
	f.ok(f.CreateRoute(ctx, alice, table.ID, out))
	f.ok(f.CreateRoute(ctx, alice, table.ID, secgroup.Route{Destination: netip.MustParsePrefix("::/0"), Gateway: g}))
	unknown := out
	unknown.Gateway = "igw-00000000"
	refused(t, f.ReplaceRoute(ctx, alice, table.ID, unknown), "InvalidGatewayID.NotFound: The gateway ID 'igw-00000000' does not exist")
	foreign := out
	foreign.Gateway = f.Read().Gateway(b.vpc.ID).ID
	refused(t, f.ReplaceRoute(ctx, alice, table.ID, foreign),
		"InvalidParameterValue: route table "+table.ID+" and network gateway "+foreign.Gateway+" belong to different networks")
	inside := secgroup.Route{Destination: netip.MustParsePrefix("10.1.2.0/24"), Gateway: g}
	if err := f.CreateRoute(ctx, alice, table.ID, inside); err == nil || !strings.HasPrefix(err.Error(), "InvalidParameterValue: The destination CIDR block") {
		t.Errorf("a route for what lies in the VPC: %v", err)
	}
	active := func() bool {
		now := f.Read().RouteTables.Get(table.ID)
		return f.Read().Active(now, &now.Routes[0])
	}
	if !active() {
		t.Error("a route to the attached gateway is no active one")
	}
	f.ok(f.DetachInternetGateway(ctx, alice, g, a.vpc.ID))
	if active() {
		t.Error("a route to a detached gateway is active")
	}
	f.ok(f.AttachInternetGateway(ctx, alice, g, a.vpc.ID))
	if !active() {
		t.Error("the route is no active one after its gateway came back")
	}
	f.ok(f.DeleteRoute(ctx, alice, table.ID, everywhere))
}

func TestPublicAddressOfAnInstanceFollowsItsLife(t *testing.T) { // section 4.6
	f := newNetworks(t, Config{})
	n := f.joined("10.1.0.0/16")
	f.edit(func(tx *model.Tx) {
		next := *n.subnet
		next.MapPublicIP = true
		tx.Subnets.Put(&next)
	})
	launch := launchIn(n.subnet.ID)
	in := f.run(launch)[0]
	eth0 := Attached(f.Read(), in.ID)[0].ID
	first := f.public(eth0)
	if !DefaultPublicPool.Contains(first) {
		t.Fatalf("the instance has public address %v", first)
	}
	f.report(in.ID, secgroup.Running, "")
	refused(t, f.DetachInternetGateway(t.Context(), alice, f.Read().Gateway(n.vpc.ID).ID, n.vpc.ID),
		"DependencyViolation: Network "+n.vpc.ID+" has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.")
	_, err := f.StopInstances(t.Context(), alice, in.ID)
	f.ok(err)
	if got := f.public(eth0); got.IsValid() {
		t.Errorf("a stopped instance keeps %v", got)
	}
	f.report(in.ID, secgroup.Stopped, "")
	_, err = f.StartInstances(t.Context(), alice, in.ID)
	f.ok(err)
	if !f.public(eth0).IsValid() {
		t.Error("a started instance has no public address")
	}
	_, err = f.TerminateInstances(t.Context(), alice, in.ID)
	f.ok(err)
	if f.Read().Interfaces.Get(eth0) != nil {
		t.Error("the interface is still there")
	}
	for _, c := range []struct {
		what string
		l    func(*Launch)
		want bool
	}{
		{"declined", func(l *Launch) { l.Interfaces[0].Public = new(false) }, false},
		{"two interfaces", func(l *Launch) {
			l.Interfaces = append(l.Interfaces, LaunchInterface{InterfaceSpec: InterfaceSpec{Subnet: n.subnet.ID}, DeviceIndex: 1})
		}, false},
		{"existing interface", func(l *Launch) {
			l.Interfaces[0].Existing = f.create(InterfaceSpec{Subnet: n.subnet.ID}).ID
		}, false},
		{"asked for", func(l *Launch) { l.Interfaces[0].Public = new(true) }, true},
	} {
		l := launchIn(n.subnet.ID)
		c.l(&l)
		made := f.run(l)[0].ID
		if got := f.public(Attached(f.Read(), made)[0].ID); got.IsValid() != c.want {
			t.Errorf("%s: public address %v", c.what, got)
		}
	}
}

func TestElasticIPs(t *testing.T) { // API-AddressLimitExceeded, API-InvalidAllocationID.NotFound, section 4.6
	f := newNetworks(t, Config{})
	n, ctx := f.joined("10.1.0.0/16"), t.Context()
	island := f.network("10.9.0.0/16", "")
	i := f.create(InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{Primary: netip.MustParseAddr("10.1.0.10"), Secondary: addrs("10.1.0.11")}})
	other := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	alone := f.create(InterfaceSpec{Subnet: island.subnet.ID})
	e, second := f.allocate(), f.allocate()
	by := func(e *secgroup.ElasticIP) AddressRef { return AddressRef{Allocation: e.ID} }

	_, err := f.AssociateAddress(ctx, alice, by(e), AddressTarget{Interface: alone.ID})
	refused(t, err, "Gateway.NotAttached: Network "+island.vpc.ID+" is not attached to any internet gateway")
	_, err = f.AssociateAddress(ctx, alice, by(e), AddressTarget{Interface: i.ID, Private: netip.MustParseAddr("10.1.0.12")})
	refused(t, err, "InvalidParameterValue: Address 10.1.0.12 is not assigned to interface "+i.ID)
	tie, err := f.AssociateAddress(ctx, alice, AddressRef{Address: e.Address}, AddressTarget{Interface: i.ID})
	f.ok(err)
	if f.public(i.ID) != e.Address {
		t.Errorf("public address %v, want %v", f.public(i.ID), e.Address)
	}
	again, err := f.AssociateAddress(ctx, alice, by(e), AddressTarget{Interface: i.ID, Keep: true})
	if f.ok(err); again != tie {
		t.Errorf("the same association again is %s, was %s", again, tie)
	}
	_, err = f.AssociateAddress(ctx, alice, by(e), AddressTarget{Interface: other.ID, Keep: true})
	refused(t, err, "Resource.AlreadyAssociated: resource "+e.ID+" is already associated with associate-id "+tie)
	_, err = f.AssociateAddress(ctx, alice, by(second), AddressTarget{Interface: i.ID, Keep: true})
	refused(t, err, "Resource.AlreadyAssociated: resource "+i.ID+" is already associated with associate-id "+tie)
	refused(t, f.ReleaseAddress(ctx, alice, by(e)), "InvalidIPAddress.InUse: Address "+e.Address.String()+" is in use.")

	// Reassociation moves the address, and frees the one that was there.
	_, err = f.AssociateAddress(ctx, alice, by(second), AddressTarget{Interface: i.ID})
	if f.ok(err); f.public(i.ID) != second.Address || f.Read().ElasticIPs.Get(e.ID).Association != "" {
		t.Errorf("public address %v, want %v", f.public(i.ID), second.Address)
	}
	_, err = f.AssociateAddress(ctx, alice, by(second), AddressTarget{Interface: i.ID, Private: netip.MustParseAddr("10.1.0.11")})
	if f.ok(err); f.public(i.ID).IsValid() {
		t.Errorf("the primary address keeps %v", f.public(i.ID))
	}
	refused(t, f.DisassociateAddress(ctx, alice, tie, netip.Addr{}), "InvalidAssociationID.NotFound: The association ID '"+tie+"' does not exist")

	// What it stands for goes, it stays.
	f.ok(f.UnassignAddresses(ctx, alice, i.ID, 0, Assigned{Addresses: addrs("10.1.0.11")}))
	if got := f.Read().ElasticIPs.Get(second.ID); got.Association != "" {
		t.Errorf("%+v stands for an address that went", got)
	}
	_, err = f.AssociateAddress(ctx, alice, by(second), AddressTarget{Interface: other.ID})
	f.ok(err)
	f.ok(f.DeleteNetworkInterface(ctx, alice, other.ID))
	f.ok(f.ReleaseAddress(ctx, alice, by(second)))
	refused(t, f.ReleaseAddress(ctx, alice, by(second)), "InvalidAllocationID.NotFound: The allocation ID '"+second.ID+"' does not exist")
	refused(t, f.ReleaseAddress(ctx, alice, AddressRef{Address: second.Address}), "InvalidAddress.NotFound: Address '"+second.Address.String()+"' not found.")

	wanted, err := f.AllocateAddress(ctx, alice, second.Address, nil)
	if f.ok(err); wanted.Address != second.Address {
		t.Errorf("got %v, want %v", wanted.Address, second.Address)
	}
	_, err = f.AllocateAddress(ctx, alice, second.Address, nil)
	refused(t, err, "InvalidIPAddress.InUse: The specified address is already in use")
	for _, outside := range []string{"8.8.8.8", "198.18.0.1"} {
		_, err = f.AllocateAddress(ctx, alice, netip.MustParseAddr(outside), nil)
		refused(t, err, "InvalidAddress.NotFound: Address '"+outside+"' not found.")
	}
	for range 3 {
		f.allocate()
	}
	_, err = f.AllocateAddress(ctx, alice, netip.Addr{}, nil)
	refused(t, err, "AddressLimitExceeded: The maximum number of addresses has been reached.")
}

func TestElasticIPTakesThePlaceOfAGivenAddress(t *testing.T) { // section 4.6
	f := newNetworks(t, Config{})
	n, ctx := f.joined("10.1.0.0/16"), t.Context()
	l := launchIn(n.subnet.ID)
	l.Interfaces[0].Public = new(true)
	in := f.run(l)[0]
	eth0 := Attached(f.Read(), in.ID)[0].ID
	given, e := f.public(eth0), f.allocate()
	tie, err := f.AssociateAddress(ctx, alice, AddressRef{Allocation: e.ID}, AddressTarget{Instance: in.ID})
	if f.ok(err); f.public(eth0) != e.Address || f.Read().Interfaces.Get(eth0).Public.IsValid() {
		t.Errorf("public address %v, was %v, associated %v", f.public(eth0), given, e.Address)
	}
	f.ok(f.DisassociateAddress(ctx, alice, tie, netip.Addr{}))
	if got := f.public(eth0); !got.IsValid() || got == e.Address {
		t.Errorf("after disassociation the instance has %v", got)
	}
	_, err = f.AssociateAddress(ctx, alice, AddressRef{Allocation: e.ID}, AddressTarget{Instance: "i-00000000"})
	refused(t, err, "InvalidInstanceID.NotFound: The instance ID 'i-00000000' does not exist")
}

func TestPublicAddressesRunOut(t *testing.T) { // API-InsufficientAddressCapacity
	f := newNetworks(t, Config{PublicPool: netip.MustParsePrefix("192.0.2.0/29")}) // three to give
	n := f.joined("10.1.0.0/16")
	f.allocate()
	l := launchIn(n.subnet.ID)
	l.Interfaces[0].Public = new(true)
	l.Min, l.Max = 1, 5
	if made := f.run(l); len(made) != 2 {
		t.Errorf("%d instances were made with room for 2", len(made))
	}
	_, err := f.RunInstances(t.Context(), alice, l)
	refused(t, err, errNoPublicAddress.Error())
	_, err = f.AllocateAddress(t.Context(), alice, netip.Addr{}, nil)
	refused(t, err, errNoPublicAddress.Error())
}
