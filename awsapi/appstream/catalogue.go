// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	types "github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// catalogueOperations are those of section 8 of docs/spec/appstream.md.
func (s *Service) catalogueOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "DescribeImages", s.describeImages),
		awsapi.RegionalOp(s.control, "TagResource", s.tagResource),
		awsapi.RegionalOp(s.control, "UntagResource", s.untagResource),
		awsapi.RegionalOp(s.control, "ListTagsForResource", s.listTags),
	}
}

// mostImages is the largest number of images in one answer.
const mostImages = 25

func (s *Service) describeImages(c *awsapi.Call, in *types.DescribeImagesRequest) (func(context.Context) (*types.DescribeImagesResult, error), error) {
	return func(context.Context) (*types.DescribeImagesResult, error) {
		if len(in.Names) > 0 && len(in.Arns) > 0 {
			return nil, secgroup.Errorf("InvalidParameterCombinationException", "You must specify either Names or Arns, not both.")
		}
		found := control.StreamingImages()
		for _, name := range slices.Concat(in.Names, in.Arns) {
			if !slices.ContainsFunc(found, func(i control.StreamingImage) bool { return i.Name == name || i.ARN(c.Region) == name }) {
				return nil, secgroup.Errorf("ResourceNotFoundException", "The image %s for account %s does not exist.", name, c.Account)
			}
		}
		found = slices.DeleteFunc(found, func(i control.StreamingImage) bool {
			return len(in.Names) > 0 && !slices.Contains(in.Names, i.Name) || len(in.Arns) > 0 && !slices.Contains(in.Arns, i.ARN(c.Region)) ||
				in.Type != nil && *in.Type != publicImage
		})
		limit := mostImages
		if n := deref(in.MaxResults); n > 0 {
			limit = int(n)
		}
		part, next, err := page(found, func(i control.StreamingImage) string { return i.Name }, limit, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &types.DescribeImagesResult{NextToken: next, Images: make([]types.Image, len(part))}
		for n, i := range part {
			out.Images[n] = showImage(&i, c.Region)
		}
		return out, nil
	}, nil
}

const publicImage = "PUBLIC"

func showImage(i *control.StreamingImage, region string) types.Image {
	return types.Image{
		Arn: new(i.ARN(region)), Name: &i.Name, DisplayName: &i.Name, Description: &i.Description, Platform: &i.Platform,
		State: new("AVAILABLE"), Visibility: new(publicImage), CreatedTime: &i.Released, PublicBaseImageReleasedDate: &i.Released,
		ImageBuilderSupported: new(true), AppstreamAgentVersion: new(agentVersion), SupportedInstanceFamilies: i.Families,
	}
}

func (s *Service) tagResource(c *awsapi.Call, in *types.TagResourceRequest) (func(context.Context) (*types.TagResourceResponse, error), error) {
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*types.TagResourceResponse, error) {
		return &types.TagResourceResponse{}, s.control.RetagStreaming(ctx, c.Behalf(), *in.ResourceArn, func(was secgroup.Tags) secgroup.Tags {
			return was.With(tags...)
		})
	}, nil
}

func (s *Service) untagResource(c *awsapi.Call, in *types.UntagResourceRequest) (func(context.Context) (*types.UntagResourceResponse, error), error) {
	return func(ctx context.Context) (*types.UntagResourceResponse, error) {
		return &types.UntagResourceResponse{}, s.control.RetagStreaming(ctx, c.Behalf(), *in.ResourceArn, func(was secgroup.Tags) secgroup.Tags {
			return was.Without(func(t secgroup.Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
		})
	}, nil
}

func (s *Service) listTags(c *awsapi.Call, in *types.ListTagsForResourceRequest) (func(context.Context) (*types.ListTagsForResourceResponse, error), error) {
	return func(context.Context) (*types.ListTagsForResourceResponse, error) {
		tags, err := control.StreamingTags(s.control.Read(), c.Scope(), *in.ResourceArn)
		if err != nil {
			return nil, err
		}
		return &types.ListTagsForResourceResponse{Tags: showTags(tags)}, nil
	}, nil
}
