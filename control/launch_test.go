// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// launchIn returns a launch of one instance with one interface in the subnet.
func launchIn(subnet string, groups ...string) Launch {
	return Launch{
		Image: "ami-netns", Min: 1, Max: 1,
		Interfaces: []LaunchInterface{{InterfaceSpec: InterfaceSpec{Subnet: subnet, Groups: groups}}},
	}
}

func (f *networks) run(l Launch) []*secgroup.Instance {
	f.t.Helper()
	made, err := f.RunInstances(f.t.Context(), f.Caller, l)
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

func (f *networks) report(id string, state secgroup.InstanceState, detail string) secgroup.InstanceState {
	f.t.Helper()
	if err := f.ReportInstance(f.t.Context(), f.host, id, state, detail); err != nil {
		f.t.Fatal(err)
	}
	return f.Read().Instances.Get(id).State
}

func TestRunInstances(t *testing.T) {
	f := newNetworks(t, Config{Host: "h1"})
	n := f.network("10.0.0.0/24", "2001:db8:0:1::/64")
	groups := f.groups(n.vpc.ID, 2)
	made := f.run(Launch{
		Image: "ami-netns", Min: 2, Max: 3, UserData: []byte("#!"), Options: secgroup.Options{Monitoring: true},
		Interfaces: []LaunchInterface{
			{InterfaceSpec: InterfaceSpec{Subnet: n.subnet.ID, Groups: groups[1:]}, DeviceIndex: 1, Keep: true},
			{InterfaceSpec: InterfaceSpec{Subnet: n.subnet.ID, Groups: groups[:1], Addressing: Addressing{MoreIPv6: new(1)}}},
		},
		Tags: secgroup.Tags{{Key: "a"}}, InterfaceTags: secgroup.Tags{{Key: "b"}},
	})
	if len(made) != 3 {
		t.Fatalf("%d instances", len(made))
	}
	for n2, in := range made {
		want := &secgroup.Instance{
			Scope: f.Scope, ID: in.ID, Reservation: made[0].Reservation, LaunchIndex: n2, Image: "ami-netns", Type: secgroup.DefaultInstanceType,
			UserData: []byte("#!"), State: secgroup.Pending, Zone: "us-east-1a", VPC: n.vpc.ID, Subnet: n.subnet.ID, Host: "h1", Boots: 1,
			Options: secgroup.Options{Monitoring: true}, Tags: secgroup.Tags{{Key: "a"}}, Launched: testNow, Created: testNow,
		}
		if d := cmp.Diff(want, f.Read().Instances.Get(in.ID)); d != "" {
			t.Error(d)
		}
		attached := Attached(f.Read(), in.ID)
		if len(attached) != 2 {
			t.Fatalf("%d interfaces", len(attached))
		}
		for index, i := range attached {
			a := i.Attachment
			if a.DeviceIndex != index || a.DeleteOnTermination != (index == 0) || a.Instance != in.ID || !a.Attached.Equal(testNow) ||
				i.Groups[0] != groups[index] || len(i.IPv6) != 1-index || i.Tags[0].Key != "b" {
				t.Errorf("interface %d: %+v, attachment %+v", index, i, a)
			}
		}
	}
}

// API-I8, the first half: groups by name, and everything else from the default VPC.
func TestRunInTheDefaultVPC(t *testing.T) {
	f := newNetworks(t, Config{})
	vpc := DefaultVPC(f.Read(), f.Scope)
	named := f.groups(vpc.ID, 2)
	name := f.Read().Groups.Get(named[0]).Name
	for _, c := range []struct {
		zone   string
		i      LaunchInterface
		want   string
		groups []string
	}{
		{"", LaunchInterface{}, "us-east-1a", []string{vpc.DefaultGroup}},
		{"us-east-1c", LaunchInterface{GroupNames: []string{name}}, "us-east-1c", named[:1]},
		{"", LaunchInterface{GroupNames: []string{name}, InterfaceSpec: InterfaceSpec{Groups: named[1:]}}, "us-east-1a", []string{named[1], named[0]}},
	} {
		in := f.run(Launch{Image: "ami-netns", Min: 1, Max: 1, Zone: c.zone, Interfaces: []LaunchInterface{c.i}})[0]
		got := Attached(f.Read(), in.ID)[0].Groups
		if in.Zone != c.want || in.VPC != vpc.ID || !slices.Equal(got, c.groups) {
			t.Errorf("%+v: in %s and %s with groups %v", c.i, in.Zone, in.VPC, got)
		}
	}
}

func TestRunAsManyAsFit(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/28", "")
	l := launchIn(n.subnet.ID)
	l.Min, l.Max = 12, 20
	_, err := f.RunInstances(t.Context(), f.Caller, l)
	refused(t, err, "InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the request.")
	if f.Read().Instances.Len() != 0 || f.Read().Interfaces.Len() != 0 {
		t.Error("a refused launch left something")
	}
	l.Min = 11
	if made := f.run(l); len(made) != 11 || f.Read().Instances.Len() != 11 || f.Read().Interfaces.Len() != 11 {
		t.Errorf("%d instances, %d stored", len(made), f.Read().Instances.Len())
	}
}

func TestRunInstancesRefuses(t *testing.T) {
	f := newNetworks(t, Config{Quotas: Quotas{InstancesPerRegion: 1}})
	n, other := f.network("10.0.0.0/24", ""), f.network("10.0.0.0/24", "")
	inB := *n.subnet
	inB.ID, inB.Zone, inB.CIDR = newID(secgroup.SubnetPrefix), "us-east-1b", netip.MustParsePrefix("10.0.1.0/24")
	f.edit(func(tx *model.Tx) { tx.Subnets.Put(&inB) })
	six, foreign := f.groups(n.vpc.ID, 6), f.groups(other.vpc.ID, 1)[0]
	used := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	running := f.run(Launch{Image: "ami-netns", Min: 1, Max: 1, Interfaces: []LaunchInterface{{Existing: used.ID}}})[0]
	free := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	elsewhere := f.create(InterfaceSpec{Subnet: inB.ID})
	other1 := f.create(InterfaceSpec{Subnet: other.subnet.ID})
	vpc := DefaultVPC(f.Read(), f.Scope).ID
	with := func(change func(*Launch)) Launch { l := launchIn(n.subnet.ID); change(&l); return l }
	only := func(i ...LaunchInterface) Launch {
		return with(func(l *Launch) { l.Interfaces = i })
	}
	for _, c := range []struct {
		name string
		l    Launch
		want string
	}{
		{"API-InvalidAMIID.NotFound", with(func(l *Launch) { l.Image = "ami-abcd1234" }), "InvalidAMIID.NotFound: The image id '[ami-abcd1234]' does not exist"},
		{"type", with(func(l *Launch) { l.Type = "x9.huge" }), "InvalidParameterValue: Invalid value 'x9.huge' for InstanceType."},
		{"API-InvalidKeyPair.NotFound", with(func(l *Launch) { l.KeyName = "x" }), "InvalidKeyPair.NotFound: The key pair 'x' does not exist"},
		{"zone", with(func(l *Launch) { l.Zone = "us-east-1z" }), "InvalidParameterValue: Invalid availability zone: [us-east-1z]"},
		{"zone of the subnet", with(func(l *Launch) { l.Zone = "us-east-1b" }), "InvalidParameterValue: Value (us-east-1b) for parameter availabilityZone is invalid. The subnet '" + n.subnet.ID + "' is in the availability zone us-east-1a"},
		{"subnet", launchIn("subnet-00000000"), "InvalidSubnetID.NotFound: The subnet ID 'subnet-00000000' does not exist"},
		{"group", launchIn(n.subnet.ID, "sg-00000000"), "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist in VPC '" + n.vpc.ID + "'"},
		{"joined ids", launchIn("", "sg-a,sg-b"), "InvalidGroup.NotFound: The security group 'sg-a,sg-b' does not exist in default VPC '" + vpc + "'"},
		{"name", only(LaunchInterface{GroupNames: []string{"nobody"}}), "InvalidGroup.NotFound: The security group 'nobody' does not exist in default VPC '" + vpc + "'"},
		{"API-I7", launchIn(n.subnet.ID, foreign), "InvalidParameter: Security group " + foreign + " and subnet " + n.subnet.ID + " belong to different networks."},
		{"API-SecurityGroupsPerInterfaceLimitExceeded", launchIn(n.subnet.ID, six...), "SecurityGroupsPerInterfaceLimitExceeded: The maximum number of security groups per interface has been reached."},
		{"API-InvalidNetworkInterface.InUse", only(LaunchInterface{Existing: used.ID}), "InvalidNetworkInterface.InUse: Interface: [" + used.ID + "] in use."},
		{"interface", only(LaunchInterface{Existing: "eni-00000000"}), "InvalidNetworkInterfaceID.NotFound: The networkInterface ID 'eni-00000000' does not exist"},
		{"the same interface twice", only(LaunchInterface{Existing: free.ID}, LaunchInterface{Existing: free.ID, DeviceIndex: 1}), "InvalidNetworkInterface.InUse: Interface: [" + free.ID + "] in use."},
		{"two zones", only(LaunchInterface{Existing: free.ID}, LaunchInterface{Existing: elsewhere.ID, DeviceIndex: 1}), errZones.Error()},
		{"two VPCs", only(LaunchInterface{Existing: free.ID}, LaunchInterface{Existing: other1.ID, DeviceIndex: 1}), errVPCs.Error()},
		{"one address for two", with(func(l *Launch) { l.Max, l.Interfaces[0].Primary = 2, netip.MustParseAddr("10.0.0.9") }), "InvalidParameterCombination: A network interface ID or a particular address may not be specified when launching more than one instance"},
		{"too many interfaces", with(func(l *Launch) {
			l.Type = "t3.micro"
			l.Interfaces = []LaunchInterface{l.Interfaces[0], l.Interfaces[0], l.Interfaces[0]}
		}), "AttachmentLimitExceeded: Interface count 3 exceeds the limit for t3.micro"},
		{"instances", launchIn(n.subnet.ID), errManyInstances.Error()},
		{"tags", with(func(l *Launch) { l.InterfaceTags = make(secgroup.Tags, 51) }), "TagLimitExceeded: The maximum number of Tags for a resource has been reached."},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.Read().Revision
			_, err := f.RunInstances(t.Context(), f.Caller, c.l)
			refused(t, err, c.want)
			if f.Read().Revision != before {
				t.Error("it changed something")
			}
		})
	}
	// A terminated instance leaves room for another, which the type then limits.
	if _, err := f.TerminateInstances(t.Context(), f.Caller, running.ID); err != nil {
		t.Fatal(err)
	}
	f.report(running.ID, secgroup.Terminated, "")
	l := launchIn(n.subnet.ID)
	l.Type, l.Interfaces[0].MoreIPv4 = "t3.micro", 2
	_, err := f.RunInstances(t.Context(), f.Caller, l)
	refused(t, err, "PrivateIpAddressLimitExceeded: Number of private addresses will exceed limit.")
}

func TestNoDefaultVPC(t *testing.T) {
	f := newNetworks(t, Config{})
	vpc := *DefaultVPC(f.Read(), f.Scope)
	f.edit(func(tx *model.Tx) {
		for _, n := range slices.Collect(tx.Subnets.By(model.ByVPC, vpc.ID)) {
			tx.Subnets.Delete(n.ID)
		}
	})
	_, err := f.RunInstances(t.Context(), f.Caller, launchIn(""))
	refused(t, err, "MissingInput: No subnets found for the default VPC '"+vpc.ID+"'. Please specify a subnet.")
	f.edit(func(tx *model.Tx) { vpc.Default = false; tx.VPCs.Put(&vpc) })
	_, err = f.RunInstances(t.Context(), f.Caller, launchIn(""))
	refused(t, err, "VPCIdNotSpecified: No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
}

// API-W7
func TestRepeatedRunInstances(t *testing.T) {
	f := newNetworks(t, Config{})
	l := launchIn(f.network("10.0.0.0/24", "").subnet.ID)
	l.Min, l.Max, l.Token = 2, 2, ClientToken{"token", "a"}
	first, again := f.run(l), f.run(l)
	if len(again) != 2 || again[0].ID != first[0].ID || again[1].ID != first[1].ID || again[0].ClientToken != "token" || f.Read().Instances.Len() != 2 {
		t.Errorf("%v and then %v", first, again)
	}
	l.Token.Request = "b"
	_, err := f.RunInstances(t.Context(), f.Caller, l)
	refused(t, err, "IdempotentParameterMismatch: The request uses the same client token as a previous, but non-identical request.")
}
