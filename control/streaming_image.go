// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// StreamingImage is what fleets and image builders are made from. All of them are
// public, and on the host all of them are the same: a network namespace. The
// platform is a name that fleets ask for, no program that runs
// (docs/spec/appstream.md section 8).
type StreamingImage struct {
	Name        string
	Platform    string
	Description string
	Families    []string // of instance types that it runs on
	Released    time.Time
}

const baseImageRelease = "11-03-2025"

// baseImages lists one image per platform.
var baseImages = func() (images []StreamingImage) {
	released, err := time.Parse("01-02-2006", baseImageRelease)
	if err != nil {
		panic(err) // it is a constant
	}
	for _, p := range []struct{ name, platform string }{
		{"WinServer2016", "WINDOWS_SERVER_2016"}, {"WinServer2019", "WINDOWS_SERVER_2019"},
		{"WinServer2022", "WINDOWS_SERVER_2022"}, {"WinServer2025", "WINDOWS_SERVER_2025"},
		{"AmazonLinux2", "AMAZON_LINUX2"}, {"RHEL8", "RHEL8"}, {"RockyLinux8", "ROCKY_LINUX8"}, {"UbuntuPro2404", "UBUNTU_PRO_2404"},
	} {
		images = append(images, StreamingImage{
			Name: "AppStream-" + p.name + "-" + baseImageRelease, Platform: p.platform, Released: released,
			Description: "A network namespace that is called " + p.platform, Families: streamingFamilies,
		})
	}
	return images
}()

// streamingFamilies and streamingSizes make the names of streaming instance
// types. All types are alike: an instance has what its host has.
var (
	streamingFamilies = []string{"standard", "compute", "memory", "graphics"}
	streamingSizes    = []string{"small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"}
)

// StreamingImages returns the catalogue, in the order in which it is documented.
func StreamingImages() []StreamingImage { return slices.Clone(baseImages) }

// ARN returns the name of the image in a Region.
func (i *StreamingImage) ARN(region string) string {
	return "arn:aws:appstream:" + region + "::image/" + i.Name
}

// streamingImage returns the image of that name or, if arn is not empty, of that
// ARN.
func streamingImage(scope secgroup.Scope, name, arn string) (*StreamingImage, error) {
	for n := range baseImages {
		if i := &baseImages[n]; arn == "" && i.Name == name || arn != "" && i.ARN(scope.Region) == arn {
			return i, nil
		}
	}
	if arn != "" {
		name = arn[strings.LastIndexByte(arn, '/')+1:]
	}
	return nil, secgroup.Errorf(streamNotFound, "The image %s for account %s does not exist.", name, scope.Account)
}

// checkStreamingType refuses what is no streaming instance type: stream, a family
// that may have a generation and a variant, and a size.
func checkStreamingType(name string) error {
	parts := strings.Split(name, ".")
	if len(parts) >= 3 && parts[0] == "stream" && slices.Contains(streamingSizes, parts[len(parts)-1]) {
		family, _, _ := strings.Cut(parts[1], "-")
		if slices.Contains(streamingFamilies, family) {
			return nil
		}
	}
	return secgroup.Errorf(streamCombination, "The instance type %s is not a streaming instance type; use one such as stream.standard.medium.", name)
}
