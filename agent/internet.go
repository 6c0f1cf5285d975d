// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/hedgeward/hedgeward/datapath"
)

// tellRoutes makes the datapath know which destinations of a network are on the
// internet.
func (a *Agent) tellRoutes(network string) {
	a.try("routes of "+network, func() error {
		var routes []datapath.Route
		if want := a.routes[network]; want != nil {
			for _, r := range want.Routes {
				routes = append(routes, datapath.Route{Prefix: r.Prefix, Internet: r.Internet, Via: r.Via})
			}
		}
		return a.cfg.Datapath.SetRoutes(network, routes)
	})
}

// bringUplink makes the way to the internet once an interface can use it, and
// keeps it leading back to all blocks that are public as they are.
func (a *Agent) bringUplink() {
	needed := len(a.routes) > 0
	u := a.cfg.Uplink
	u.Routes = slices.Clone(u.Routes)
	for _, i := range a.interfaces {
		needed = needed || len(i.Public) > 0
		if !i.Internet {
			continue
		}
		for _, block := range i.VPCPrefixes {
			if block.Addr().Is6() && !slices.Contains(u.Routes, block) {
				u.Routes = append(u.Routes, block)
			}
		}
	}
	slices.SortFunc(u.Routes, netip.Prefix.Compare)
	if !needed && a.uplink == nil || a.uplink != nil && reflect.DeepEqual(*a.uplink, u) {
		return
	}
	a.uplink = &u
	a.try("uplink", func() error {
		return a.cfg.Driver.EnsureUplink(u, func(_ string, ifindex int) error { return a.cfg.Datapath.SetUplink(ifindex) })
	})
}
