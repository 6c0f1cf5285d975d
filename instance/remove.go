// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
)

// Remove takes away everything that the installation has on this machine, instances
// first, and says what it was. What cannot be removed stays, with the reason in the
// error; the rest goes.
func (o Own) Remove(ctx context.Context) (removed []string, err error) {
	found, err := o.List()
	errs := []error{err}
	for _, f := range found {
		if err := o.Destroy(ctx, f.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, "namespace "+NamespaceName(f.ID))
		for _, i := range f.Interfaces {
			removed = append(removed, "link "+i.Device+" ("+i.ID+")")
		}
	}
	for _, device := range []struct {
		remove func() ([]string, error)
		what   string
	}{{o.RemoveUplink, "uplink to the internet"}, {o.RemoveOverlay, "network between hosts"}} {
		names, err := device.remove()
		errs = append(errs, err)
		for _, name := range names {
			removed = append(removed, "link "+name+" ("+device.what+")")
		}
	}
	return removed, errors.Join(errs...)
}
