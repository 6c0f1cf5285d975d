// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) tagOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateTags", s.createTags),
		awsapi.RegionalOp(s.control, "DeleteTags", s.deleteTags),
		awsapi.RegionalOp(s.control, "DescribeTags", s.describeTags),
	}
}

// maxTaggedAtOnce is how many resources one CreateTags or DeleteTags may name.
const maxTaggedAtOnce = 1000

// checkResources checks the list of resources to tag. Their types are looked at
// when they are looked up.
func checkResources(ids []string) error {
	if len(ids) == 0 {
		return missing("resourceIdSet")
	}
	if len(ids) > maxTaggedAtOnce {
		return secgroup.Errorf("InvalidParameterValue", "The request may name at most %d resources.", maxTaggedAtOnce)
	}
	for _, id := range ids {
		if id == "" {
			return secgroup.Errorf("InvalidID", "The ID '' is not valid")
		}
	}
	return nil
}

func (s *Service) createTags(c *awsapi.Call, in *ec2types.CreateTagsRequest) (func(context.Context) (*ec2types.CreateTagsResult, error), error) {
	if err := checkResources(in.Resources); err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, missing("tags")
	}
	tags, err := parseTags(in.Tags, reservedKey)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateTagsResult, error) {
		return result[ec2types.CreateTagsResult](s.control.CreateTags(ctx, c.Behalf(), in.Resources, tags))
	}, nil
}

func (s *Service) deleteTags(c *awsapi.Call, in *ec2types.DeleteTagsRequest) (func(context.Context) (*ec2types.DeleteTagsResult, error), error) {
	if err := checkResources(in.Resources); err != nil {
		return nil, err
	}
	var removals []control.TagRemoval
	for _, tag := range in.Tags {
		if err := checkTagKey(tag.Key, reservedKey); err != nil {
			return nil, err
		}
		removals = append(removals, control.TagRemoval{Key: *tag.Key, Value: tag.Value})
	}
	return func(ctx context.Context) (*ec2types.DeleteTagsResult, error) {
		return result[ec2types.DeleteTagsResult](s.control.DeleteTags(ctx, c.Behalf(), in.Resources, removals))
	}, nil
}

var tagFilters = filters[control.TaggedResource]{
	names: map[string]func(*control.TaggedResource) []string{
		"key":           one(func(r *control.TaggedResource) string { return r.Key }),
		"resource-id":   one(func(r *control.TaggedResource) string { return r.ID }),
		"resource-type": one(func(r *control.TaggedResource) string { return r.Type }),
		"value":         one(func(r *control.TaggedResource) string { return r.Value }),
	},
	tags: func(r *control.TaggedResource) secgroup.Tags { return secgroup.Tags{r.Tag} },
}

// tagPaging has no word about ids: DescribeTags takes none.
var tagPaging = paging{operation: "DescribeTags", min: 5, max: 1000}

func (s *Service) describeTags(c *awsapi.Call, in *ec2types.DescribeTagsRequest) (func(context.Context) (*ec2types.DescribeTagsResult, error), error) {
	cursor, err := tagPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	match, err := tagFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeTagsResult, error) {
		out := &ec2types.DescribeTagsResult{}
		all := control.TaggedResources(s.control.Read(), c.Scope())
		rows := make([]*control.TaggedResource, len(all))
		for i := range all {
			rows[i] = &all[i]
		}
		out.Tags, out.NextToken = list(cursor, rows, match,
			func(r *control.TaggedResource) string { return r.ID + " " + r.Key },
			func(r *control.TaggedResource) ec2types.TagDescription {
				return ec2types.TagDescription{ResourceId: new(r.ID), ResourceType: new(r.Type), Key: new(r.Key), Value: new(r.Value)}
			})
		return out, nil
	}, nil
}
