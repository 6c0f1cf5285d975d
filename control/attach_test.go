// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/secgroup"
)

func TestModifyInstanceAttribute(t *testing.T) {
	f := newNetworks(t, Config{})
	n, other := f.network("10.0.0.0/24", ""), f.network("10.0.0.0/24", "")
	six, foreign := f.groups(n.vpc.ID, 6), f.groups(other.vpc.ID, 1)
	in := f.run(launchIn(n.subnet.ID))[0]
	modify := func(c InstanceChange) error { return f.ModifyInstanceAttribute(t.Context(), f.Caller, in.ID, c) }
	refused(t, modify(InstanceChange{Groups: six[:1]}), "IncorrectInstanceState: The instance '"+in.ID+"' is not in a valid state for this operation.")
	f.report(in.ID, secgroup.Running, "")
	for _, c := range []InstanceChange{{Groups: six[1:3]}, {SourceDestCheck: new(false)}, {NoTermination: new(true)}, {NoTermination: new(false)}, {NoStop: new(true)}, {NoStop: new(false)}} {
		if err := modify(c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if i := Attached(f.Read(), in.ID)[0]; !slices.Equal(i.Groups, six[1:3]) || i.SourceDestCheck {
		t.Errorf("interface %+v", i)
	}
	refused(t, modify(InstanceChange{Groups: six}), "SecurityGroupsPerInterfaceLimitExceeded: The maximum number of security groups per interface has been reached.")
	refused(t, modify(InstanceChange{Groups: foreign}), "InvalidGroup.NotFound: You have specified two resources that belong to different networks.")
	refused(t, modify(InstanceChange{Groups: []string{"sg-00000000"}}), "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist")
	refused(t, modify(InstanceChange{Type: new("t3.micro")}), "IncorrectInstanceState: The instance '"+in.ID+"' is not in the 'stopped' state.")

	second := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	a, err := f.AttachNetworkInterface(t.Context(), f.Caller, second.ID, in.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	const several = "InvalidInstanceID: There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead."
	want := secgroup.Errorf("", several, in.ID).Message
	refused(t, modify(InstanceChange{Groups: six[:1]}), want) // API-I9
	refused(t, modify(InstanceChange{SourceDestCheck: new(true)}), want)
	if err := f.DetachNetworkInterface(t.Context(), f.Caller, a.ID); err != nil {
		t.Fatal(err)
	}
	if err := modify(InstanceChange{SourceDestCheck: new(true)}); err != nil {
		t.Error(err)
	}
	f.StopInstances(t.Context(), f.Caller, in.ID)
	f.report(in.ID, secgroup.Stopped, "")
	for _, c := range []InstanceChange{{Type: new("t3.micro")}, {UserData: []byte("x")}, {Groups: six[:1]}} {
		if err := modify(c); err != nil {
			t.Errorf("stopped, %+v: %v", c, err)
		}
	}
	refused(t, modify(InstanceChange{Type: new("x")}), "InvalidParameterValue: Invalid value 'x' for InstanceType.")
	if got := f.Read().Instances.Get(in.ID); got.Type != "t3.micro" || string(got.UserData) != "x" {
		t.Errorf("%+v", got)
	}
}

func TestAttachAndDetach(t *testing.T) {
	f := newNetworks(t, Config{})
	n, other := f.network("10.0.0.0/24", ""), f.network("10.0.0.0/24", "")
	l := launchIn(n.subnet.ID)
	l.Type = "t3.micro"
	in := f.run(l)[0]
	first, second := f.create(InterfaceSpec{Subnet: n.subnet.ID}), f.create(InterfaceSpec{Subnet: n.subnet.ID})
	foreign := f.create(InterfaceSpec{Subnet: other.subnet.ID})
	attach := func(iface string, device int) (string, error) {
		a, err := f.AttachNetworkInterface(t.Context(), f.Caller, iface, in.ID, device)
		if err != nil {
			return "", err
		}
		return a.ID, nil
	}
	_, err := attach(first.ID, 1)
	refused(t, err, "IncorrectState: The instance is not in the 'running' or 'stopped' state.")
	f.report(in.ID, secgroup.Running, "")
	_, err = attach(first.ID, 0)
	refused(t, err, "InvalidParameterValue: Instance '"+in.ID+"' already has an interface attached at device index '0'.")
	_, err = attach(foreign.ID, 1)
	refused(t, err, errVPCs.Error())
	id, err := attach(first.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = attach(first.ID, 2)
	refused(t, err, "InvalidNetworkInterface.InUse: Interface: ["+first.ID+"] in use.")
	_, err = attach(second.ID, 2)
	refused(t, err, "AttachmentLimitExceeded: Interface count 3 exceeds the limit for t3.micro")
	refused(t, f.DeleteNetworkInterface(t.Context(), f.Caller, first.ID), // API-I11
		"InvalidParameterValue: Network interface '"+first.ID+"' is currently in use.")
	if a := f.Read().Interfaces.Get(first.ID).Attachment; a.DeleteOnTermination {
		t.Error("an attached interface would go with the instance")
	}
	err = f.ModifyNetworkInterfaceAttribute(t.Context(), f.Caller, first.ID, InterfaceChange{Attachment: &AttachmentChange{id, true}})
	if err != nil || !f.Read().Interfaces.Get(first.ID).Attachment.DeleteOnTermination {
		t.Errorf("the attachment does not change: %v", err)
	}
	refused(t, f.DetachNetworkInterface(t.Context(), f.Caller, Attached(f.Read(), in.ID)[0].Attachment.ID),
		"OperationNotPermitted: The network interface at device index 0 and networkCard index 0 cannot be detached.")
	refused(t, f.DetachNetworkInterface(t.Context(), f.Caller, "eni-attach-00000000"),
		"InvalidAttachmentID.NotFound: The network interface attachment ID 'eni-attach-00000000' does not exist")
	if err := f.DetachNetworkInterface(t.Context(), f.Caller, id); err != nil || f.Read().Interfaces.Get(first.ID).Attachment != nil {
		t.Errorf("detach: %v", err)
	}
}
