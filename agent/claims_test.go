// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/policy"
)

// fakeDevices are devices that somebody else makes.
type fakeDevices struct {
	mu   sync.Mutex
	all  []instance.Device
	news chan instance.Device // what Watch says; unbuffered
}

func (f *fakeDevices) find(what string, is func(instance.Device) bool) (instance.Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.all {
		if is(d) {
			return d, nil
		}
	}
	return instance.Device{}, fmt.Errorf("%w: %s", instance.ErrNoDevice, what)
}

func (f *fakeDevices) Find(name string) (instance.Device, error) {
	return f.find(name, func(d instance.Device) bool { return d.Name == name })
}

func (f *fakeDevices) At(index int) (instance.Device, error) {
	return f.find(fmt.Sprint(index), func(d instance.Device) bool { return d.Index == index })
}

func (f *fakeDevices) Watch(ctx context.Context, changed func(string, int)) error {
	for {
		select {
		case d := <-f.news:
			changed(d.Name, d.Index)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// are makes these the devices of the host and, once each, says so.
func (f *fakeDevices) are(all ...instance.Device) {
	f.mu.Lock()
	gone := f.all
	f.all = all
	f.mu.Unlock()
	for _, d := range append(gone, all...) {
		f.news <- d
	}
}

// tap is a device called tap0.
func tap(index int, up bool) instance.Device {
	return instance.Device{Name: "tap0", Index: index, Up: up}
}

// claimOfOne is everything about one interface that is claimed for tap0.
func claimOfOne(revision int64, rules ...policy.Rule) *feed.Delta {
	d := worldOfOne(revision, "", rules...)
	d.Instances = nil
	d.Interfaces["eni-1"].Instance, d.Interfaces["eni-1"].Device = "", "tap0"
	return d
}

// is waits until the only claim is in a state, and returns it.
func (r *rig) is(want ClaimState) (got ClaimStatus) {
	r.t.Helper()
	r.until("a claim that is "+string(want), func() bool {
		r.mu.Unlock()
		all, _ := r.Claims()
		r.mu.Lock()
		if len(all) != 1 {
			r.t.Fatalf("%d claims: %+v", len(all), all)
		}
		got = all[0]
		return got.State == want
	})
	return got
}

// on returns the number of the device that the programs of an interface are on, 0
// for none.
func (r *rig) on(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.kernel.interfaces[id]; i != nil {
		return i.Ifindex
	}
	return 0
}

func TestAClaimFollowsItsDevice(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	r.Apply(claimOfOne(5, rule("sgr-1")))
	if got := r.is(ClaimAbsent); got.Device != "tap0" || got.Revision != 0 || got.MAC != "02:00:00:00:00:01" {
		t.Errorf("%+v", got)
	}
	devices := r.driver.devices
	devices.are(tap(7, false))
	if got := r.is(ClaimEnforced); got.Revision != 5 || got.Exposed != 0 || r.on("eni-1") != 7 || r.judgedBy("eni-1") != "[sgr-1]" {
		t.Errorf("%+v on device %d, judged by %s", got, r.on("eni-1"), r.judgedBy("eni-1"))
	}
	r.Apply(rulesOnly(6, rule("sgr-2")))
	if got := r.is(ClaimEnforced); got.Revision != 6 || r.judgedBy("eni-1") != "[sgr-2]" {
		t.Errorf("%+v, judged by %s", got, r.judgedBy("eni-1"))
	}

	devices.are() // the machine behind it ends
	r.is(ClaimAbsent)
	if r.on("eni-1") != 0 {
		t.Error("its flows and addresses outlive the device")
	}
	devices.are(tap(8, true)) // and is up again before anybody asked
	if got := r.is(ClaimEnforced); got.Exposed != 1 || r.on("eni-1") != 8 {
		t.Errorf("%+v on device %d", got, r.on("eni-1"))
	}
	devices.are(tap(9, false)) // replaced between two looks
	if got := r.is(ClaimEnforced); got.Exposed != 1 || r.on("eni-1") != 9 {
		t.Errorf("%+v on device %d", got, r.on("eni-1"))
	}
}

// TestARenamedDeviceStaysEnforced gives the name to another device meanwhile: the
// programs must not follow it and leave the first one open.
func TestARenamedDeviceStaysEnforced(t *testing.T) {
	r := newRig(t, newStrictKernel(t), newFakeDriver())
	devices := r.driver.devices
	devices.all = []instance.Device{tap(7, true)}
	r.Apply(claimOfOne(5, rule("sgr-1")))
	if got := r.is(ClaimEnforced); got.Exposed != 0 { // it was running when it was asked for
		t.Errorf("%+v", got)
	}
	devices.are(instance.Device{Name: "other", Index: 7, Up: true}, tap(8, false))
	if got := r.is(ClaimBehind); !strings.Contains(got.Detail, "is called other now") || r.on("eni-1") != 7 || r.judgedBy("eni-1") != "[sgr-1]" {
		t.Errorf("%+v on device %d, judged by %s", got, r.on("eni-1"), r.judgedBy("eni-1"))
	}
	devices.are(tap(7, true))
	r.is(ClaimEnforced)
}

func TestAReleaseTakesTheProgramsOff(t *testing.T) {
	kernel, driver := newStrictKernel(t), newFakeDriver()
	driver.devices.all = []instance.Device{tap(7, true)}
	r := newRig(t, kernel, driver)
	r.Apply(claimOfOne(5, rule("sgr-1")))
	r.is(ClaimEnforced)
	r.stop() // the agent dies before it hears of the release
	r = newRig(t, kernel, driver)
	releasing := claimOfOne(6, rule("sgr-1"))
	releasing.Interfaces["eni-1"].Releasing = true
	r.Apply(releasing)
	r.is(ClaimReleased)
	if r.on("eni-1") != 0 {
		t.Errorf("still on device %d", r.on("eni-1"))
	}
	driver.devices.are(tap(8, true)) // nobody's by now
	r.is(ClaimReleased)
	if r.on("eni-1") != 0 {
		t.Error("a device that was given back is enforced")
	}
	r.Apply(&feed.Delta{Revision: 7, Interfaces: map[string]*feed.Interface{"eni-1": nil}})
	if all, _ := r.Claims(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestAClaimThatIsSimplyGoneLeavesItsDeviceClosed restarts the agent, too: nothing
// but Forget opens a device.
func TestAClaimThatIsSimplyGoneLeavesItsDeviceClosed(t *testing.T) {
	kernel, driver := newStrictKernel(t), newFakeDriver()
	driver.devices.all = []instance.Device{tap(7, true)}
	r := newRig(t, kernel, driver)
	r.Apply(claimOfOne(5, rule("sgr-1")))
	r.is(ClaimEnforced)
	for range 2 {
		r.Apply(&feed.Delta{Revision: 6, Interfaces: map[string]*feed.Interface{"eni-1": nil}})
		if r.on("eni-1") != 7 || r.judgedBy("eni-1") != "closed" {
			t.Fatalf("on device %d, judged by %s", r.on("eni-1"), r.judgedBy("eni-1"))
		}
		r.stop()
		r = newRig(t, kernel, driver)
	}
	r.Apply(&feed.Delta{Revision: 7})
	for _, want := range []bool{true, false} {
		if found, err := r.Forget(t.Context(), "eni-1"); found != want || err != nil {
			t.Errorf("forgotten %v, %v", found, err)
		}
	}
	if r.on("eni-1") != 0 {
		t.Error("still there")
	}
}
