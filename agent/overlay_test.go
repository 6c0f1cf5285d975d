// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestOtherHostsAreToldAndTakenBack: where an address is goes to the datapath as it
// was told, by which numbers packets come follows from the interfaces, and without
// an underlay there is no way to other hosts.
func TestOtherHostsAreToldAndTakenBack(t *testing.T) {
	kernel, driver := newStrictKernel(t), newFakeDriver()
	r := newRig(t, kernel, driver)
	there := netip.MustParseAddr("192.0.2.2")
	far := feed.AddressKey{VPC: "rtb-1", Addr: netip.MustParseAddr("10.0.0.5")}
	d := worldOfOne(1, secgroup.Pending)
	d.Interfaces["eni-1"].VNI, d.Interfaces["eni-1"].Network = 42, "rtb-1"
	d.Addresses[far] = &feed.Address{Interface: "eni-9", Underlay: there, VNI: 42}

	r.Apply(d)
	r.report()
	if kernel.overlay != 0 || driver.overlay.Address.IsValid() || len(kernel.vnis) != 0 {
		t.Errorf("without an underlay: device %d, %+v, numbers %v", kernel.overlay, driver.overlay, kernel.vnis)
	}
	if got := kernel.addresses[far]; got.Host != there || got.VNI != 42 || got.Unrouted {
		t.Errorf("told %+v", got)
	}
	r.stop()

	kernel, driver = newStrictKernel(t), newFakeDriver()
	driver.shorter = true
	r = newRig(t, kernel, driver)
	r.cfg.Overlay = instance.Overlay{Address: netip.MustParseAddr("192.0.2.1")}
	r.Apply(d)
	r.report()
	r.mu.Lock()
	if kernel.overlay == 0 || driver.overlay != r.cfg.Overlay || !maps.Equal(kernel.vnis, map[uint32]string{42: "rtb-1"}) {
		t.Errorf("with one: device %d, %+v, numbers %v", kernel.overlay, driver.overlay, kernel.vnis)
	}
	r.mu.Unlock()
	r.Apply(&feed.Delta{Revision: 2, Interfaces: map[string]*feed.Interface{"eni-1": nil}, Addresses: map[feed.AddressKey]*feed.Address{far: nil}})
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := kernel.addresses[far]; known || len(kernel.vnis) != 0 {
		t.Errorf("left: %v, numbers %v", kernel.addresses, kernel.vnis)
	}
}
