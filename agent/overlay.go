// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"net/netip"
	"time"
)

// overlayEvery is how often the way to other hosts is looked at: the device of the
// host that it uses may have become another one, or taken to shorter packets.
const overlayEvery = 10 * time.Second

// bringOverlay makes the way to other hosts, or takes away the one that an earlier
// agent made and nobody wants any more: the device first, which without its program
// would be open.
func (a *Agent) bringOverlay() {
	a.try("network between hosts", func() error {
		o := a.cfg.Overlay
		if !o.Address.IsValid() {
			if _, err := a.cfg.Driver.RemoveOverlay(); err != nil {
				return err
			}
			return a.cfg.Datapath.SetOverlay(0, netip.AddrPort{})
		}
		changed, err := a.cfg.Driver.EnsureOverlay(o, func(_ string, ifindex int) error { return a.cfg.Datapath.SetOverlay(ifindex, o.AddrPort()) })
		if changed {
			for id := range a.instances {
				a.work(id)
			}
		}
		return err
	})
}

// tellVNIs makes the datapath know by which numbers packets come for the VPCs of the
// instances' interfaces: any network of a VPC knows all its addresses.
func (a *Agent) tellVNIs() {
	want := map[uint32]string{}
	for _, i := range a.interfaces {
		if i.VNI == 0 || i.Device != "" || !a.cfg.Overlay.Address.IsValid() {
			continue
		}
		if now, there := want[i.VNI]; !there || i.Network < now {
			want[i.VNI] = i.Network
		}
	}
	if a.vnis != nil && maps.Equal(a.vnis, want) {
		return
	}
	a.try("numbers between hosts", func() error {
		if err := a.cfg.Datapath.SetVNIs(want); err != nil {
			return err
		}
		a.vnis = want
		return nil
	})
}
