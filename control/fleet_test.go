// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// fleets is a fleet in a network, with a host that a test plays.
type fleets struct {
	*networks
	net    network
	groups []string
}

func newFleets(t *testing.T, block string, c FleetChange) *fleets {
	t.Helper()
	f := &fleets{networks: newNetworks(t, Config{Gateway: func() string { return "127.0.0.1:1" }})}
	f.net = f.network(block, "")
	f.groups = f.networks.groups(f.net.vpc.ID, 2)
	c.InstanceType, c.ImageName, c.Capacity = new("stream.standard.medium"), new(baseImages[0].Name), true
	c.VPC = &StreamingVPC{Subnets: []string{f.net.subnet.ID}, Groups: f.groups[:1]}
	if _, err := f.CreateFleet(t.Context(), f.Caller, "F", c); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fleets) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// settle does what RunFleets does until nothing changes.
func (f *fleets) settle() {
	f.t.Helper()
	for range 20 {
		before := f.Read().Revision
		f.must(f.settleAll(f.t.Context()))
		if f.Read().Revision == before {
			return
		}
	}
	f.t.Fatal("fleets do not settle")
}

// host makes and ends every instance that it is asked to, except those that
// broken names.
func (f *fleets) host(broken func(id string) bool) {
	f.t.Helper()
	for in := range f.Read().Instances.All() {
		switch {
		case in.State == secgroup.Pending && broken != nil && broken(in.ID):
			f.must(f.ReportInstance(f.t.Context(), f.Service.host, in.ID, secgroup.Terminated, "no namespaces left"))
		case in.State == secgroup.Pending:
			f.must(f.ReportInstance(f.t.Context(), f.Service.host, in.ID, secgroup.Running, ""))
		case in.State == secgroup.Stopping:
			f.must(f.ReportInstance(f.t.Context(), f.Service.host, in.ID, secgroup.Stopped, ""))
		case in.State == secgroup.ShuttingDown:
			f.must(f.ReportInstance(f.t.Context(), f.Service.host, in.ID, secgroup.Terminated, ""))
		}
	}
}

func (f *fleets) fleet() *secgroup.Fleet {
	return f.Read().Fleets.Get(model.StreamingName(f.Scope, "F"))
}

// enis returns the customer interfaces of the fleet as "groups".
func (f *fleets) enis() (groups []string) {
	for i := range f.Read().Interfaces.By(model.ByScope, model.ScopeValue(f.Scope)) {
		groups = append(groups, strings.Join(i.Groups, " "))
	}
	return groups
}

// settled checks that fleets and errors are as wanted, with that many interfaces.
func (f *fleets) want(state secgroup.FleetState, interfaces int, codes ...string) {
	f.t.Helper()
	var got []string
	for _, e := range f.fleet().Errors {
		got = append(got, e.Code)
	}
	if f.fleet().State != state || len(f.enis()) != interfaces || !slices.Equal(got, codes) {
		f.t.Errorf("fleet is %s with %d interfaces and errors %q; want %s, %d, %q", f.fleet().State, len(f.enis()), got, state, interfaces, codes)
	}
}

// AS-A01, AS-A08, AS-C02, AS-F01, AS-F03, AS-F04, AS-F09
func TestLifeOfAFleet(t *testing.T) {
	f := newFleets(t, "10.0.0.0/24", FleetChange{Instances: new(int32(2))})
	ctx := t.Context()
	f.settle()
	f.want(secgroup.FleetStopped, 0)
	f.must(f.StartFleet(ctx, f.Caller, "F"))
	f.want(secgroup.FleetStarting, 0)
	refused(t, f.DeleteFleet(ctx, f.Caller, "F"), "ResourceInUseException: Fleet F must be in the STOPPED state.")
	f.settle()
	f.want(secgroup.FleetStarting, 2)
	_, err := f.UpdateFleet(ctx, f.Caller, "F", FleetChange{DisplayName: new("x")})
	refused(t, err, "OperationNotPermittedException: Fleet F cannot be updated while it is STARTING.")
	f.host(nil)
	f.settle()
	f.want(secgroup.FleetRunning, 2)
	if got := f.enis(); got[0] != f.groups[0] || got[1] != f.groups[0] {
		t.Errorf("interfaces have groups %q", got)
	}
	_, err = f.DeleteSecurityGroup(ctx, f.Caller, GroupRef{ID: f.groups[0]})
	refused(t, err, "DependencyViolation: resource "+f.groups[0]+" has a dependent object")
	_, err = f.UpdateFleet(ctx, f.Caller, "F", FleetChange{DisplayName: new("x"), VPC: &StreamingVPC{Groups: f.groups[1:]}})
	refused(t, err, "ResourceInUseException: Cannot update the attribute for fleet F when it is ACTIVE. The fleet must be stopped to complete this action.")
	if f.fleet().Options.DisplayName != nil {
		t.Error("a refused update has changed the display name")
	}
	f.must(f.StopFleet(ctx, f.Caller, "F"))
	f.settle()
	f.want(secgroup.FleetStopping, 2)
	refused(t, f.StartFleet(ctx, f.Caller, "F"), "OperationNotPermittedException: Fleet F must be in the STOPPED state.")
	f.host(nil)
	f.settle()
	f.want(secgroup.FleetStopped, 0)

	_, err = f.DeleteSecurityGroup(ctx, f.Caller, GroupRef{ID: f.groups[0]})
	f.must(err)
	f.must(f.StartFleet(ctx, f.Caller, "F"))
	f.settle()
	f.want(secgroup.FleetStopped, 0, groupsNotFound)
	_, err = f.UpdateFleet(ctx, f.Caller, "F", FleetChange{VPC: &StreamingVPC{Groups: f.groups[1:]}})
	f.must(err)
	f.must(f.StartFleet(ctx, f.Caller, "F"))
	f.settle()
	f.host(nil)
	f.settle()
	f.want(secgroup.FleetRunning, 2)
	f.must(f.StopFleet(ctx, f.Caller, "F"))
	f.host(nil)
	f.settle()
	f.must(f.DeleteFleet(ctx, f.Caller, "F"))
}

// AS-F07
func TestAStartThatCannotGetAllKeepsWhatItCould(t *testing.T) {
	f := newFleets(t, "10.0.0.0/28", FleetChange{Instances: new(int32(14))}) // 11 addresses
	f.must(f.StartFleet(t.Context(), f.Caller, "F"))
	f.settle()
	f.host(nil)
	f.settle()
	f.want(secgroup.FleetRunning, 11, subnetFull)
	_, err := f.UpdateFleet(t.Context(), f.Caller, "F", FleetChange{Capacity: true, Instances: new(int32(3))})
	f.must(err)
	f.settle()
	f.host(nil)
	f.settle()
	f.want(secgroup.FleetRunning, 3)
}

func TestAHostThatMakesNothingStopsTheFleet(t *testing.T) {
	f := newFleets(t, "10.0.0.0/24", FleetChange{Instances: new(int32(2))})
	f.must(f.StartFleet(t.Context(), f.Caller, "F"))
	f.settle()
	customer := func(id string) bool { return CustomerInterface(f.Read(), id) != nil }
	f.host(customer)
	f.settle()
	f.want(secgroup.FleetStopped, 0, instanceUnmade)
	if !strings.Contains(f.fleet().Errors[0].Message, "no namespaces left") {
		t.Errorf("the error does not say why: %s", f.fleet().Errors[0].Message)
	}
}

// opened opens a session as the gateway does.
func (f *fleets) opened(user string) (*secgroup.Stream, error) {
	f.t.Helper()
	u, err := f.CreateStreamingURL(f.t.Context(), f.Scope, "K", "F", user, time.Minute)
	f.must(err)
	_, parameters, _ := strings.Cut(u.URL, "parameters=")
	return f.OpenStream(f.t.Context(), parameters, secgroup.Door{})
}

func (f *fleets) stack() {
	f.t.Helper()
	_, err := f.CreateStack(f.t.Context(), f.Caller, secgroup.Stack{Name: "K"})
	f.must(err)
	f.must(f.AssociateFleet(f.t.Context(), f.Caller, "F", "K"))
}

// AS-F06
func TestAnInstanceIsReplacedAfterItsSession(t *testing.T) {
	f := newFleets(t, "10.0.0.0/24", FleetChange{Instances: new(int32(1))})
	f.stack()
	f.must(f.StartFleet(t.Context(), f.Caller, "F"))
	f.settle()
	f.host(nil)
	f.settle()
	first, err := f.opened("bob")
	f.must(err)
	again, err := f.opened("bob")
	f.must(err)
	if !first.Ready || first.Session != again.Session || !managementBlock.Contains(first.Address) {
		t.Errorf("opened %+v, then %+v", first, again)
	}
	_, err = f.opened("eve")
	refused(t, err, "ResourceNotAvailableException: Fleet F has no capacity for another session now.")
	refused(t, f.DisassociateFleet(t.Context(), f.Caller, "F", "K"), "ResourceInUseException: Stack K has active sessions on fleet F.")
	old := CustomerInterface(f.Read(), first.Instance)
	f.must(f.ExpireSession(t.Context(), f.Caller, first.Session))
	if f.Read().Interfaces.Get(old.ID) != nil {
		t.Error("the interface of a session that is over is still there")
	}
	f.settle()
	f.host(nil)
	f.settle()
	f.want(secgroup.FleetRunning, 1)
	next, err := f.opened("eve")
	f.must(err)
	if next.Instance == first.Instance {
		t.Error("another user gets a used instance")
	}
	over, err := f.ReportStreams(t.Context(), []secgroup.Watched{{Session: first.Session}, {Session: next.Session}}, secgroup.Door{})
	if err != nil || !slices.Equal(over, []string{first.Session}) {
		t.Errorf("over are %v, %v", over, err)
	}
	// Nobody is on the session any more: it ends after the disconnect timeout.
	_, err = f.ReportStreams(t.Context(), nil, secgroup.Door{})
	f.must(err)
	f.clock.Advance(defaultDisconnect)
	f.settle()
	if v := f.Read().StreamingSessions.Get(next.Session); v.State != secgroup.SessionExpired {
		t.Errorf("after the disconnect timeout the session is %s", v.State)
	}
	f.clock.Advance(terminatedLife)
	f.settle()
	if n := f.Read().StreamingSessions.Len(); n != 0 {
		t.Errorf("%d records of sessions stay for ever", n)
	}
}

// TestAnIdleUserIsDisconnected: who does nothing for as long as the fleet says has to
// leave, and the disconnect timeout begins (docs/spec/appstream.md section 7).
func TestAnIdleUserIsDisconnected(t *testing.T) {
	f := newFleets(t, "10.0.0.0/24", FleetChange{Instances: new(int32(1)), Idle: new(int32(120))})
	f.stack()
	f.must(f.StartFleet(t.Context(), f.Caller, "F"))
	f.settle()
	f.host(nil)
	f.settle()
	stream, err := f.opened("bob")
	f.must(err)
	idle := func(since time.Duration, leaves bool) {
		t.Helper()
		leave, err := f.ReportStreams(t.Context(), []secgroup.Watched{{Session: stream.Session, Idle: since}}, secgroup.Door{})
		f.must(err)
		if v := f.Read().StreamingSessions.Get(stream.Session); slices.Contains(leave, stream.Session) != leaves || v.Connected == leaves || v.State != secgroup.SessionActive {
			t.Errorf("idle for %v: %v have to leave, session %+v", since, leave, v)
		}
	}
	idle(119*time.Second, false)
	idle(120*time.Second, true)
	f.clock.Advance(defaultDisconnect - time.Second)
	if again, err := f.opened("bob"); err != nil || again.Session != stream.Session {
		t.Errorf("within the disconnect timeout: %+v, %v", again, err)
	}
	idle(0, false)
	_, err = f.UpdateFleet(t.Context(), f.Caller, "F", FleetChange{Idle: new(int32(0))}) // also while it runs
	f.must(err)
	idle(time.Hour, false)
	_, err = f.UpdateFleet(t.Context(), f.Caller, "F", FleetChange{Idle: new(int32(60))})
	f.must(err)
	idle(time.Hour, true)
	f.clock.Advance(defaultDisconnect)
	f.settle()
	if v := f.Read().StreamingSessions.Get(stream.Session); v.State != secgroup.SessionExpired {
		t.Errorf("after the disconnect timeout the session is %s", v.State)
	}
}

// TestNoFleetLeavesAnything plays calls, sessions, failures of the host and ends
// of the process at random moments: whatever happens, interfaces belong to
// instances, instances to fleets, and a fleet that is stopped has nothing.
func TestNoFleetLeavesAnything(t *testing.T) {
	seed := testrand.Seed(t)
	rnd := testrand.New(seed)
	f := newFleets(t, "10.0.0.0/28", FleetChange{Instances: new(int32(3))})
	f.stack()
	_, err := f.CreateBuilder(t.Context(), f.Caller, secgroup.ImageBuilderKind, "B", BuilderChange{
		InstanceType: new("stream.standard.small"), ImageName: new(baseImages[1].Name), VPC: &StreamingVPC{Subnets: []string{f.net.subnet.ID}},
	})
	f.must(err)
	ctx := t.Context()
	for step := range 400 {
		switch rnd.IntN(12) {
		case 0, 1:
			_ = f.StartFleet(ctx, f.Caller, "F")
		case 2:
			_ = f.StopFleet(ctx, f.Caller, "F")
		case 3:
			_, _ = f.UpdateFleet(ctx, f.Caller, "F", FleetChange{Capacity: true, Instances: new(int32(rnd.IntN(14)))})
		case 4, 5:
			f.host(nil)
		case 6:
			f.host(func(string) bool { return rnd.IntN(3) == 0 })
		case 7, 8:
			f.must(f.settleAll(ctx))
		case 9:
			if f.fleet().State == secgroup.FleetRunning {
				_, _ = f.opened(fmt.Sprint("user", rnd.IntN(5)))
			}
		case 10:
			for v := range f.Read().StreamingSessions.All() {
				f.must(f.ExpireSession(ctx, f.Caller, v.ID))
				break
			}
		case 11:
			_, _ = f.StopBuilder(ctx, f.Caller, secgroup.ImageBuilderKind, "B")
			_, _ = f.StartBuilder(ctx, f.Caller, secgroup.ImageBuilderKind, "B")
			f.clock.Advance(retryStarting)
		}
		f.belongs(t, fmt.Sprintf("seed %d step %d", seed, step))
	}
	f.must(f.StopFleet(ctx, f.Caller, "F"))
	for range 3 {
		f.settle()
		f.host(nil)
	}
	_, _ = f.StopBuilder(ctx, f.Caller, secgroup.ImageBuilderKind, "B")
	f.settle()
	f.host(nil)
	f.settle()
	_, err = f.DeleteBuilder(ctx, f.Caller, secgroup.ImageBuilderKind, "B")
	f.must(err)
	f.settle()
	f.host(nil)
	f.settle()
	if n := f.Read().Interfaces.Len(); f.fleet().State != secgroup.FleetStopped || n != 1 || f.Read().Builders.Len() != 0 {
		t.Errorf("seed %d: at the end the fleet is %s, there are %d interfaces and %d builders; want it stopped, the gateway's one and none", seed, f.fleet().State, n, f.Read().Builders.Len())
	}
}

// belongs checks what must hold in every state.
func (f *fleets) belongs(t *testing.T, when string) {
	t.Helper()
	snap := f.Read()
	for i := range snap.Interfaces.All() {
		if in := snap.Instances.Get(i.Attachment.Instance); in == nil || i.Requester != secgroup.StreamingService {
			t.Fatalf("%s: interface %s of %s belongs to nothing", when, i.ID, i.Account)
		}
	}
	for in := range snap.Instances.All() {
		what := in.Streaming
		there := what.Kind == secgroup.GatewayKind || snap.Fleets.Get(model.StreamingName(what.Owner, what.Name)) != nil ||
			snap.Builders.Get(model.BuilderID(what.Owner, what.Kind, what.Name)) != nil
		if n := len(Attached(snap, in.ID)); !there || in.State != secgroup.ShuttingDown && n != 2 && what.Kind != secgroup.GatewayKind {
			t.Fatalf("%s: instance %s for %s %s is %s and has %d interfaces", when, in.ID, what.Kind, what.Name, in.State, n)
		}
		if fleet := f.fleet(); what.Kind == secgroup.FleetKind && fleet.State == secgroup.FleetStopped && in.State != secgroup.ShuttingDown {
			t.Fatalf("%s: a stopped fleet has instance %s, %s", when, in.ID, in.State)
		}
	}
	for v := range snap.StreamingSessions.All() {
		if v.State != secgroup.SessionExpired && snap.Instances.Get(v.Instance) == nil {
			t.Fatalf("%s: session %s is on nothing", when, v.ID)
		}
	}
}

// Groups, subnets and fleets of others are as if they were not there.
func TestFleetsSeeNothingOfOtherAccounts(t *testing.T) {
	f := newFleets(t, "10.0.0.0/24", FleetChange{Instances: new(int32(1))})
	eve := Caller{Scope: secgroup.Scope{Account: "999988887777", Region: f.Scope.Region}}
	f.must(f.EnsureRegion(t.Context(), eve.Scope))
	ask := FleetChange{
		InstanceType: new("stream.standard.medium"), ImageName: new(baseImages[0].Name), Capacity: true, Instances: new(int32(1)),
		VPC: &StreamingVPC{Subnets: []string{f.net.subnet.ID}},
	}
	_, err := f.CreateFleet(t.Context(), eve, "F", ask)
	refused(t, err, "ResourceNotFoundException: The subnet "+f.net.subnet.ID+" does not exist.")
	own := DefaultVPC(f.Read(), eve.Scope)
	for n := range f.Read().Subnets.By(model.ByVPC, own.ID) {
		ask.VPC = &StreamingVPC{Subnets: []string{n.ID}, Groups: f.groups[:1]}
	}
	_, err = f.CreateFleet(t.Context(), eve, "F", ask)
	refused(t, err, "ResourceNotFoundException: The security group "+f.groups[0]+" does not exist.")
	refused(t, f.StartFleet(t.Context(), eve, "F"), "ResourceNotFoundException: The fleet F for account 999988887777 does not exist.")
	arn := StreamingARN(f.Scope, string(secgroup.FleetKind), "F")
	_, err = StreamingTags(f.Read(), eve.Scope, arn)
	refused(t, err, "ResourceNotFoundException: The resource "+arn+" does not exist.")
}
