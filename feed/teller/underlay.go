// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// reachable returns where other hosts reach a host, the zero Addr for nowhere.
func reachable(snap *model.Snapshot, host string) netip.Addr {
	row := snap.Hosts.Get(host)
	if row == nil || row.Disabled {
		return netip.Addr{}
	}
	return row.Underlay
}

// moved notes where this host is reached, and reports whether that is another
// place than before.
func (h *Host) moved(snap *model.Snapshot) bool {
	was := h.underlay
	h.underlay = reachable(snap, h.name)
	return h.underlay != was
}

// elsewhere returns where the host is reached on which an instance has the
// interface, and the number of its VPC: zero unless that is another host, which this
// one reaches.
func (h *Host) elsewhere(snap *model.Snapshot, row *secgroup.Interface) (netip.Addr, uint32) {
	if !h.underlay.IsValid() || row.Attachment == nil {
		return netip.Addr{}, 0
	}
	on, vpc := snap.Instances.Get(row.Attachment.Instance), snap.VPCs.Get(row.VPC)
	if on == nil || on.Host == h.name || on.State != secgroup.Pending && on.State != secgroup.Running || vpc == nil || vpc.VNI == 0 {
		return netip.Addr{}, 0
	}
	there := reachable(snap, on.Host)
	if !there.IsValid() || there.Is4() != h.underlay.Is4() {
		return netip.Addr{}, 0
	}
	return there, vpc.VNI
}

// addElsewhere adds the interfaces that a network of the host may send to, or hear
// from, between hosts.
func (h *Host) addElsewhere(snap *model.Snapshot, interfaces keyset) {
	if !h.underlay.IsValid() {
		return
	}
	add := func(vpc string) {
		for ifc := range snap.Interfaces.By(model.ByVPC, vpc) {
			interfaces.add(ifc.ID)
		}
	}
	for vpc := range h.networks {
		add(vpc)
		for p := range snap.Peerings.By(model.ByVPC, vpc) {
			if p.State == secgroup.PeeringActive {
				add(p.Other(vpc).VPC)
			}
		}
	}
}

// addOn adds the interfaces of a host's instances.
func (h *Host) addOn(snap *model.Snapshot, host string, interfaces keyset) {
	if !h.underlay.IsValid() && host != h.name {
		return
	}
	for on := range snap.Instances.By(model.ByHost, host) {
		for ifc := range snap.Interfaces.By(model.ByInstance, on.ID) {
			interfaces.add(ifc.ID)
		}
	}
}
