// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/test/rig"
)

const whileActive = "when it is ACTIVE. The fleet must be stopped to complete this action."

// TestFleetChangesGroups is docs/spec/appstream.md section 12.C.
func TestFleetChangesGroups(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "change")
	g1, g2 := f.bare("g1"), f.bare("g2")
	srv := f.group("srv")
	f.allow(srv, permission("tcp", 1, 65535, "10.50.0.0/16"))
	server := f.serving(srv, 27000)
	fleet := f.running(f.asked("F", g1))
	stack := f.stack(fleet, nil)
	update := func(f *studio, in *appstream.UpdateFleetInput) error {
		in.Name = &fleet
		_, err := f.as.UpdateFleet(f.t.Context(), in)
		return err
	}
	deleting := func(attributes ...streaming.FleetAttribute) *appstream.UpdateFleetInput {
		return &appstream.UpdateFleetInput{AttributesToDelete: attributes}
	}

	f.row(t, "AS-C01 AS-C08", func(f *studio) {
		v := f.watch(stack, fleet, "bob")
		err := update(f, &appstream.UpdateFleetInput{DisplayName: aws.String("new"), VpcConfig: &streaming.VpcConfig{SecurityGroupIds: []string{g2}}})
		rig.WantCode(f.t, "groups of a running fleet", err, inUse)
		if want := "Cannot update the attribute for fleet " + fleet + " " + whileActive; !strings.Contains(err.Error(), want) {
			f.t.Errorf("it does not say %q: %v", want, err)
		}
		f.wantGroups(fleet, f.enis(fleet), 1, g1)
		if got := f.fleet(fleet).DisplayName; got != nil {
			f.t.Errorf("half of a refused update was made: %q", *got)
		}
		v.flows(f.t, "after a refused update")
		v.close()
	})
	f.row(t, "AS-C06", func(f *studio) {
		for _, a := range []streaming.FleetAttribute{streaming.FleetAttributeVpcConfiguration, streaming.FleetAttributeVpcConfigurationSecurityGroupIds} {
			rig.WantCode(f.t, "deleting "+string(a)+" of a running fleet", update(f, deleting(a)), inUse)
		}
		//lint:ignore SA1019 clients of before AttributesToDelete still send it
		rig.WantCode(f.t, "DeleteVpcConfig of a running fleet", update(f, &appstream.UpdateFleetInput{DeleteVpcConfig: aws.Bool(true)}), inUse)
	})
	f.row(t, "AS-C09", func(f *studio) {
		if err := update(f, &appstream.UpdateFleetInput{DisplayName: aws.String("shown")}); err != nil || aws.ToString(f.fleet(fleet).DisplayName) != "shown" {
			f.t.Errorf("the name of a running fleet: %v", err)
		}
	})
	f.row(t, "AS-C11", func(f *studio) {
		capacity := func(n int32) {
			f.t.Helper()
			if err := update(f, &appstream.UpdateFleetInput{ComputeCapacity: &streaming.ComputeCapacity{DesiredInstances: &n}}); err != nil {
				f.t.Fatal(err)
			}
			eventually(f.t, "as many instances as desired", func() bool {
				s := f.fleet(fleet).ComputeCapacityStatus
				return aws.ToInt32(s.Running) == n && len(f.enis(fleet)) == int(n)
			})
		}
		capacity(3)
		f.wantGroups(fleet, f.enis(fleet), 3, g1)
		capacity(1)
	})
	f.row(t, "AS-C02 AS-C14 AS-C10", func(f *studio) {
		old := *f.enis(fleet)[0].NetworkInterfaceId
		f.stopFleet(fleet) // with the SDK's own waiters
		f.wantGroups("a stopped fleet", f.enis(fleet), 0)
		if err := f.setGroups(fleet, g2); err != nil {
			f.t.Fatal(err)
		}
		if err := update(f, &appstream.UpdateFleetInput{VpcConfig: &streaming.VpcConfig{SubnetIds: []string{f.r2}}}); err != nil {
			f.t.Fatal(err)
		}
		f.startFleet(fleet)
		now := f.enis(fleet)
		f.wantGroups(fleet, now, 1, g2)
		if *now[0].NetworkInterfaceId == old || *now[0].SubnetId != f.r2 {
			f.t.Errorf("the interface is %s in %s; want a new one in %s", *now[0].NetworkInterfaceId, *now[0].SubnetId, f.r2)
		}
	})
	f.row(t, "AS-C13", func(f *studio) {
		for range 2 {
			if _, err := f.as.StopFleet(f.t.Context(), &appstream.StopFleetInput{Name: &fleet}); err != nil {
				f.t.Error(err)
			}
		}
		f.awaitFleetStopped(fleet)
		if _, err := f.as.StopFleet(f.t.Context(), &appstream.StopFleetInput{Name: &fleet}); err != nil {
			f.t.Errorf("stopping a stopped fleet: %v", err)
		}
	})
	f.row(t, "AS-C05", func(f *studio) {
		if err := update(f, deleting(streaming.FleetAttributeVpcConfigurationSecurityGroupIds)); err != nil {
			f.t.Fatal(err)
		}
		f.startFleet(fleet)
		f.wantGroups(fleet, f.enis(fleet), 1, f.defaultGroup())
		if got := f.fleet(fleet).VpcConfig.SubnetIds; !slices.Equal(got, []string{f.r2}) {
			f.t.Errorf("its subnets are %v", got)
		}
		f.stopFleet(fleet)
	})
	f.row(t, "AS-C04", func(f *studio) {
		if err := f.setGroups(fleet, g1, g2); err != nil {
			f.t.Fatal(err)
		}
		f.startFleet(fleet)
		f.wantGroups(fleet, f.enis(fleet), 1, g1, g2)
		f.stopFleet(fleet)
	})
	f.row(t, "AS-C07", func(f *studio) {
		if err := update(f, deleting(streaming.FleetAttributeVpcConfiguration)); err != nil {
			f.t.Fatal(err)
		}
		f.startFleet(fleet)
		f.wantGroups("a fleet without VpcConfig", f.enis(fleet), 0)
		v := f.watch(stack, fleet, "bob")
		p := &guest{id: v.instance, ip: v.instance}
		f.s.Made(p.id)
		p.enter(f.t)
		check(f.t, "no customer interface", dropped(connects(p, "tcp", server.ip, 27000)))
		v.flows(f.t, "without a customer interface")
		if routes := f.inside(p, "ip", "route"); strings.Contains(routes, "default") {
			f.t.Errorf("it has a default route: %s", routes)
		}
		v.close()
		f.stopFleet(fleet)
		if err := update(f, &appstream.UpdateFleetInput{VpcConfig: &streaming.VpcConfig{SubnetIds: []string{f.r1}, SecurityGroupIds: []string{g1}}}); err != nil {
			f.t.Fatal(err)
		}
	})
	f.row(t, "AS-C03", func(f *studio) {
		many := f.asked("slow", g1)
		many.ComputeCapacity.DesiredInstances = aws.Int32(12)
		slow := f.create(many)
		if _, err := f.as.StartFleet(f.t.Context(), &appstream.StartFleetInput{Name: &slow}); err != nil {
			f.t.Fatal(err)
		}
		err := f.setGroups(slow, g2)
		if f.fleet(slow).State == streaming.FleetStateStarting {
			rig.WantCode(f.t, "groups of a fleet that starts", err, notAllowed)
		}
		f.awaitFleetStarted(slow)
		f.wantGroups(slow, f.enis(slow), 12, g1)
		if _, err := f.as.StopFleet(f.t.Context(), &appstream.StopFleetInput{Name: &slow}); err != nil {
			f.t.Fatal(err)
		}
		err = f.setGroups(slow, g2)
		if f.fleet(slow).State == streaming.FleetStateStopping {
			rig.WantCode(f.t, "groups of a fleet that stops", err, notAllowed)
		}
		f.awaitFleetStopped(slow)
	})
	f.row(t, "AS-C12", func(f *studio) {
		name := f.running(f.elastic("elastic", g1))
		_, err := f.as.UpdateFleet(f.t.Context(), &appstream.UpdateFleetInput{Name: &name, MaxConcurrentSessions: aws.Int32(3)})
		if err != nil || *f.fleet(name).MaxConcurrentSessions != 3 {
			f.t.Errorf("sessions of a running elastic fleet: %v", err)
		}
		rig.WantCode(f.t, "groups of a running elastic fleet", f.setGroups(name, g2), inUse)
		f.stopFleet(name)
	})
	f.row(t, "AS-C15 AS-C17", func(f *studio) {
		name := f.builder("builder", g1)
		i := f.interfacesOf("image-builder", name)[0]
		_, err := f.api.ModifyNetworkInterfaceAttribute(f.t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: i.NetworkInterfaceId, Groups: []string{g2}})
		rig.WantCode(f.t, "groups of an image builder's interface", err, "OperationNotPermitted")
		f.wantGroups(name, f.interfacesOf("image-builder", name), 1, g1)
		p := f.instances("image-builder", name, 1)[0]
		check(f.t, "before the rule", dropped(connects(p, "tcp", server.ip, 27000)))
		if _, err := f.as.StopImageBuilder(f.t.Context(), &appstream.StopImageBuilderInput{Name: &name}); err != nil {
			f.t.Fatal(err)
		}
		f.awaitBuilder(name, streaming.ImageBuilderStateStopped)
		f.allowEgress(g1, permission("tcp", 27000, 27000, srv))
		if _, err := f.as.StartImageBuilder(f.t.Context(), &appstream.StartImageBuilderInput{Name: &name}); err != nil {
			f.t.Fatal(err)
		}
		f.awaitBuilder(name, streaming.ImageBuilderStateRunning)
		if now := f.interfacesOf("image-builder", name)[0]; *now.NetworkInterfaceId != *i.NetworkInterfaceId || *now.PrivateIpAddress != *i.PrivateIpAddress {
			f.t.Errorf("after a restart the builder has %s %s, before %s %s", *now.NetworkInterfaceId, *now.PrivateIpAddress, *i.NetworkInterfaceId, *i.PrivateIpAddress)
		}
		p = f.instances("image-builder", name, 1)[0]
		check(f.t, "a rule that came while it was stopped", connects(p, "tcp", server.ip, 27000))
	})
	f.row(t, "AS-C18", func(f *studio) {
		// That FleetType is ignored is tried in test/clients: the SDK cannot send it.
		missing := fleet + "-other"
		_, err := f.as.UpdateFleet(f.t.Context(), &appstream.UpdateFleetInput{Name: &missing, DisplayName: aws.String("x")})
		rig.WantCode(f.t, "an update under another name", err, notFound)
	})
}

// TestUpdateRacesWithStart is case C19.
func TestUpdateRacesWithStart(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "race")
	groups := []string{f.bare("g1"), f.bare("g2")}
	in := f.asked("F", groups[0])
	in.ComputeCapacity.DesiredInstances = aws.Int32(2)
	fleet := f.create(in)
	f.row(t, "AS-C19", func(f *studio) {
		for n := range 100 {
			var race sync.WaitGroup
			var updated error
			race.Go(func() {
				if _, err := f.as.StartFleet(f.t.Context(), &appstream.StartFleetInput{Name: &fleet}); err != nil {
					f.t.Errorf("start %d: %v", n, err)
				}
			})
			race.Go(func() { updated = f.setGroups(fleet, groups[(n+1)%2]) })
			race.Wait()
			switch rig.Code(updated) {
			case "", notAllowed, inUse, "ConcurrentModificationException":
			default:
				f.t.Fatalf("update %d: %v", n, updated)
			}
			eventually(f.t, "both instances have interfaces", func() bool { return len(f.enis(fleet)) == 2 })
			shown := f.fleet(fleet).VpcConfig.SecurityGroupIds
			f.wantGroups(fleet, f.enis(fleet), 2, shown...)
			f.stopFleet(fleet)
		}
	})
}
