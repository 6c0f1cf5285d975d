// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// tagged returns a TagSpecification; tags alternate between key and value.
func tagged(kind string, tags ...string) ec2types.TagSpecification {
	s := ec2types.TagSpecification{ResourceType: optional(kind)}
	for i := 0; i < len(tags); i += 2 {
		s.Tags = append(s.Tags, ec2types.Tag{Key: &tags[i], Value: &tags[i+1]})
	}
	return s
}

func TestTagSpecifications(t *testing.T) {
	got, err := parseTagSpecifications([]ec2types.TagSpecification{
		tagged("vpc", "a", "1", "b", ""), tagged("subnet", "c", "3"), tagged("vpc", "a", "2"),
		{ResourceType: new("subnet"), Tags: []ec2types.Tag{{Key: new("no value")}}},
	}, control.VPCType, control.SubnetType)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]secgroup.Tags{
		"vpc":    {{Key: "a", Value: "2"}, {Key: "b"}},
		"subnet": {{Key: "c", Value: "3"}, {Key: "no value"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTagSpecificationsRefuse(t *testing.T) {
	for _, c := range []struct {
		in   ec2types.TagSpecification
		kind string
		want string
	}{
		{tagged("", "a", "1"), "vpc", "InvalidParameter: Tag specification resource type must have a value"},
		{tagged("subnet", "a", "1"), "vpc", "InvalidParameterValue: 'subnet' is not a valid taggable resource type for this operation."},
		{tagged("vpc"), "vpc", "InvalidParameterValue: Tag specification must have at least one tag"},
		{tagged("vpc", "a", "1", "a", "2"), "vpc", "InvalidParameterValue: Duplicate tag key 'a' specified."},
		{tagged("vpc", "AWS:x", "1"), "vpc", "InvalidParameterValue: Value ( AWS:x ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use"},
		{tagged("instance", "aws:x", "1"), "instance", "InvalidParameterValue: Tag keys starting with 'aws:' are reserved for internal use"},
		{tagged("vpc", "", "1"), "vpc", "MissingParameter: The request must contain the parameter key"},
		{tagged("vpc", strings.Repeat("é", 129), "1"), "vpc", "InvalidParameterValue: Tag key exceeds the maximum length of 128 characters"},
		{tagged("vpc", "a", strings.Repeat("é", 257)), "vpc", "InvalidParameterValue: Tag value exceeds the maximum length of 256 characters"},
	} {
		if _, err := parseTagSpecifications([]ec2types.TagSpecification{c.in}, c.kind); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	longest := tagged("vpc", strings.Repeat("é", 128), strings.Repeat("é", 256))
	if _, err := parseTagSpecifications([]ec2types.TagSpecification{longest}, "vpc"); err != nil {
		t.Errorf("the longest tag: %v", err)
	}
}
