// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"testing"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

type thing struct {
	name  string
	sizes []string
	tags  secgroup.Tags
}

var thingFilters = filters[thing]{
	names: map[string]func(*thing) []string{
		"name": one(func(i *thing) string { return i.name }),
		"size": func(i *thing) []string { return i.sizes },
	},
	tags: func(i *thing) secgroup.Tags { return i.tags },
}

// filter returns a filter as a request carries it.
func filter(name string, values ...string) ec2types.Filter {
	return ec2types.Filter{Name: &name, Values: values}
}

func TestFilters(t *testing.T) {
	item := &thing{"web", []string{"1", "2"}, secgroup.Tags{{Key: "a:b", Value: "x"}, {Key: "none"}}}
	for _, c := range []struct {
		name string
		in   []ec2types.Filter
		want bool
	}{
		{"no filter", nil, true},
		{"values are alternatives", []ec2types.Filter{filter("name", "db", "web")}, true},
		{"any element of a list", []ec2types.Filter{filter("size", "2")}, true},
		{"all filters must match", []ec2types.Filter{filter("name", "web"), filter("size", "3")}, false},
		{"one name twice", []ec2types.Filter{filter("size", "1"), filter("size", "2")}, true},
		{"one name twice, one fails", []ec2types.Filter{filter("size", "1"), filter("size", "3")}, false},
		{"no values", []ec2types.Filter{filter("name")}, false},
		{"tag, colon in the key", []ec2types.Filter{filter("tag:a:b", "x")}, true},
		{"tag, other value", []ec2types.Filter{filter("tag:a:b", "y")}, false},
		{"tag, empty value", []ec2types.Filter{filter("tag:none", "")}, true},
		{"tag, absent", []ec2types.Filter{filter("tag:gone", "*")}, false},
		{"tag-key", []ec2types.Filter{filter("tag-key", "n*")}, true},
		{"tag-value", []ec2types.Filter{filter("tag-value", "x")}, true},
	} {
		match, err := thingFilters.compile(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := match(item); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestFiltersRefuse(t *testing.T) {
	many := make([]string, 201)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for _, c := range []struct {
		in   []ec2types.Filter
		want string
	}{
		{[]ec2types.Filter{filter("nonsense", "x")}, "InvalidParameterValue: The filter 'nonsense' is invalid"}, // Q7
		{[]ec2types.Filter{{Values: []string{"x"}}}, "InvalidParameterValue: The filter 'null' is invalid"},
		{[]ec2types.Filter{filter("name", many[:100]...), filter("size", many[100:]...)},
			"FilterLimitExceeded: The number of filters or filter values exceeds the limit."},
	} {
		if _, err := thingFilters.compile(c.in); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if _, err := thingFilters.compile([]ec2types.Filter{filter("name", many[:200]...)}); err != nil {
		t.Errorf("200 values: %v", err)
	}
	untagged := filters[thing]{names: thingFilters.names}
	if _, err := untagged.compile([]ec2types.Filter{filter("tag:a", "x")}); err == nil {
		t.Error("tag filter on what has no tags")
	}
}
