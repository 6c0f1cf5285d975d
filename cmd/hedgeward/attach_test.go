// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/stream"
)

// claimed returns the first told interface that satisfies is.
func (a told) claimed(t *testing.T, is func(*feed.Interface) bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case d := <-a.deltas:
			for _, i := range d.Interfaces {
				if is(i) {
					return
				}
			}
		case <-late:
			t.Fatal("it is not told")
		}
	}
}

// TestHostsClaimInterfacesAndLeaveThoseOfOthers: a host that joined is told of what it
// claimed, and another host can neither take it nor give it up
// (docs/spec/ec2-api.md section 5.7).
func TestHostsClaimInterfacesAndLeaveThoseOfOthers(t *testing.T) {
	o := newOffice(t)
	clients, agents := map[string]*stream.Client{}, map[string]told{}
	for _, name := range []string{"rack-1", "rack-2"} {
		id, err := o.join(name, o.must("token", "create"))
		if err != nil {
			t.Fatal(err)
		}
		clients[name], agents[name] = o.follow(id)
		eventually(t, name+" is not connected", func() bool { return o.in.remote.present.Connected(name) })
	}
	var subnet *secgroup.Subnet
	for s := range o.in.control.Read().Subnets.All() {
		subnet = s
	}
	if subnet == nil {
		t.Fatal("there is no subnet")
	}
	made, err := o.in.control.CreateNetworkInterface(t.Context(), control.Caller{Scope: subnet.Scope}, control.InterfaceSpec{Subnet: subnet.ID}, control.ClientToken{})
	if err != nil {
		t.Fatal(err)
	}
	refuses := func(what string, err error, code string) {
		t.Helper()
		if no := new(secgroup.Error); !errors.As(err, &no) || no.Code != code {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	its, others := clients["rack-1"], clients["rack-2"]
	for range 2 { // a hook asks again
		if eni, err := its.Claim(t.Context(), stream.Claim{Interface: made.ID, Device: "tap0"}); eni != made.ID || err != nil {
			t.Fatalf("%q, %v", eni, err)
		}
	}
	agents["rack-1"].claimed(t, func(i *feed.Interface) bool { return i != nil && i.Device == "tap0" && !i.Releasing })
	_, err = others.Claim(t.Context(), stream.Claim{Interface: made.ID, Device: "tap0"})
	refuses("claimed by another host", err, "InvalidNetworkInterface.InUse")
	_, err = others.Release(t.Context(), made.ID, false)
	refuses("given up by another host", err, "InvalidNetworkInterface.InUse")
	if _, err = others.Release(t.Context(), made.ID, true); err != nil {
		t.Error(err)
	}
	if c := o.in.control.Read().Interfaces.Get(made.ID).Claimed(); c == nil || c.Host != "rack-1" || c.Releasing {
		t.Errorf("after what another host said: %+v", c)
	}
	_, err = its.Claim(t.Context(), stream.Claim{Interface: "eni-00000000000000000", Device: "tap1"})
	refuses("nobody's", err, "InvalidNetworkInterfaceID.NotFound")

	if pending, err := its.Release(t.Context(), made.ID, false); !pending || err != nil {
		t.Errorf("given up: pending %v, %v", pending, err)
	}
	agents["rack-1"].claimed(t, func(i *feed.Interface) bool { return i != nil && i.Releasing })
	if _, err := others.Release(t.Context(), made.ID, true); err != nil || o.in.control.Read().Interfaces.Get(made.ID).Claimed() == nil {
		t.Errorf("another host's word ends it: %v", err)
	}
	if _, err := its.Release(t.Context(), made.ID, true); err != nil || o.in.control.Read().Interfaces.Get(made.ID).Attachment != nil {
		t.Errorf("it is not available: %v", err)
	}

	for range 20 { // the interface goes with its claim, whoever says first that it is given up
		eni, err := its.Claim(t.Context(), stream.Claim{Device: "tap2", Made: stream.Made{Subnet: subnet.ID, Groups: []string{"default"}}})
		if err != nil || o.in.control.Read().Interfaces.Get(eni).Claimed() == nil {
			t.Fatalf("made with its claim: %q, %v", eni, err)
		}
		if pending, err := its.Release(t.Context(), eni, false); !pending || err != nil {
			t.Errorf("given up: pending %v, %v", pending, err)
		}
		said := make(chan error)
		for range 4 {
			go func() {
				_, err := its.Release(t.Context(), eni, true)
				said <- err
			}()
		}
		for range 4 {
			if err := <-said; err != nil {
				t.Errorf("said at the same time: %v", err)
			}
		}
		if o.in.control.Read().Interfaces.Get(eni) != nil {
			t.Error("it outlives its claim")
		}
	}
}
