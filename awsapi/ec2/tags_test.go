// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
)

// describedTags returns what DescribeTags shows as "type key=value", sorted by resource.
func (r *rig) describedTags(t *testing.T, filters ...sdktypes.Filter) string {
	t.Helper()
	var text []string
	for _, tag := range must(r.DescribeTags(t.Context(), &sdk.DescribeTagsInput{Filters: filters}))(t).Tags {
		text = append(text, string(tag.ResourceType)+" "+*tag.Key+"="+*tag.Value)
	}
	return strings.Join(text, ", ")
}

func TestTags(t *testing.T) {
	r := newRig(t, control.Config{})
	v := r.makeVPC(t, "10.0.0.0/16", "a", "1")
	ids := []string{*v.VpcId}
	for g := range r.control.Read().Groups.By(model.ByVPC, *v.VpcId) {
		ids = append(ids, g.ID, g.Rules[0].ID)
	}
	must(r.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: ids, Tags: append(sdkTags("b", "2"), sdktypes.Tag{Key: aws.String("c")})}))(t)
	for _, c := range []struct {
		filters []sdktypes.Filter
		want    string
	}{
		{nil, "security-group b=2, security-group c=, security-group-rule b=2, security-group-rule c=, vpc a=1, vpc b=2, vpc c="},
		{[]sdktypes.Filter{where("key", "a")}, "vpc a=1"},
		{[]sdktypes.Filter{where("value", "")}, "security-group c=, security-group-rule c=, vpc c="},
		{[]sdktypes.Filter{where("resource-id", *v.VpcId), where("key", "b")}, "vpc b=2"},
		{[]sdktypes.Filter{where("resource-type", "security-group")}, "security-group b=2, security-group c="},
		{[]sdktypes.Filter{where("tag:b", "2"), where("resource-type", "vpc")}, "vpc b=2"},
	} {
		if got := r.describedTags(t, c.filters...); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	page := must(r.DescribeTags(t.Context(), &sdk.DescribeTagsInput{MaxResults: aws.Int32(5)}))(t)
	rest := must(r.DescribeTags(t.Context(), &sdk.DescribeTagsInput{MaxResults: aws.Int32(5), NextToken: page.NextToken}))(t)
	if len(page.Tags) != 5 || len(rest.Tags) != 2 || rest.NextToken != nil {
		t.Errorf("pages of %d and %d", len(page.Tags), len(rest.Tags))
	}
	must(r.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: ids, Tags: []sdktypes.Tag{{Key: aws.String("b"), Value: aws.String("x")}, {Key: aws.String("c")}}}))(t)
	if got, want := r.describedTags(t), "security-group b=2, security-group-rule b=2, vpc a=1, vpc b=2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	must(r.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: ids}))(t)
	if got := r.describedTags(t); got != "" {
		t.Errorf("left %s", got)
	}
}

func TestTagsRefuse(t *testing.T) {
	r := newRig(t, control.Config{})
	v := *r.makeVPC(t, "10.0.0.0/16").VpcId
	many := make([]string, 1001)
	for i := range many {
		many[i] = v
	}
	for _, c := range []struct {
		ids  []string
		tags []sdktypes.Tag
		want string
	}{
		{nil, sdkTags("a", "1"), "MissingParameter: The request must contain the parameter resourceIdSet"},
		{[]string{v}, nil, "MissingParameter: The request must contain the parameter tags"},
		{many, sdkTags("a", "1"), "InvalidParameterValue: The request may name at most 1000 resources."},
		{[]string{"x"}, sdkTags("a", "1"), "InvalidID: The ID 'x' is not valid"},
		{[]string{v, "sg-00000000"}, sdkTags("a", "1"), "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist"},
		{[]string{v}, sdkTags("aws:x", "1"), "InvalidParameterValue: Value ( aws:x ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use"},
	} {
		in := &sdk.CreateTagsInput{Resources: c.ids, Tags: c.tags}
		if in.Resources == nil {
			in.Resources = []string{} // the SDK itself refuses nil
		}
		if in.Tags == nil {
			in.Tags = []sdktypes.Tag{}
		}
		_, err := r.CreateTags(t.Context(), in)
		refused(t, err, c.want)
	}
	_, err := r.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: []string{v}, Tags: sdkTags("aws:x", "1")})
	refused(t, err, "InvalidParameterValue: Value ( aws:x ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use")
	if got := r.describedTags(t); got != "" {
		t.Errorf("a refused call left %s", got)
	}
}
