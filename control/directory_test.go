// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const corp = "corp.example.com"

// newJoiningFleet is a fleet whose instances join a directory.
func newJoiningFleet(t *testing.T, block string, instances int32) *fleets {
	t.Helper()
	f := newFleets(t, block, FleetChange{Instances: &instances})
	_, err := f.UpdateFleet(t.Context(), f.Caller, "F", FleetChange{Directory: &secgroup.Directory{Name: corp}})
	refused(t, err, "ResourceNotFoundException: The directory config "+corp+" for account "+f.Account+" does not exist.")
	_, err = f.CreateDirectory(t.Context(), f.Caller, corp, DirectoryChange{Units: []string{"OU=x"}})
	f.must(err)
	_, err = f.UpdateFleet(t.Context(), f.Caller, "F", FleetChange{Directory: &secgroup.Directory{Name: corp}})
	f.must(err)
	f.must(f.StartFleet(t.Context(), f.Caller, "F"))
	f.settle()
	return f
}

// say is what the fleet's instances that join report.
func (f *fleets) say(trouble string) {
	f.t.Helper()
	for _, in := range streamingOf(f.Read(), f.Scope, secgroup.FleetKind, "F") {
		if joining(in) {
			f.must(f.ReportJoin(f.t.Context(), in.ID, trouble))
		}
	}
	f.settle()
}

// AS-D15
func TestInstancesAreThereWhenTheyHaveJoined(t *testing.T) {
	f := newJoiningFleet(t, "10.0.0.0/24", 2)
	f.host(nil)
	f.settle()
	f.want(secgroup.FleetStarting, 2)
	if c := CapacityOf(f.Read(), f.fleet()); c.Running != 0 || c.Available != 0 {
		t.Errorf("before they have joined there are %+v", c)
	}
	f.say("")
	f.want(secgroup.FleetRunning, 2)
	for _, in := range streamingOf(f.Read(), f.Scope, secgroup.FleetKind, "F") {
		f.must(f.ReportJoin(t.Context(), in.ID, "late")) // a program that began again
	}
	f.must(f.ReportJoin(t.Context(), "i-0", "of nobody"))
	f.settle()
	f.want(secgroup.FleetRunning, 2)
	refused(t, f.DeleteDirectory(t.Context(), f.Caller, corp), "ResourceInUseException: The directory config "+corp+" is used by fleet F.")
}

// AS-D15
func TestAFleetThatReachesNoControllerStops(t *testing.T) {
	f := newJoiningFleet(t, "10.0.0.0/24", 2)
	f.host(nil)
	f.settle()
	f.say("controller 10.0.0.9: no answer")
	f.want(secgroup.FleetStopped, 0, noSuchDomain)
	if got, want := f.fleet().Errors[0].Message, "An instance could not join the directory "+corp+": controller 10.0.0.9: no answer. Check the VPC, the subnets and the security groups."; got != want {
		t.Errorf("the fleet says %q, want %q", got, want)
	}
	f.host(nil)
	f.settle()
	if left := streamingOf(f.Read(), f.Scope, secgroup.FleetKind, "F"); len(left) != 0 {
		t.Errorf("%d instances are left", len(left))
	}
	f.must(f.StartFleet(t.Context(), f.Caller, "F"))
	f.settle()
	f.want(secgroup.FleetStarting, 2)
	f.host(nil)
	f.say("")
	f.want(secgroup.FleetRunning, 2)
}

// TestAFleetKeepsWhoHasJoined: one of two instances reaches a controller.
func TestAFleetKeepsWhoHasJoined(t *testing.T) {
	f := newJoiningFleet(t, "10.0.0.0/24", 2)
	f.host(nil)
	all := streamingOf(f.Read(), f.Scope, secgroup.FleetKind, "F")
	f.must(f.ReportJoin(t.Context(), all[0].ID, ""))
	f.must(f.ReportJoin(t.Context(), all[1].ID, "no answer"))
	f.settle()
	f.want(secgroup.FleetRunning, 1, noSuchDomain)
	f.host(nil)
	f.clock.Advance(retryJoining + time.Second)
	f.settle()
	f.want(secgroup.FleetRunning, 2)
	f.host(nil)
	f.say("")
	f.want(secgroup.FleetRunning, 2)
}

func TestAnInstanceThatSaysNothing(t *testing.T) {
	f := newJoiningFleet(t, "10.0.0.0/24", 1)
	f.host(nil)
	f.clock.Advance(joinDeadline)
	f.settle()
	f.want(secgroup.FleetStarting, 1)
	f.clock.Advance(time.Second)
	f.settle()
	f.want(secgroup.FleetStopped, 0, joinUnheard)
}

// TestABuilderJoinsWheneverItStarts: the report of one start is none of the next.
func TestABuilderJoinsWheneverItStarts(t *testing.T) {
	f := newJoiningFleet(t, "10.0.0.0/24", 0)
	ctx := t.Context()
	b, err := f.CreateBuilder(ctx, f.Caller, secgroup.ImageBuilderKind, "B", BuilderChange{
		InstanceType: new("stream.standard.medium"), ImageName: new(baseImages[0].Name),
		VPC: &StreamingVPC{Subnets: []string{f.net.subnet.ID}}, Directory: &secgroup.Directory{Name: corp},
	})
	f.must(err)
	builder := func(want secgroup.BuilderState) *secgroup.Builder {
		t.Helper()
		f.settle()
		got := f.Read().Builders.Get(model.BuilderID(b.Scope, b.Kind, b.Name))
		if got.State != want {
			t.Fatalf("the builder is %s, want %s", got.State, want)
		}
		return got
	}
	builder(secgroup.BuilderPending)
	f.host(nil)
	in := BuilderInstance(f.Read(), builder(secgroup.BuilderPending))
	f.must(f.ReportJoin(ctx, in.ID, ""))
	builder(secgroup.BuilderRunning)
	_, err = f.StopBuilder(ctx, f.Caller, b.Kind, b.Name)
	f.must(err)
	f.settle()
	f.host(nil)
	builder(secgroup.BuilderStopped)
	_, err = f.StartBuilder(ctx, f.Caller, b.Kind, b.Name)
	f.must(err)
	f.settle()
	f.host(nil)
	builder(secgroup.BuilderPending)
	f.must(f.ReportJoin(ctx, in.ID, "no answer"))
	if got := builder(secgroup.BuilderFailed); len(got.Errors) != 1 || got.Errors[0].Code != noSuchDomain {
		t.Errorf("the builder's errors are %+v", got.Errors)
	}
	refused(t, f.DeleteDirectory(ctx, f.Caller, corp), "ResourceInUseException: The directory config "+corp+" is used by fleet F.")
}

func TestDirectoryConfigs(t *testing.T) {
	f := newNetworks(t, Config{})
	ctx := t.Context()
	const password = "correct horse battery"
	made, err := f.CreateDirectory(ctx, f.Caller, corp, DirectoryChange{Units: []string{"OU=x"}, Joiner: new(`CORP\join`), Password: new(password)})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(f.Read().DirectoryConfigs.Get(model.StreamingName(f.Scope, corp)))
	if err != nil || bytes.Contains(stored, []byte(password)) || len(made.Sealed) == 0 {
		t.Errorf("%s is stored, %v", stored, err)
	}
	if plain, err := f.seal.Open(directoryPurpose+model.StreamingName(f.Scope, corp), made.Sealed); err != nil || string(plain) != password {
		t.Errorf("what is sealed opens as %q, %v", plain, err)
	}
	_, err = f.CreateDirectory(ctx, f.Caller, corp, DirectoryChange{})
	refused(t, err, "ResourceAlreadyExistsException: The directory config "+corp+" already exists.")
	changed, err := f.UpdateDirectory(ctx, f.Caller, corp, DirectoryChange{Units: []string{"OU=y"}})
	if err != nil || changed.Units[0] != "OU=y" || changed.Joiner != `CORP\join` || !bytes.Equal(changed.Sealed, made.Sealed) {
		t.Errorf("%+v, %v", changed, err)
	}
	none := "ResourceNotFoundException: The directory config other.org for account " + f.Account + " does not exist."
	_, err = f.UpdateDirectory(ctx, f.Caller, "other.org", DirectoryChange{})
	refused(t, err, none)
	_, err = Directories(f.Read(), f.Scope, corp, "other.org")
	refused(t, err, none)
	refused(t, f.DeleteDirectory(ctx, f.Caller, "other.org"), none)
	if err := f.DeleteDirectory(ctx, f.Caller, corp); err != nil {
		t.Error(err)
	}
	if left, err := Directories(f.Read(), f.Scope); len(left) != 0 || err != nil {
		t.Errorf("%+v, %v", left, err)
	}
}
