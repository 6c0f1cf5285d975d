// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// catalogueOperations are those that show what instances can be made of, and
// what clients look for beside them and no installation has
// (docs/spec/ec2-api.md section 6.5).
func (s *Service) catalogueOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "DescribeImages", s.describeImages),
		awsapi.RegionalOp(s.control, "DescribeInstanceTypes", s.describeInstanceTypes),
		awsapi.RegionalOp(s.control, "DescribeInstanceTypeOfferings", s.describeInstanceTypeOfferings),
		awsapi.RegionalOp(s.control, "DescribeKeyPairs", s.describeKeyPairs),
		awsapi.RegionalOp(s.control, "DescribeVolumes", s.describeVolumes),
		awsapi.RegionalOp(s.control, "DescribeInstanceCreditSpecifications", s.describeInstanceCreditSpecifications),
	}
}

// image is an image as one account sees it: its own.
type image struct {
	control.Image
	owner string
}

func (i *image) architecture() string { return cmp.Or(i.Architecture, architecture) }

// What every image shows.
const (
	imageState = "available"
	imageType  = "machine"
	platform   = "Linux/UNIX"
)

var imageFilters = filters[image]{
	names: map[string]func(*image) []string{
		"architecture":        one((*image).architecture),
		"description":         some(func(i *image) string { return i.Description }),
		"ena-support":         one(func(*image) string { return strconv.FormatBool(true) }),
		"hypervisor":          one(func(*image) string { return hypervisor }),
		"image-id":            one(func(i *image) string { return i.ID }),
		"image-type":          one(func(*image) string { return imageType }),
		"is-public":           one(func(*image) string { return strconv.FormatBool(true) }),
		"name":                one(func(i *image) string { return i.Name }),
		"owner-alias":         func(*image) []string { return nil },
		"owner-id":            one(func(i *image) string { return i.owner }),
		"platform":            func(*image) []string { return nil },
		"platform-details":    one(func(*image) string { return platform }),
		"root-device-name":    one(func(*image) string { return rootDeviceName }),
		"root-device-type":    one(func(*image) string { return rootDeviceType }),
		"state":               one(func(*image) string { return imageState }),
		"virtualization-type": one(func(*image) string { return virtualization }),
	},
	tags: func(*image) secgroup.Tags { return nil },
}

var imagePaging = paging{
	operation: "DescribeImages", min: 1, max: 1000,
	withIDs: "The parameter imageIds cannot be used with the parameter maxResults",
}

func (s *Service) describeImages(c *awsapi.Call, in *ec2types.DescribeImagesRequest) (func(context.Context) (*ec2types.DescribeImagesResult, error), error) {
	for _, id := range in.ImageIds {
		if err := s.checkImage(id); err != nil {
			return nil, err
		}
	}
	cursor, err := imagePaging.cursor(c.Scope(), in, len(in.ImageIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := imageFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeImagesResult, error) {
		for _, id := range in.ImageIds {
			if !s.control.HasImage(id) {
				return nil, secgroup.Errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
			}
		}
		asked := func(names []string, all string) bool { // owners, or who may launch it
			return len(names) == 0 || slices.Contains(names, "self") || slices.Contains(names, c.Account) || slices.Contains(names, all)
		}
		var rows []*image
		for _, i := range s.control.Images() {
			if (len(in.ImageIds) == 0 || slices.Contains(in.ImageIds, i.ID)) && asked(in.Owners, "") && asked(in.ExecutableUsers, "all") {
				rows = append(rows, &image{i, c.Account})
			}
		}
		out := &ec2types.DescribeImagesResult{}
		out.Images, out.NextToken = list(cursor, rows, match, func(i *image) string { return i.ID }, showImage)
		return out, nil
	}, nil
}

func showImage(i *image) ec2types.Image {
	return ec2types.Image{
		ImageId: &i.ID, Name: &i.Name, Description: optional(i.Description), Architecture: new(i.architecture()),
		OwnerId: &i.owner, Public: new(true), ImageLocation: new(i.owner + "/" + i.Name), ImageType: new(imageType), State: new(imageState),
		CreationDate: new(imagesSince.Format("2006-01-02T15:04:05.000Z")), EnaSupport: new(true), Hypervisor: new(hypervisor),
		RootDeviceName: new(rootDeviceName), RootDeviceType: new(rootDeviceType), VirtualizationType: new(virtualization),
		PlatformDetails: new(platform), UsageOperation: new("RunInstances"), BlockDeviceMappings: []ec2types.BlockDeviceMapping{},
	}
}

// imagesSince is the creation date of every image: they come with the program,
// and clients that want the newest of several compare it.
var imagesSince = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
