// SPDX-License-Identifier: Apache-2.0

package datapath

import "context"

// HoldFragments is the part of Run that makes a device, in the network namespace of
// the calling thread.
func (d *Datapath) HoldFragments(ctx context.Context) error { return d.holdFragments(ctx) }

// Holder is the device that fragments are handed to, 0 for none.
func (d *Datapath) Holder() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.settings.Holder)
}
