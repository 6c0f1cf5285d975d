// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// filters says what the filters of one Describe compare
// (docs/spec/ec2-api.md section 1.9).
type filters[T any] struct {
	// names maps the name of each filter to the values that an item has for it:
	// several for a list, none when the item lacks the property.
	names map[string]func(*T) []string
	tags  func(*T) secgroup.Tags // makes tag:KEY, tag-key and tag-value work; nil for what has no tags
}

// maxFilterValues is the number of values that one request may filter by.
const maxFilterValues = 200

// condition is one filter of a request: an item meets it when any of its values
// matches any pattern.
type condition[T any] struct {
	values   func(*T) []string
	patterns []pattern
}

// compile returns the function that reports whether an item passes every filter
// of the request. It refuses unknown names and too many values.
func (f filters[T]) compile(in []ec2types.Filter) (func(*T) bool, error) {
	conditions := make([]condition[T], 0, len(in))
	count := 0
	for i := range in {
		if count += len(in[i].Values); count > maxFilterValues {
			return nil, secgroup.Errorf("FilterLimitExceeded", "The number of filters or filter values exceeds the limit.")
		}
		values := f.values(in[i].Name)
		if values == nil {
			name := "null"
			if in[i].Name != nil && *in[i].Name != "" {
				name = *in[i].Name
			}
			return nil, secgroup.Errorf("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		c := condition[T]{values: values}
		for _, v := range in[i].Values {
			c.patterns = append(c.patterns, newPattern(v))
		}
		conditions = append(conditions, c)
	}
	return func(item *T) bool {
		for i := range conditions {
			if !conditions[i].meets(item) {
				return false
			}
		}
		return true
	}, nil
}

// values returns what the filter of that name compares, nil for no such filter.
func (f filters[T]) values(name *string) func(*T) []string {
	if name == nil {
		return nil
	}
	if values := f.names[*name]; values != nil || f.tags == nil {
		return values
	}
	if key, ok := strings.CutPrefix(*name, "tag:"); ok {
		return func(item *T) []string {
			if value, ok := f.tags(item).Get(key); ok {
				return []string{value}
			}
			return nil
		}
	}
	part := func(of func(secgroup.Tag) string) func(*T) []string {
		return func(item *T) []string {
			var values []string
			for _, tag := range f.tags(item) {
				values = append(values, of(tag))
			}
			return values
		}
	}
	switch *name {
	case "tag-key":
		return part(func(t secgroup.Tag) string { return t.Key })
	case "tag-value":
		return part(func(t secgroup.Tag) string { return t.Value })
	}
	return nil
}

// meets reports whether the item has a value that a pattern matches. A filter
// without values is met by nothing.
func (c *condition[T]) meets(item *T) bool {
	return slices.ContainsFunc(c.values(item), func(v string) bool {
		return slices.ContainsFunc(c.patterns, func(p pattern) bool { return p.matches(v) })
	})
}

// one adapts a property that every item has to a filter.
func one[T any](value func(*T) string) func(*T) []string {
	return func(item *T) []string { return []string{value(item)} }
}

// some adapts a property that an item may lack: an empty value is none.
func some[T any](value func(*T) string) func(*T) []string {
	return func(item *T) []string {
		if v := value(item); v != "" {
			return []string{v}
		}
		return nil
	}
}
