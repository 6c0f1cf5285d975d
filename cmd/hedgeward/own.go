// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/hedgeward/hedgeward/instance"
)

// ownInstances is the instance driver, seeing only the instances of one state
// folder: others on this machine belong to other installations.
type ownInstances struct {
	*instance.Netns
	st *state
}

// List returns the instances that have a folder in the state folder.
func (o ownInstances) List() ([]instance.Found, error) {
	all, err := o.Netns.List()
	var own []instance.Found
	for _, f := range all {
		switch _, statErr := os.Stat(o.st.instance(f.ID)); {
		case statErr == nil:
			own = append(own, f)
		case !errors.Is(statErr, fs.ErrNotExist):
			err = errors.Join(err, statErr)
		}
	}
	return own, err
}
