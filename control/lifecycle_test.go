// SPDX-License-Identifier: Apache-2.0

package control

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func TestLifeOfAnInstance(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	in := f.run(launchIn(n.subnet.ID))[0]
	before := Attached(f.Read(), in.ID)[0]
	type operation func(ids ...string) ([]StateChange, error)
	start := func(ids ...string) ([]StateChange, error) { return f.StartInstances(t.Context(), alice, ids...) }
	stop := func(ids ...string) ([]StateChange, error) { return f.StopInstances(t.Context(), alice, ids...) }
	terminate := func(ids ...string) ([]StateChange, error) { return f.TerminateInstances(t.Context(), alice, ids...) }
	change := func(op operation, previous, current secgroup.InstanceState) {
		t.Helper()
		f.clock.Advance(time.Second)
		got, err := op(in.ID, in.ID)
		if err != nil || len(got) != 1 || got[0] != (StateChange{in.ID, previous, current}) {
			t.Errorf("%v, %v; want %s to %s", got, err, previous, current)
		}
	}
	report := func(observed, want secgroup.InstanceState) {
		t.Helper()
		if got := f.report(in.ID, observed, ""); got != want {
			t.Errorf("reported %s: %s, want %s", observed, got, want)
		}
	}
	const cannotStart = "IncorrectInstanceState: The instance '%s' is not in a state from which it can be started."
	const cannotStop = "IncorrectInstanceState: This instance '%s' is not in a state from which it can be stopped."
	refuse := func(op operation, format string) {
		t.Helper()
		_, err := op(in.ID)
		refused(t, err, secgroup.Errorf("", format, in.ID).Message)
	}

	refuse(stop, cannotStop)
	change(start, secgroup.Pending, secgroup.Pending)
	report(secgroup.Stopped, secgroup.Pending)
	report(secgroup.Running, secgroup.Running)
	report(secgroup.Terminated, secgroup.Running)
	change(start, secgroup.Running, secgroup.Running)
	change(stop, secgroup.Running, secgroup.Stopping)
	change(stop, secgroup.Stopping, secgroup.Stopping)
	refuse(start, cannotStart)
	report(secgroup.Running, secgroup.Stopping)
	report(secgroup.Stopped, secgroup.Stopped)
	change(stop, secgroup.Stopped, secgroup.Stopped)
	if got := f.Read().Instances.Get(in.ID); got.Reason != userInitiated || got.ReasonAt.IsZero() {
		t.Errorf("stopped because of %q at %s", got.Reason, got.ReasonAt)
	}
	change(start, secgroup.Stopped, secgroup.Pending)
	got := f.Read().Instances.Get(in.ID)
	if got.Boots != 2 || !got.Launched.Equal(f.clock.Now()) || !got.Created.Equal(testNow) || got.Reason != "" {
		t.Errorf("started again: %+v", got)
	}
	if d := cmp.Diff(before, Attached(f.Read(), in.ID)[0], sameAddress); d != "" {
		t.Errorf("the interface changed: %s", d)
	}
	report(secgroup.Running, secgroup.Running)
	change(terminate, secgroup.Running, secgroup.ShuttingDown)
	if f.Read().Interfaces.Len() != 0 || f.Read().Interfaces.Has(model.ByGroup, n.vpc.DefaultGroup) {
		t.Error("the interface is not gone at once")
	}
	change(terminate, secgroup.ShuttingDown, secgroup.ShuttingDown)
	refuse(start, cannotStart)
	refuse(stop, cannotStop)
	report(secgroup.Running, secgroup.ShuttingDown)
	report(secgroup.Terminated, secgroup.Terminated)
	if got := f.Read().Instances.Get(in.ID); got.VPC != "" || got.Subnet != "" || !got.TerminatedAt.Equal(f.clock.Now()) {
		t.Errorf("terminated: %+v", got)
	}
	change(terminate, secgroup.Terminated, secgroup.Terminated)
	refuse(start, cannotStart)

	f.clock.Advance(59 * time.Minute)
	if err := f.PurgeTerminated(t.Context()); err != nil || f.Read().Instances.Len() != 1 {
		t.Errorf("gone after less than an hour, %v", err)
	}
	f.clock.Advance(time.Minute)
	if err := f.PurgeTerminated(t.Context()); err != nil || f.Read().Instances.Len() != 0 {
		t.Errorf("still there after an hour, %v", err)
	}
	if err := f.ReportInstance(t.Context(), f.host, in.ID, secgroup.Running, ""); err == nil {
		t.Error("a report of an unknown instance was taken")
	}
}

// API-I10
func TestTerminationReleasesInterfaces(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	groups := f.groups(n.vpc.ID, 2)
	l := launchIn(n.subnet.ID, groups[0])
	l.Interfaces = append(l.Interfaces, LaunchInterface{
		InterfaceSpec: InterfaceSpec{Subnet: n.subnet.ID, Groups: groups[1:]}, DeviceIndex: 1, Keep: true,
	})
	in := f.run(l)[0]
	kept := Attached(f.Read(), in.ID)[1]
	if _, err := f.DeleteSecurityGroup(t.Context(), f.Caller, GroupRef{ID: groups[0]}); err == nil {
		t.Error("a group in use was deleted")
	}
	if _, err := f.TerminateInstances(t.Context(), f.Caller, in.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DeleteSecurityGroup(t.Context(), f.Caller, GroupRef{ID: groups[0]}); err != nil {
		t.Errorf("the group of the interface that went: %v", err)
	}
	if _, err := f.DeleteSecurityGroup(t.Context(), f.Caller, GroupRef{ID: groups[1]}); err == nil {
		t.Error("the group of the interface that stayed was deleted")
	}
	if i := f.Read().Interfaces.Get(kept.ID); i == nil || i.Attachment != nil || f.Read().Interfaces.Len() != 1 {
		t.Errorf("kept interface: %+v", i)
	}
}

func TestAnInstanceThatCannotBeMade(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	in := f.run(launchIn(n.subnet.ID))[0]
	if got := f.report(in.ID, secgroup.Terminated, "no space"); got != secgroup.Terminated {
		t.Errorf("first boot: %s", got)
	}
	if got := f.Read().Instances.Get(in.ID); got.Reason != "Server.InternalError: no space" || f.Read().Interfaces.Len() != 0 {
		t.Errorf("%q, %d interfaces", got.Reason, f.Read().Interfaces.Len())
	}
	in = f.run(launchIn(n.subnet.ID))[0]
	f.report(in.ID, secgroup.Running, "")
	f.StopInstances(t.Context(), f.Caller, in.ID)
	f.report(in.ID, secgroup.Stopped, "")
	f.StartInstances(t.Context(), f.Caller, in.ID)
	if got := f.report(in.ID, secgroup.Terminated, "no space"); got != secgroup.Stopped || f.Read().Interfaces.Len() != 1 {
		t.Errorf("second boot: %s, %d interfaces", got, f.Read().Interfaces.Len())
	}
	if got, err := f.TerminateInstances(t.Context(), f.Caller, in.ID); err != nil || got[0].Current != secgroup.Terminated || f.Read().Interfaces.Len() != 0 {
		t.Errorf("a stopped instance is there no longer than its record: %v, %v", got, err)
	}
}

func TestTransitionsAreAllOrNothing(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	in := f.run(launchIn(n.subnet.ID))[0]
	_, err := f.TerminateInstances(t.Context(), f.Caller, in.ID, "i-00000001", "i-00000002")
	refused(t, err, "InvalidInstanceID.NotFound: The instance IDs 'i-00000001, i-00000002' do not exist")
	_, err = f.StopInstances(t.Context(), f.Caller, "i-00000001")
	refused(t, err, "InvalidInstanceID.NotFound: The instance ID 'i-00000001' does not exist")
	locked := launchIn(n.subnet.ID)
	locked.Options = secgroup.Options{NoStop: true, NoTermination: true}
	other := f.run(locked)[0]
	_, err = f.TerminateInstances(t.Context(), f.Caller, in.ID, other.ID)
	refused(t, err, "OperationNotPermitted: The instance '"+other.ID+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
	f.report(other.ID, secgroup.Running, "")
	_, err = f.StopInstances(t.Context(), f.Caller, other.ID)
	refused(t, err, "OperationNotPermitted: The instance '"+other.ID+"' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.")
	if got := f.Read().Instances.Get(in.ID); got.State != secgroup.Pending {
		t.Errorf("a refused call changed the first instance to %s", got.State)
	}
	bob := Caller{Scope: secgroup.Scope{Account: "444455556666", Region: alice.Region}}
	_, err = f.TerminateInstances(t.Context(), bob, in.ID)
	refused(t, err, "InvalidInstanceID.NotFound: The instance ID '"+in.ID+"' does not exist")
}
