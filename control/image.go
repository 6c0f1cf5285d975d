// SPDX-License-Identifier: Apache-2.0

package control

import "slices"

// Image is what instances can be made from (docs/instances.md). Every account
// and every Region has the same ones.
type Image struct {
	ID           string // "ami-…"
	Name         string
	Description  string
	Architecture string // as EC2 spells it; "" is that of the host
}

// Images returns what instances can be made from, in the order of the catalogue.
func (s *Service) Images() []Image { return slices.Clone(s.images) }

// HasImage reports whether instances can be made from the image.
func (s *Service) HasImage(id string) bool {
	return slices.ContainsFunc(s.images, func(i Image) bool { return i.ID == id })
}
