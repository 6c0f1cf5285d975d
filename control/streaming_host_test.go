// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// TestStreamsCrossHosts: instances are where the gateway reaches them, and the
// gateway's host alone speaks for it (docs/spec/appstream.md section 1.9).
func TestStreamsCrossHosts(t *testing.T) {
	c := newCluster(t, "alone") // without an underlay
	c.join("left", netip.MustParseAddr("192.0.2.2"))
	c.join("right", netip.MustParseAddr("192.0.2.3"))
	c.join("six", netip.MustParseAddr("2001:db8::4"))
	c.here.set("alone", "left", "right", "six")
	f := &fleets{networks: c.networks}
	change := FleetChange{InstanceType: new("stream.standard.medium"), ImageName: new(baseImages[0].Name), Capacity: true, Instances: new(int32(4))}
	change.VPC = &StreamingVPC{Subnets: []string{c.subnet}}
	_, err := f.CreateFleet(t.Context(), f.Caller, "F", change)
	f.must(err)
	f.stack()
	f.must(f.StartFleet(t.Context(), f.Caller, "F"))
	f.settle()
	gateway := gatewayInstance(f.Read())
	if gateway.Host != "left" {
		t.Errorf("the gateway is on %s", gateway.Host)
	}
	on := map[string]int{}
	far := ""
	for in := range f.Read().Instances.All() {
		if on[in.Host]++; in.Host == "right" {
			far = in.ID
		}
	}
	if on["left"] == 0 || on["right"] == 0 || on["left"]+on["right"] != 5 {
		t.Errorf("gateway and instances are on %v", on)
	}
	for in := range f.Read().Instances.All() {
		f.must(f.ReportInstance(t.Context(), in.Host, in.ID, secgroup.Running, ""))
	}
	f.settle()

	left, right := HostStreams{c.Service, "left"}, HostStreams{c.Service, "right"}
	_, err = right.ReportStreams(t.Context(), "203.0.113.66:80", nil, secgroup.Door{})
	if !errors.Is(err, ErrNotOnHost) || f.gatewayAt() != "" {
		t.Errorf("another host speaks for the gateway: %v, %q", err, f.gatewayAt())
	}
	_, err = left.ReportStreams(t.Context(), "192.0.2.2:8443", nil, secgroup.Door{})
	f.must(err)
	made, err := f.CreateStreamingURL(t.Context(), f.Scope, "K", "F", "bob", time.Minute)
	f.must(err)
	parameters, there := strings.CutPrefix(made.URL, "http://192.0.2.2:8443/authenticate?parameters=")
	if !there {
		t.Fatalf("the URL is %s", made.URL)
	}
	if _, err := right.OpenStream(t.Context(), parameters, secgroup.Door{}); !errors.Is(err, ErrNotOnHost) {
		t.Errorf("another host opens a stream: %v", err)
	}
	stream, err := left.OpenStream(t.Context(), parameters, secgroup.Door{})
	if err != nil || !stream.Ready {
		t.Errorf("opened %+v, %v", stream, err)
	}
	if err := left.ReportJoin(t.Context(), far, "it cannot"); !errors.Is(err, ErrNotOnHost) {
		t.Errorf("a host speaks for an instance of another: %v", err)
	}
	f.must(right.ReportJoin(t.Context(), far, ""))
	door := secgroup.Door{Endpoint: "vpce-1", Address: netip.MustParseAddr("10.0.0.9")}
	if _, err := left.ReportStreams(t.Context(), "", nil, door); !errors.Is(err, ErrNotOnHost) {
		t.Errorf("a host speaks for an endpoint that is not there: %v", err)
	}
}
