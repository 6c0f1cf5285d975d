// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// TestOverlay: the device between hosts is judged before it is up, is kept by the
// next process, and makes interfaces as long as fits.
func TestOverlay(t *testing.T) {
	r := newRig(t)
	r.host.Up(t, "lo")
	r.host.Address(t, "lo", "192.0.2.1/32")
	lo := r.host.Device(t, "lo")
	limit := func(mtu int) {
		t.Helper()
		if err := r.host.Link.LinkSetMTU(lo, mtu); err != nil {
			t.Fatal(err)
		}
	}
	limit(1600)
	o := Overlay{Address: netip.MustParseAddr("192.0.2.1")}
	var attached []int
	attach := func(device string, ifindex int) error {
		l, err := r.host.Link.LinkByName(device)
		if err != nil {
			return err
		}
		if len(attached) == 0 && l.Attrs().Flags&net.FlagUp != 0 {
			t.Error("the device is up before anything judges it")
		}
		attached = append(attached, ifindex)
		return nil
	}
	ensure := func(o Overlay) (changed bool) {
		t.Helper()
		var err error
		r.host.Do(func() { changed, err = r.driver.EnsureOverlay(o, attach) })
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if !ensure(o) || ensure(o) {
		t.Error("the first time changes the MTU of interfaces, the second does not")
	}
	s := r.spec(4)
	mtus := func(want int) {
		t.Helper()
		r.mustEnsure(s)
		for _, l := range []int{r.host.Device(t, DeviceName(s.Interfaces[0].ID)).Attrs().MTU, r.inside(s.ID).Device(t, "eth0").Attrs().MTU, r.host.Device(t, r.driver.overlayDevice()).Attrs().MTU} {
			if l != want {
				t.Errorf("MTU %d, want %d", l, want)
			}
		}
	}
	mtus(1550)
	r.restart()
	limit(1500)
	if !ensure(o) {
		t.Error("another MTU of the underlay changes nothing")
	}
	mtus(1450)
	if attached[0] != attached[len(attached)-1] {
		t.Errorf("attached to %v, want one device", attached)
	}

	o.Port = 8472
	ensure(o)
	if attached[0] == attached[len(attached)-1] {
		t.Error("another port is no other device")
	}
	other := NewNetns(Config{StateDir: t.TempDir()})
	r.host.Do(func() {
		if _, err := other.EnsureOverlay(o, attach); err == nil {
			t.Error("two installations share one port")
		}
		for _, wrong := range []string{"192.0.2.9", "2001:db8::1"} {
			if _, err := r.driver.EnsureOverlay(Overlay{Address: netip.MustParseAddr(wrong)}, attach); err == nil {
				t.Errorf("%s, which the host has not, is its underlay", wrong)
			}
		}
		if removed, err := other.RemoveOverlay(); err != nil || len(removed) != 0 {
			t.Errorf("another installation removed %v, %v", removed, err)
		}
		refuse := func(string, int) error { return fmt.Errorf("refused by the test") }
		if _, err := r.driver.EnsureOverlay(o, refuse); err == nil {
			t.Error("a device without a program is made")
		}
		if _, err := r.host.Link.LinkByName(r.driver.overlayDevice()); err == nil {
			t.Error("a device without a program stays")
		}
	})
	ensure(o)
	limit(1300)
	r.host.Do(func() {
		if _, err := r.driver.EnsureOverlay(o, attach); err == nil {
			t.Error("an underlay that IPv6 does not pass is taken")
		}
		if removed, err := r.driver.RemoveOverlay(); err != nil || len(removed) != 1 {
			t.Errorf("removed %v, %v", removed, err)
		}
	})
}
