// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

func TestInternetIsToldAndTakenBack(t *testing.T) { // docs/spec/packet-semantics.md section 1.11
	kernel, driver := newStrictKernel(t), newFakeDriver()
	r := newRig(t, kernel, driver)
	d := worldOfOne(1, secgroup.Pending)
	r.Apply(d)
	r.report()
	if kernel.uplink != 0 {
		t.Error("an uplink is made that nobody can use")
	}
	var id string
	for id = range d.Interfaces {
	}
	joined := *d.Interfaces[id]
	private, public := joined.Addresses[0].Addr(), netip.MustParseAddr("198.18.0.9")
	joined.Internet, joined.Public = true, []feed.Public{{Public: public, Private: private}}
	joined.VPCPrefixes = []netip.Prefix{prefix("10.0.0.0/16"), prefix("fd00:1::/56")}
	delegated := feed.AddressKey{VPC: joined.VPC, Addr: netip.MustParseAddr("10.0.0.64"), Bits: 28}
	r.Apply(&feed.Delta{
		Revision: 2, Interfaces: map[string]*feed.Interface{id: &joined},
		Addresses: map[feed.AddressKey]*feed.Address{delegated: {Interface: id, Local: true}},
		Routes:    map[string]*feed.Routes{joined.VPC: {Routes: []feed.Route{{Prefix: prefix("0.0.0.0/0"), Internet: true}}}},
	})
	r.mu.Lock()
	defer func() { r.mu.Unlock() }()
	if got := kernel.public[id]; len(got) != 1 || got[private] != public {
		t.Errorf("public addresses %v", got)
	}
	if got := kernel.routes[joined.VPC]; !slices.Equal(got, []datapath.Route{{Prefix: prefix("0.0.0.0/0"), Internet: true}}) {
		t.Errorf("routes %v", got)
	}
	if kernel.uplink == 0 || !slices.Equal(driver.uplink.Routes, []netip.Prefix{prefix("fd00:1::/56")}) {
		t.Errorf("uplink %d of %+v", kernel.uplink, driver.uplink)
	}
	if _, there := kernel.addresses[delegated]; !there {
		t.Error("the delegated prefix was not told")
	}
	left := joined
	left.Internet, left.Public = false, nil
	r.mu.Unlock()
	r.Apply(&feed.Delta{
		Revision: 3, Interfaces: map[string]*feed.Interface{id: &left},
		Addresses: map[feed.AddressKey]*feed.Address{delegated: nil}, Routes: map[string]*feed.Routes{joined.VPC: nil},
	})
	r.mu.Lock()
	if _, there := kernel.addresses[delegated]; there || len(kernel.public[id]) != 0 || len(kernel.routes) != 0 || len(driver.uplink.Routes) != 0 {
		t.Errorf("left: addresses %v, public %v, routes %v, uplink %+v", kernel.addresses, kernel.public, kernel.routes, driver.uplink)
	}
}
