// SPDX-License-Identifier: Apache-2.0

package services

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/feed"
)

// Host knows what it was told of its instances (package agent).
type Host interface {
	// Asks returns the instance that has an interface, and all its interfaces by device
	// index; nil if no instance of the host has it.
	Asks(iface string) (*feed.Instance, []*feed.Interface)
}

// Facts are what the services know of an interface that asks and of its instance.
type Facts struct {
	*feed.Facts
	Instance   *feed.Instance
	Interfaces []*feed.Interface // of the instance and of the facts' account, by device index
}

// factsOf returns the facts that an interface may ask for, nil for none.
func factsOf(h Host, iface string) *Facts {
	on, all := h.Asks(iface)
	if on == nil || on.Facts.Account == "" {
		return nil
	}
	f := &Facts{Facts: &on.Facts, Instance: on}
	asks := false
	for _, i := range all {
		if i.Owner == on.Facts.Account {
			f.Interfaces = append(f.Interfaces, i)
			asks = asks || i.ID == iface
		}
	}
	if !asks {
		return nil
	}
	return f
}

// inVPC reports whether an address is of the asker's VPC.
func (f *Facts) inVPC(a netip.Addr) bool {
	return slices.ContainsFunc(f.Interfaces[0].VPCPrefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// name returns what a group is called, "" for one that nobody told of.
func (f *Facts) name(group string) string {
	for _, g := range f.Groups {
		if g.ID == group {
			return g.Name
		}
	}
	return ""
}

// public returns what stands for an address of an interface on the internet.
func public(i *feed.Interface, private netip.Addr) netip.Addr {
	for _, p := range i.Public {
		if p.Private == private {
			return p.Public
		}
	}
	return netip.Addr{}
}

// addresses returns the addresses of one family of an interface.
func addresses(i *feed.Interface, is func(netip.Addr) bool) (out []netip.Prefix) {
	for _, p := range i.Addresses {
		if is(p.Addr()) {
			out = append(out, p)
		}
	}
	return out
}
