// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ensureDelegated makes every address of the interfaces' delegated prefixes one
// of the instance's, as if it was on a device: programs inside can use any of
// them, and what uses none needs none.
func (w *wiring) ensureDelegated(interfaces []Interface) error {
	var all []netip.Prefix
	for _, i := range interfaces {
		all = append(all, i.Prefixes...)
	}
	lo, err := w.inside.link.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo for delegated prefixes: %w", err)
	}
	like := netlink.Route{LinkIndex: lo.Attrs().Index, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
	if err := ensureRoutes(w.inside.link, like, all); err != nil {
		return fmt.Errorf("delegated prefixes: %w", err)
	}
	return nil
}
