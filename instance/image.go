// SPDX-License-Identifier: Apache-2.0

package instance

// Image is what an instance can be made from (docs/instances.md).
type Image struct {
	ID           string // "ami-…", as RunInstances takes it
	Name         string
	Description  string
	Architecture string // as EC2 spells it; "" is that of the host
}

var images = []Image{{
	ID:   "ami-netns",
	Name: "namespace",
	Description: "A network namespace: the host's files and processes, " +
		"its own interfaces, addresses, routes and ports",
}}

// Images returns the catalogue, in the order in which it is documented. The
// caller owns the slice.
func Images() []Image { return append([]Image(nil), images...) }

// FindImage returns the image with the given id and reports whether there is
// one.
func FindImage(id string) (Image, bool) {
	for _, image := range images {
		if image.ID == id {
			return image, true
		}
	}
	return Image{}, false
}
