// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// arn returns a resource's name in the form arn:aws:ec2:REGION:ACCT:kind/id
// (docs/spec/ec2-api.md section 0.3).
func arn(scope secgroup.Scope, kind, id string) string {
	return "arn:aws:ec2:" + scope.Region + ":" + scope.Account + ":" + kind + "/" + id
}

// tagSet returns tags as results show them: nil, thus absent, when there are
// none.
func tagSet(tags secgroup.Tags) []ec2types.Tag {
	if len(tags) == 0 {
		return nil
	}
	return tagSetOrEmpty(tags)
}

// tagSetOrEmpty is tagSet for the places that show an empty element instead
// (docs/spec/ec2-api.md section 1.2).
func tagSetOrEmpty(tags secgroup.Tags) []ec2types.Tag {
	set := make([]ec2types.Tag, len(tags))
	for i, tag := range tags {
		set[i] = ec2types.Tag{Key: new(tag.Key), Value: new(tag.Value)}
	}
	return set
}

// optional returns a pointer to the value, nil when it is zero: optional scalars
// without value are absent.
func optional[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// deref returns what a request's optional scalar holds, the zero value when it
// was not given.
func deref[T any](value *T) T {
	if value == nil {
		var zero T
		return zero
	}
	return *value
}

// each converts a list; the result is never nil, so that an empty list is an
// empty element.
func each[A, B any](in []A, convert func(A) B) []B {
	out := make([]B, len(in))
	for i := range in {
		out[i] = convert(in[i])
	}
	return out
}

// result returns the empty result of an operation that only succeeds or fails.
func result[Out any](err error) (*Out, error) {
	if err != nil {
		return nil, err
	}
	return new(Out), nil
}
