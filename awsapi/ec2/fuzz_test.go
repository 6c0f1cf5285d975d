// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// FuzzPageToken gives a Describe any token: it is refused in words for a client, or
// names a place that is found again by the token of that place.
func FuzzPageToken(f *testing.F) {
	request := func(token string) *ec2types.DescribeVpcsRequest {
		return &ec2types.DescribeVpcsRequest{MaxResults: new(int32(5)), NextToken: &token, VpcIds: []string{"vpc-1"}}
	}
	paging := paging{operation: "DescribeVpcs", min: 5, max: 1000}
	begin, err := paging.cursor(here, request(""), false)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(*begin.next("20250101000000.000000000vpc-0123456789abcdef0"))
	f.Add(*begin.next(""))
	f.Add("eyJOZXh0VG9rZW4iOiBudWxsLCAiYm90b190cnVuY2F0ZV9hbW91bnQiOiA1fQ==") // botocore's own, by mistake
	f.Add("garbage")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := paging.cursor(here, request(token), false)
		if e := new(secgroup.Error); err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v is no answer for a client", token, err)
			}
			return
		}
		if token == "" {
			return
		}
		if again, err := paging.cursor(here, request(*c.next(c.after)), false); err != nil || again != c {
			t.Errorf("%q leads to %q, whose token leads to %q, %v", token, c.after, again.after, err)
		}
		elsewhere := secgroup.Scope{Account: "444455556666", Region: here.Region}
		if _, err := paging.cursor(elsewhere, request(token), false); err == nil {
			t.Errorf("%q is good for another account", token)
		}
	})
}

// FuzzFilters gives a Describe any two filters: they are refused in words for a
// client, or are met by exactly what meets each of them.
func FuzzFilters(f *testing.F) {
	type thing struct {
		name, id string
		tags     secgroup.Tags
	}
	known := filters[thing]{
		names: map[string]func(*thing) []string{
			"group-name": one(func(t *thing) string { return t.name }),
			"group-id":   some(func(t *thing) string { return t.id }),
		},
		tags: func(t *thing) secgroup.Tags { return t.tags },
	}
	f.Add("group-name", "w?b*", "tag:Name", "a", "web", "sg-1", "Name", "a")
	f.Add("tag-key", `a\\*b`, "group-id", "", "a*b", "", "a*b", "")
	f.Add("tag:a:b", "*", "tag:", `\\`, "x", "y", "a:b", "v")
	f.Add("", "", "nonsense", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, name, id, key, value string) {
		one, other := ec2types.Filter{Name: &n1, Values: []string{v1}}, ec2types.Filter{Name: &n2, Values: []string{v2, v1}}
		item := &thing{name, id, secgroup.Tags{{Key: key, Value: value}}}
		compile := func(in ...ec2types.Filter) (bool, bool) {
			match, err := known.compile(in)
			if e := new(secgroup.Error); err != nil {
				if !errors.As(err, &e) {
					t.Fatalf("%+v: %v is no answer for a client", in, err)
				}
				return false, false
			}
			return match(item), true
		}
		first, ok1 := compile(one)
		second, ok2 := compile(other)
		both, ok := compile(one, other)
		if ok != (ok1 && ok2) || both != (first && second) {
			t.Errorf("%q: %v, %v; both %v", []string{n1, v1, n2, v2}, first, second, both)
		}
		values := one
		values.Values = slices.Concat(other.Values, one.Values)
		if many, ok := compile(values); ok && first && !many {
			t.Errorf("another value of %q makes it match less", n1)
		}
		if star, ok := compile(ec2types.Filter{Name: &n1, Values: []string{strings.Repeat("*", 50)}}); ok && first && !star {
			t.Errorf("%q is matched by %q and not by stars", n1, v1)
		}
	})
}
