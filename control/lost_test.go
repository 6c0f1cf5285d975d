// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// play has the hosts make and end every instance that they are asked to, and the
// service do what it does then, until nothing changes.
func (c *cluster) play(f *fleets) {
	c.t.Helper()
	for range 20 {
		before := c.Read().Revision
		f.settle()
		for in := range c.Read().Instances.All() {
			to := map[secgroup.InstanceState]secgroup.InstanceState{
				secgroup.Pending: secgroup.Running, secgroup.Stopping: secgroup.Stopped, secgroup.ShuttingDown: secgroup.Terminated,
			}[in.State]
			if to != "" && in.Host != "" {
				c.must(c.ReportInstance(c.t.Context(), in.Host, in.ID, to, ""))
			}
		}
		if c.Read().Revision == before {
			return
		}
	}
	c.t.Fatal("the installation does not settle")
}

// on returns the streaming instances of a kind that are not ended.
func (c *cluster) on(kind secgroup.StreamingKind) (all []*secgroup.Instance) {
	for in := range c.Read().Instances.All() {
		if in.Streaming != nil && in.Streaming.Kind == kind && in.State != secgroup.Terminated {
			all = append(all, in)
		}
	}
	return all
}

// TestALostHostTakesItsStreamingInstances: fleets and the gateway are made anew on
// another host, sessions there are over, and builders stop and say why; what they had
// of the customer's network is free again.
func TestALostHostTakesItsStreamingInstances(t *testing.T) {
	present := &here{}
	n := newNetworks(t, Config{Presence: present, Gateway: func() string { return "127.0.0.1:1" }})
	c, f := &cluster{networks: n, here: present}, &fleets{networks: n}
	c.join("a", netip.Addr{})
	c.join("b", netip.Addr{})
	present.set("a")
	f.net = n.network("10.0.0.0/24", "")
	f.groups = n.groups(f.net.vpc.ID, 1)
	vpc := &StreamingVPC{Subnets: []string{f.net.subnet.ID}, Groups: f.groups}
	_, err := n.CreateFleet(t.Context(), n.Caller, "F", FleetChange{
		InstanceType: new("stream.standard.medium"), ImageName: new(baseImages[0].Name), Capacity: true, Instances: new(int32(2)), VPC: vpc,
	})
	c.must(err)
	c.must(n.StartFleet(t.Context(), n.Caller, "F"))
	_, err = n.CreateBuilder(t.Context(), n.Caller, secgroup.ImageBuilderKind, "B", BuilderChange{
		InstanceType: new("stream.standard.medium"), ImageName: new(baseImages[0].Name), VPC: vpc,
	})
	c.must(err)
	c.play(f)
	f.stack()
	if _, err := f.opened("somebody"); err != nil {
		t.Fatal(err)
	}
	f.want(secgroup.FleetRunning, 3) // two of the fleet, one of the builder
	gateways := len(c.on(secgroup.GatewayKind))
	if len(c.on(secgroup.FleetKind)) != 2 || len(c.on(secgroup.ImageBuilderKind)) != 1 {
		t.Fatalf("there are %d instances of the fleet, %d of the builder", len(c.on(secgroup.FleetKind)), len(c.on(secgroup.ImageBuilderKind)))
	}

	present.set()
	c.must(c.RemoveHost(t.Context(), "a", true))
	if left := c.on(secgroup.FleetKind); len(left) != 0 {
		t.Errorf("%d instances of the fleet are left", len(left))
	}
	for v := range c.Read().StreamingSessions.All() {
		if v.State != secgroup.SessionExpired {
			t.Errorf("session %s is %s", v.ID, v.State)
		}
	}
	b := c.Read().Builders.Get(model.BuilderID(n.Scope, secgroup.ImageBuilderKind, "B"))
	if b.State != secgroup.BuilderStopped || len(b.Errors) != 1 || !strings.Contains(b.Errors[0].Message, "host of its instance was lost") {
		t.Errorf("the builder is %s and says %+v", b.State, b.Errors)
	}
	for _, in := range c.on(secgroup.ImageBuilderKind) {
		if in.State != secgroup.Stopped || in.Host != "" {
			t.Errorf("the builder's instance is %s on %q", in.State, in.Host)
		}
	}
	if got := c.on(secgroup.GatewayKind); len(got) != gateways {
		t.Errorf("%d gateways of %d are left", len(got), gateways)
	}
	c.play(f) // nobody is there
	for _, in := range c.on(secgroup.GatewayKind) {
		if in.State != secgroup.Pending || in.Host != "" {
			t.Errorf("without a host the gateway is %s on %q", in.State, in.Host)
		}
	}

	present.set("b")
	c.play(f)
	if f.fleet().State == secgroup.FleetStopped { // it gave up while nobody was there
		c.must(n.StartFleet(t.Context(), n.Caller, "F"))
	}
	_, err = n.StartBuilder(t.Context(), n.Caller, secgroup.ImageBuilderKind, "B")
	c.must(err)
	c.play(f)
	f.want(secgroup.FleetRunning, 3)
	for in := range c.Read().Instances.All() {
		if in.State != secgroup.Terminated && (in.State != secgroup.Running || in.Host != "b") {
			t.Errorf("%s instance %s is %s on %q", in.Streaming.Kind, in.ID, in.State, in.Host)
		}
	}
}
