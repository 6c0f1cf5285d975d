// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
)

// rig is an agent between a strict kernel and a fake driver.
type rig struct {
	*Agent
	t       *testing.T
	kernel  *strictKernel
	driver  *fakeDriver
	reports chan reported // capacity 100: none is ever lost
	stop    func()        // ends Run and waits for its workers; Apply goes on working
}

func newRig(t *testing.T, kernel *strictKernel, driver *fakeDriver) *rig {
	t.Helper()
	r := &rig{t: t, kernel: kernel, driver: driver, reports: make(chan reported, 100)}
	var err error
	r.Agent, err = New(Config{
		Datapath: kernel, Driver: driver, Log: slog.New(slog.DiscardHandler), Devices: driver.devices,
		Report: func(_ context.Context, id string, s secgroup.InstanceState, detail string) error {
			r.reports <- reported{id, s, detail}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

func (r *rig) report() reported {
	r.t.Helper()
	select {
	case got := <-r.reports:
		return got
	case <-time.After(10 * time.Second):
		r.t.Fatal("the agent reports nothing")
		return reported{}
	}
}

// until waits for something that the agent's workers do.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		done := holds()
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			r.t.Fatal("never: ", what)
		}
	}
}

// judgedBy returns the rules that judge an interface.
func (r *rig) judgedBy(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kernel.rules(id)
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// worldOfOne is everything about one instance with one interface in group sg-1.
func worldOfOne(revision int64, state secgroup.InstanceState, rules ...policy.Rule) *feed.Delta {
	key := feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.4")}
	return &feed.Delta{
		Revision:   revision,
		Instances:  map[string]*feed.Instance{"i-1": {ID: "i-1", State: state, Interfaces: []string{"eni-1"}}},
		Interfaces: map[string]*feed.Interface{"eni-1": iface("sg-1")},
		Groups:     map[string]*feed.Group{"sg-1": {ID: "sg-1", Rules: policy.Source{rules}}},
		Addresses:  map[feed.AddressKey]*feed.Address{key: {Interface: "eni-1", Local: true}},
	}
}

func iface(groups ...string) *feed.Interface {
	return &feed.Interface{
		ID: "eni-1", VPC: "vpc-1", Instance: "i-1", MAC: "02:00:00:00:00:01",
		Addresses: []netip.Prefix{prefix("10.0.0.4/24")}, Groups: groups, TrackedFlows: 1000,
	}
}

func rule(id string) policy.Rule {
	return policy.Rule{ID: id, Protocol: 6, From: 80, To: 80, Peer: policy.Peer{Prefix: prefix("0.0.0.0/0")}}
}

func rulesOnly(revision int64, rules ...policy.Rule) *feed.Delta {
	return &feed.Delta{Revision: revision, Groups: map[string]*feed.Group{"sg-1": {ID: "sg-1", Rules: policy.Source{rules}}}}
}

func TestALaunchIsEnforcedBeforeItIsReported(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
	if got := r.report(); got != (reported{"i-1", secgroup.Running, ""}) {
		t.Errorf("reported %+v", got)
	}
	if got := r.judgedBy("eni-1"); got != "[sgr-1]" {
		t.Errorf("judged by %s when reported", got)
	}
	if a := r.kernel.addresses[feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.4")}]; a.Interface != "eni-1" {
		t.Errorf("its address leads to %q", a.Interface)
	}
	if err := r.Await(t.Context(), 5); err != nil {
		t.Error(err)
	}
}

// The allowance of an instance follows what an operator sets while it runs.
func TestAnAllowanceThatChangesReachesTheKernel(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(worldOfOne(5, secgroup.Running, rule("sgr-1")))
	r.until("attached", func() bool { return r.kernel.allowances["eni-1"] == 1000 })
	more := iface("sg-1")
	more.TrackedFlows = 2000
	r.Apply(&feed.Delta{Revision: 6, Interfaces: map[string]*feed.Interface{"eni-1": more}})
	r.until("raised", func() bool { return r.kernel.allowances["eni-1"] == 2000 })
}

func TestARuleChangeSwitchesAndLeavesNothing(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
	r.report()
	r.Apply(rulesOnly(6, rule("sgr-1"), rule("sgr-2")))
	if got := r.judgedBy("eni-1"); got != "[sgr-1 sgr-2]" {
		t.Errorf("judged by %s", got)
	}
	r.Apply(&feed.Delta{Revision: 7, Interfaces: map[string]*feed.Interface{"eni-1": iface("sg-0", "sg-1")}})
	if len(r.kernel.policies) != 1 || r.judgedBy("eni-1") != "[sgr-1 sgr-2]" {
		t.Errorf("after a change of groups %d policies, judged by %s", len(r.kernel.policies), r.judgedBy("eni-1"))
	}
	r.Apply(&feed.Delta{Revision: 8, Groups: map[string]*feed.Group{"sg-1": nil}})
	if got := r.judgedBy("eni-1"); got != "[]" {
		t.Errorf("a group that is gone still admits by %s", got)
	}
}

// TestASwapOfGroupsIsOneStep moves an interface to another group in the same
// delta that forgets its old one: nothing but the rules of before and after may
// ever judge it (docs/spec/packet-semantics.md section 1.10, case L03).
func TestASwapOfGroupsIsOneStep(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
	r.report()
	r.Apply(&feed.Delta{
		Revision:   6,
		Interfaces: map[string]*feed.Interface{"eni-1": iface("sg-2")},
		Groups:     map[string]*feed.Group{"sg-1": nil, "sg-2": {ID: "sg-2", Rules: policy.Source{{rule("sgr-2")}}}},
	})
	if got := fmt.Sprint(r.kernel.judged); got != "[[sgr-1] [sgr-2]]" {
		t.Errorf("judged by %s one after the other, want [[sgr-1] [sgr-2]]", got)
	}
	if len(r.kernel.policies) != 1 {
		t.Errorf("%d policies are left, want 1", len(r.kernel.policies))
	}
}

// TestMembersAndRulesTradePlaces puts into one delta what moves a peer to another
// group and the rule with it: whatever the agent does in between, the peer gets
// through what is open before and after, and nothing else.
func TestMembersAndRulesTradePlaces(t *testing.T) {
	fromGroup := func(id, group string) policy.Rule {
		return policy.Rule{ID: id, Protocol: 6, From: 80, To: 80, Peer: policy.Peer{Group: group}}
	}
	peer := feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.9")}
	delta := func(revision int64, open, shut, member string) *feed.Delta {
		d := worldOfOne(revision, secgroup.Pending, fromGroup("open", open), fromGroup("shut", shut))
		d.Addresses[peer] = &feed.Address{Interface: "eni-far", Groups: []string{member}}
		return d
	}
	for _, restarted := range []bool{false, true} {
		kernel, driver := newStrictKernel(t), newFakeDriver()
		r := newRig(t, kernel, driver)
		r.Apply(delta(5, "sg-a", "sg-b", "sg-a"))
		r.report()
		r.stop()
		if restarted {
			r = newRig(t, kernel, driver)
			r.stop()
		}
		steps := 0
		kernel.step = func() {
			steps++
			p := kernel.interfaces["eni-1"].Policy
			var through []string
			for _, group := range []string{"sg-a", "sg-b"} {
				for _, rule := range kernel.policies[p].Tables[0].GroupRow(0, []string{group}) {
					if rule.Rule != policy.NoRule && kernel.member(peer, p, group) {
						through = append(through, kernel.policies[p].Tables[0].Rules[rule.Rule])
					}
				}
			}
			if fmt.Sprint(through) != "[open]" {
				t.Errorf("restarted %v, step %d: the peer gets through by %v, want [open] alone", restarted, steps, through)
			}
		}
		r.Apply(delta(6, "sg-b", "sg-a", "sg-b"))
		if steps < 2 {
			t.Errorf("%d steps: the rules and the peer have changed", steps)
		}
		if len(kernel.turning) != 0 {
			t.Errorf("restarted %v: left half way: %v", restarted, kernel.turning)
		}
	}
}

func TestAFullKernelKeepsWhatIsInForce(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
	r.report()
	r.mu.Lock()
	r.kernel.full = errors.New("no room for steps")
	r.mu.Unlock()
	r.Apply(rulesOnly(6, rule("sgr-2")))
	if got := r.judgedBy("eni-1"); got != "[sgr-1]" {
		t.Errorf("judged by %s, want the old rules", got)
	}
	s := r.Status()
	if len(s.Faults) != 1 || s.Interfaces[0].Enforced || !strings.Contains(s.Faults[0].Error, "no room") {
		t.Errorf("status does not say so: %+v", s)
	}
	r.mu.Lock()
	r.kernel.full = nil
	r.retry()
	r.mu.Unlock()
	if got := r.judgedBy("eni-1"); got != "[sgr-2]" || len(r.Status().Faults) != 0 {
		t.Errorf("after there is room: judged by %s, faults %v", got, r.Status().Faults)
	}
}

func TestARestartAdoptsAndRemovesLeftovers(t *testing.T) {
	kernel, driver := newStrictKernel(t), newFakeDriver()
	first := newRig(t, kernel, driver)
	first.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
	first.report()
	first.stop()
	old := *kernel.interfaces["eni-1"]
	old.ID = "eni-old"
	kernel.interfaces[old.ID] = &old
	stale := feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.99")}
	kernel.addresses[stale] = kernel.addresses[feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.4")}]
	a := kernel.addresses[stale]
	a.Addr = stale.Addr
	kernel.addresses[stale] = a
	driver.mu.Lock()
	driver.up["i-old"] = nil
	driver.mu.Unlock()

	second := newRig(t, kernel, driver)
	if got := second.judgedBy("eni-1"); got != "[sgr-1]" {
		t.Errorf("before the first delta judged by %s, want what was in force", got)
	}
	second.Apply(worldOfOne(9, secgroup.Running, rule("sgr-2")))
	if got := second.judgedBy("eni-1"); got != "[sgr-2]" {
		t.Errorf("after the first delta judged by %s", got)
	}
	second.mu.Lock()
	_, there := kernel.addresses[stale]
	second.mu.Unlock()
	if there {
		t.Error("an address that nobody has is still known")
	}
	second.until("the interface that nobody wants is gone", func() bool { return kernel.interfaces["eni-old"] == nil })
	gone := func() bool { // not under the agent's lock, which Ensure takes under the driver's
		driver.mu.Lock()
		defer driver.mu.Unlock()
		_, there := driver.up["i-old"]
		return !there
	}
	for deadline := time.After(10 * time.Second); !gone(); {
		select {
		case <-driver.changed:
		case <-deadline:
			t.Fatal("the instance that nobody wants is still there")
		}
	}
}

func TestWhatCannotBeLaunchedIsTerminatedWithTheReason(t *testing.T) {
	driver := newFakeDriver()
	driver.broken = errors.New("no namespaces left")
	r := newRig(t, newStrictKernel(t), driver)
	r.Apply(worldOfOne(5, secgroup.Pending))
	got := r.report()
	if got.state != secgroup.Terminated || got.detail != "no namespaces left" {
		t.Errorf("reported %+v", got)
	}
}

func TestALaunchThatIsTerminatedMeanwhileIsNoFailure(t *testing.T) {
	driver := newFakeDriver()
	r := newRig(t, newStrictKernel(t), driver)
	driver.ensuring = func() {
		driver.broken = errors.New("the interface is no longer wanted")
		r.Apply(&feed.Delta{
			Revision:   6,
			Instances:  map[string]*feed.Instance{"i-1": {ID: "i-1", State: secgroup.ShuttingDown}},
			Interfaces: map[string]*feed.Interface{"eni-1": nil},
		})
	}
	r.Apply(worldOfOne(5, secgroup.Pending))
	if got := r.report(); got != (reported{"i-1", secgroup.Terminated, ""}) {
		t.Errorf("reported %+v; want it terminated as the caller asked, without a reason", got)
	}
	if faults := r.Status().Faults; len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

func TestAnAddressThatIsGoneAlreadyIsNoFault(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(&feed.Delta{Revision: 5, Addresses: map[feed.AddressKey]*feed.Address{
		{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.9")}: nil,
	}})
	if faults := r.Status().Faults; len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

// TestAnAddressMovesInOneDelta moves an address to and fro between two attached
// interfaces: the one that has it gives it up before the other takes it.
func TestAnAddressMovesInOneDelta(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	moving := feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.9")}
	two := func(owner string, revision int64) *feed.Delta {
		d := &feed.Delta{
			Revision: revision, Interfaces: map[string]*feed.Interface{},
			Addresses: map[feed.AddressKey]*feed.Address{moving: {Interface: owner, Local: true}},
		}
		for n, id := range []string{"eni-1", "eni-2"} {
			i := iface("sg-1")
			i.ID, i.DeviceIndex, i.Addresses = id, n, []netip.Prefix{prefix([]string{"10.0.0.4/24", "10.0.0.5/24"}[n])}
			if id == owner {
				i.Addresses = append(i.Addresses, prefix("10.0.0.9/24"))
			}
			d.Interfaces[id] = i
		}
		return d
	}
	launch := two("eni-1", 5)
	launch.Instances = map[string]*feed.Instance{"i-1": {ID: "i-1", State: secgroup.Pending, Interfaces: []string{"eni-1", "eni-2"}}}
	r.Apply(launch)
	r.report()
	for n := range int64(20) {
		owner := []string{"eni-2", "eni-1"}[n%2]
		r.Apply(two(owner, 6+n))
		if faults := r.Status().Faults; len(faults) > 0 {
			t.Fatalf("after %d moves: faults %v", n, faults)
		}
		r.mu.Lock()
		got, told := r.kernel.owners[moving], r.kernel.addresses[moving].Interface
		r.mu.Unlock()
		if got != owner || told != owner {
			t.Fatalf("%s has the address and %q was told, want %s", got, told, owner)
		}
	}
}

func TestStoppingAndTerminating(t *testing.T) {
	for _, tt := range []struct{ state, want secgroup.InstanceState }{
		{secgroup.Stopping, secgroup.Stopped}, {secgroup.ShuttingDown, secgroup.Terminated},
	} {
		t.Run(string(tt.state), func(t *testing.T) {
			r := newRig(t, newStrictKernel(t), newFakeDriver())
			r.Apply(worldOfOne(5, secgroup.Pending, rule("sgr-1")))
			r.report()
			var during string
			r.driver.destroying = func() { during = r.judgedBy("eni-1") }
			r.Apply(&feed.Delta{
				Revision:   6,
				Instances:  map[string]*feed.Instance{"i-1": {ID: "i-1", State: tt.state, Interfaces: []string{"eni-1"}}},
				Interfaces: map[string]*feed.Interface{"eni-1": nil},
			})
			got := r.report()
			if got.state == secgroup.Running {
				got = r.report() // it was looked at twice before
			}
			if got != (reported{"i-1", tt.want, ""}) {
				t.Errorf("reported %+v", got)
			}
			if during != "closed" {
				t.Errorf("while the instance went its interface was judged by %s; want it closed, with the programs on it", during)
			}
			r.until("nothing is in force", func() bool { return len(r.kernel.interfaces)+len(r.kernel.policies) == 0 })
			r.driver.mu.Lock()
			defer r.driver.mu.Unlock()
			if len(r.driver.up) != 0 {
				t.Errorf("the instance is still there: %v", r.driver.up)
			}
		})
	}
}
