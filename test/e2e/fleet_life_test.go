// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/test/rig"
)

func (f *studio) deleteGroup(id string) error {
	_, err := f.api.DeleteSecurityGroup(f.t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &id})
	return err
}

// failsToStart starts a fleet and expects that it stops with one error.
func (f *studio) failsToStart(fleet string, want streaming.FleetErrorCode) {
	f.t.Helper()
	if _, err := f.as.StartFleet(f.t.Context(), &appstream.StartFleetInput{Name: &fleet}); err != nil {
		f.t.Fatal(err)
	}
	f.awaitStoppedWith(fleet, want)
}

func (f *studio) awaitStoppedWith(fleet string, want streaming.FleetErrorCode) {
	f.t.Helper()
	eventually(f.t, "the fleet stops", func() bool { return f.fleet(fleet).State == streaming.FleetStateStopped })
	f.wantErrors(fleet, want)
	f.wantGroups("a fleet that could not start", f.enis(fleet), 0)
}

func (f *studio) wantErrors(fleet string, want ...streaming.FleetErrorCode) {
	f.t.Helper()
	got := f.fleet(fleet).FleetErrors
	same := len(got) == len(want)
	for n := range want {
		same = same && got[n].ErrorCode == want[n] && aws.ToString(got[n].ErrorMessage) != ""
	}
	if !same {
		f.t.Errorf("fleet %s has errors %+v, want %v", fleet, got, want)
	}
}

// TestFleetsAndEC2 is docs/spec/appstream.md section 12.F.
func TestFleetsAndEC2(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "life")
	g1, g2 := f.bare("g1"), f.bare("g2")
	srv := f.group("srv")
	f.allow(srv, permission("tcp", 443, 443, g1))
	server := f.serving(srv, 443)
	out := permission("tcp", 443, 443, srv)
	f.allowEgress(g1, out)
	in := f.asked("F", g1)
	in.ComputeCapacity.DesiredInstances = aws.Int32(2)
	fleet := f.running(in)
	stack := f.stack(fleet, nil)

	f.row(t, "AS-F01", func(f *studio) {
		rig.WantCode(f.t, "deleting the group of a running fleet", f.deleteGroup(g1), "DependencyViolation")
	})
	f.row(t, "AS-F05", func(f *studio) {
		i := f.enis(fleet)[0]
		ctx, id := f.t.Context(), i.NetworkInterfaceId
		_, err := f.api.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: id})
		rig.WantCode(f.t, "delete", err, "InvalidParameterValue")
		_, err = f.api.DetachNetworkInterface(ctx, &ec2.DetachNetworkInterfaceInput{AttachmentId: i.Attachment.AttachmentId})
		rig.WantCode(f.t, "detach", err, notPermittedEC2)
		_, err = f.api.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Groups: []string{g2}})
		rig.WantCode(f.t, "modify", err, notPermittedEC2)
		_, err = f.api.AssignPrivateIpAddresses(ctx, &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: aws.Int32(1)})
		rig.WantCode(f.t, "assign", err, notPermittedEC2)
		f.wantGroups(fleet, f.enis(fleet), 2, g1)
		_, err = f.api.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{*i.Attachment.InstanceId}})
		rig.WantCode(f.t, "terminating the service's instance", err, "InvalidInstanceID.NotFound")
		_, err = f.api.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &f.r1})
		rig.WantCode(f.t, "deleting the subnet", err, "DependencyViolation")
	})
	f.row(t, "AS-F12", func(f *studio) {
		all := f.instances("fleet", fleet, 2)
		foreign := f.world.run(f.group("foreign"))[0]
		check(f.t, "a rule whose source is the fleet's group", connects(all[0], "tcp", server.ip, 443), connects(all[1], "tcp", server.ip, 443),
			dropped(connects(foreign, "tcp", server.ip, 443)))
	})
	f.row(t, "AS-F06", func(f *studio) {
		v := f.watch(stack, fleet, "bob")
		var old *guest
		for _, g := range f.instances("fleet", fleet, 2) {
			if g.id == v.instance {
				old = g
			}
		}
		if old == nil {
			f.t.Fatalf("the session is on %s, which is none of the fleet's", v.instance)
		}
		check(f.t, "during the session", connects(old, "tcp", server.ip, 443))
		f.expire(v)
		for _, i := range f.enis(fleet) {
			if *i.NetworkInterfaceId == old.eni {
				f.t.Error("the interface of the session is still there")
			}
		}
		eventually(f.t, "the instance is replaced", func() bool { return *f.fleet(fleet).ComputeCapacityStatus.Running == 2 })
		f.wantGroups(fleet, f.enis(fleet), 2, g1)
		// Whoever gets the old address is no member of the group.
		heir := f.launch(&ec2.RunInstancesInput{SubnetId: &f.r1, SecurityGroupIds: []string{f.group("heir")}, PrivateIpAddress: &old.ip})
		f.awaitRunning(heir)
		heir.enter(f.t)
		check(f.t, "the old address", dropped(connects(heir, "tcp", server.ip, 443)))
	})
	f.row(t, "AS-F14", func(f *studio) {
		far := f.second("10.60.0.0/16")
		id := f.peer(far)
		f.route(f.mainTable(), "10.60.0.0/16", id)
		far.route(far.mainTable(), "10.50.0.0/16", id)
		db := far.group("db")
		far.allow(db, permission("tcp", 5432, 5432, g1))
		f.allowEgress(g1, permission("tcp", 5432, 5432, "10.60.0.0/16"))
		d := far.run(db)[0]
		d.listen(f.t, 5432)
		for _, g := range f.instances("fleet", fleet, 2) {
			check(f.t, "over peering", connects(g, "tcp", d.ip, 5432))
		}
		f.stopFleet(fleet)
		got, err := far.api.DescribeSecurityGroups(f.t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{db}})
		if err != nil || len(got.SecurityGroups[0].IpPermissions) != 1 {
			f.t.Errorf("the rule of the peered VPC: %+v, %v", got.SecurityGroups, err)
		}
		f.startFleet(fleet)
	})
	f.row(t, "AS-F13", func(f *studio) {
		_, err := f.as.DeleteStack(f.t.Context(), &appstream.DeleteStackInput{Name: &stack})
		rig.WantCode(f.t, "deleting a stack with a fleet", err, inUse)
	})
	f.row(t, "AS-F09", func(f *studio) {
		remove := func() error {
			_, err := f.as.DeleteFleet(f.t.Context(), &appstream.DeleteFleetInput{Name: &fleet})
			return err
		}
		rig.WantCode(f.t, "deleting a running fleet", remove(), inUse)
		f.stopFleet(fleet)
		rig.WantCode(f.t, "deleting a fleet of a stack", remove(), inUse)
		if _, err := f.as.DisassociateFleet(f.t.Context(), &appstream.DisassociateFleetInput{FleetName: &fleet, StackName: &stack}); err != nil {
			f.t.Fatal(err)
		}
		if err := remove(); err != nil {
			f.t.Errorf("deleting a free fleet: %v", err)
		}
		f.wantGroups("a deleted fleet", f.enis(fleet), 0)
	})
	f.row(t, "AS-F08", func(f *studio) {
		again := f.asked("twice", g1)
		f.create(again)
		_, err := f.as.CreateFleet(f.t.Context(), again)
		rig.WantCode(f.t, "a name that is taken", err, "ResourceAlreadyExistsException")
	})
	f.row(t, "AS-F03 AS-F04", func(f *studio) {
		doomed := f.bare("doomed")
		fleet := f.create(f.asked("vanished", doomed))
		if err := f.deleteGroup(doomed); err != nil {
			f.t.Fatalf("deleting the group of a stopped fleet: %v", err)
		}
		f.failsToStart(fleet, streaming.FleetErrorCodeSecurityGroupsNotFound)
		if err := f.setGroups(fleet, g2); err != nil {
			f.t.Fatal(err)
		}
		f.startFleet(fleet)
		f.wantErrors(fleet)
		f.wantGroups(fleet, f.enis(fleet), 1, g2)
		f.stopFleet(fleet)
	})
	f.row(t, "AS-F02 AS-F10", func(f *studio) {
		g := f.bare("built")
		name := f.builder("builder", g)
		remove := func() error {
			_, err := f.as.DeleteImageBuilder(f.t.Context(), &appstream.DeleteImageBuilderInput{Name: &name})
			return err
		}
		rig.WantCode(f.t, "deleting a running image builder", remove(), notAllowed)
		if _, err := f.as.StopImageBuilder(f.t.Context(), &appstream.StopImageBuilderInput{Name: &name}); err != nil {
			f.t.Fatal(err)
		}
		f.awaitBuilder(name, streaming.ImageBuilderStateStopped)
		f.wantGroups(name, f.interfacesOf("image-builder", name), 1, g)
		rig.WantCode(f.t, "deleting the group of a stopped image builder", f.deleteGroup(g), "DependencyViolation")
		if err := remove(); err != nil {
			f.t.Errorf("deleting a stopped image builder: %v", err)
		}
		f.wantGroups(name, f.interfacesOf("image-builder", name), 0)
		if err := f.deleteGroup(g); err != nil {
			f.t.Error(err)
		}
	})
	f.row(t, "AS-F07", func(f *studio) {
		small := f.subnetIn(f.zoneOf(f.r1), "10.50.9.0/28") // 11 addresses
		for range 8 {
			_, err := f.api.CreateNetworkInterface(f.t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &small})
			if err != nil {
				f.t.Fatal(err)
			}
		}
		in := f.asked("full", g1)
		in.VpcConfig.SubnetIds, in.ComputeCapacity.DesiredInstances = []string{small}, aws.Int32(5)
		fleet := f.running(in)
		f.wantErrors(fleet, streaming.FleetErrorCodeSubnetHasInsufficientIpAddresses)
		f.wantGroups(fleet, f.enis(fleet), 3, g1)
		if c := f.fleet(fleet).ComputeCapacityStatus; *c.Desired != 5 || *c.Running != 3 {
			f.t.Errorf("the fleet counts %+v", c)
		}
		f.stopFleet(fleet)
	})
}

const notPermittedEC2 = "OperationNotPermitted"

// TestFleetsAndTheInternet is what the API shows of default internet access:
// docs/spec/appstream.md section 12.E.
func TestFleetsAndTheInternet(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "net")
	g1 := f.bare("g1")
	public := func(name string, groups ...string) *appstream.CreateFleetInput {
		in := f.asked(name, groups...)
		in.EnableDefaultInternetAccess = aws.Bool(true)
		return in
	}
	f.row(t, "AS-E04", func(f *studio) {
		f.failsToStart(f.create(public("nogateway", g1)), streaming.FleetErrorCodeIgwNotAttached)
	})
	made, err := f.api.CreateInternetGateway(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.api.AttachInternetGateway(t.Context(), &ec2.AttachInternetGatewayInput{InternetGatewayId: made.InternetGateway.InternetGatewayId, VpcId: &f.vpc})
	if err != nil {
		t.Fatal(err)
	}
	fleet := f.running(public("F", g1))
	f.row(t, "AS-E12", func(f *studio) {
		a := f.enis(fleet)[0].Association
		if a == nil || aws.ToString(a.PublicIp) == "" {
			f.t.Fatalf("the interface has no public address: %+v", a)
		}
		f.stopFleet(fleet)
		taken, err := f.api.DescribeNetworkInterfaces(f.t.Context(), nil)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, i := range taken.NetworkInterfaces {
			if i.Association != nil && aws.ToString(i.Association.PublicIp) == *a.PublicIp {
				f.t.Errorf("%s has the public address of a stopped fleet", *i.NetworkInterfaceId)
			}
		}
		f.startFleet(fleet)
	})
	f.row(t, "AS-E08", func(f *studio) {
		toggle := func() error {
			_, err := f.as.UpdateFleet(f.t.Context(), &appstream.UpdateFleetInput{Name: &fleet, EnableDefaultInternetAccess: aws.Bool(false)})
			return err
		}
		rig.WantCode(f.t, "default internet access of a running fleet", toggle(), inUse)
		f.stopFleet(fleet)
		if err := toggle(); err != nil {
			f.t.Error(err)
		}
		f.startFleet(fleet)
		if a := f.enis(fleet)[0].Association; a != nil {
			f.t.Errorf("without the option the interface has %s", *a.PublicIp)
		}
		f.stopFleet(fleet)
	})
	f.row(t, "AS-E09", func(f *studio) {
		in := public("many", g1)
		in.ComputeCapacity.DesiredInstances = aws.Int32(101)
		f.refusesFleet(limit, "default internet access can have 100 instances at most", in)
	})
}
