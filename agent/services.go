// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/hedgeward/hedgeward/feed"
)

// Asks implements services.Host: it returns the instance that has an interface, and
// all its interfaces by device index, as the host was told of them last; nil if
// no instance has it.
func (a *Agent) Asks(iface string) (*feed.Instance, []*feed.Interface) {
	a.mu.Lock()
	defer a.mu.Unlock()
	asks := a.interfaces[iface]
	if asks == nil {
		return nil, nil
	}
	on := a.instances[asks.Instance]
	if on == nil {
		return nil, nil
	}
	var all []*feed.Interface
	for _, id := range on.Interfaces {
		if i := a.interfaces[id]; i != nil {
			all = append(all, i)
		}
	}
	return on, all
}
