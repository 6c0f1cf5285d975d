// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"io/fs"
	"os"
)

// Own is the driver as one installation sees it: List leaves out instances that
// have no folder in the state folder, for they belong to other installations on
// this machine.
type Own struct{ *Netns }

// List returns the installation's instances.
func (o Own) List() ([]Found, error) {
	all, err := o.Netns.List()
	var own []Found
	for _, f := range all {
		switch _, statErr := os.Stat(o.stateDir(f.ID)); {
		case statErr == nil:
			own = append(own, f)
		case !errors.Is(statErr, fs.ErrNotExist):
			err = errors.Join(err, statErr)
		}
	}
	return own, err
}
