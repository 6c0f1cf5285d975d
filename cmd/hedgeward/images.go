// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/instance"
)

// images is the catalogue of the instances that this program can make.
func images() []control.Image {
	var all []control.Image
	for _, i := range instance.Images() {
		all = append(all, control.Image(i))
	}
	return all
}
