// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	newWords = paging{operation: "DescribeVpcs", min: 5, max: 1000, withIDs: "not with ids"}
	oldWords = paging{operation: "DescribeSecurityGroups", min: 5, max: 1000, old: true}
	here     = secgroup.Scope{Account: "111122223333", Region: "us-east-1"}
)

func TestPageErrors(t *testing.T) {
	for _, c := range []struct {
		paging paging
		limit  *int32
		token  *string
		ids    bool
		want   string
	}{
		{oldWords, new(int32(1)), nil, false, "InvalidParameterValue: Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5."},
		{oldWords, new(int32(1001)), nil, false, "InvalidParameterValue: Value ( 1001 ) for parameter maxResults is invalid. Expecting a value smaller than 1000."},
		{oldWords, nil, new("garbage"), false, "InvalidPaginationToken: Next token 'garbage' is invalid"},
		{newWords, new(int32(4)), nil, false, "InvalidParameterValue: Value ( 4 ) for parameter MaxResults is invalid. Expecting a value greater than or equal to 5."},
		{newWords, new(int32(2000)), nil, false, "InvalidParameterValue: Value ( 2000 ) for parameter MaxResults is invalid. Expecting a value smaller than or equal to 1000."},
		{newWords, nil, new("garbage"), false, "InvalidParameterValue: Value ( garbage ) for parameter NextToken is invalid. The token is invalid."},
		{newWords, new(int32(5)), nil, true, "InvalidParameterCombination: not with ids"},
	} {
		in := &ec2types.DescribeVpcsRequest{MaxResults: c.limit, NextToken: c.token}
		if _, err := c.paging.cursor(here, in, c.ids); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

type item struct {
	created time.Time
	id      string
}

func (i item) key() string { return sortKey(i.created, i.id) }

func TestPagesHoldEveryItemOnce(t *testing.T) {
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	var items []item
	for i := range 12 {
		items = append(items, item{begin.Add(time.Duration(i/3) * time.Nanosecond), fmt.Sprint("vpc-", 99-i)})
	}
	in := &ec2types.DescribeVpcsRequest{MaxResults: new(int32(5))}
	var seen []string
	var sizes []int
	for {
		c, err := newWords.cursor(here, in, false)
		if err != nil {
			t.Fatal(err)
		}
		out, token := page(c, slices.Clone(items), item.key)
		for _, i := range out {
			seen = append(seen, i.id)
		}
		sizes = append(sizes, len(out))
		if in.NextToken = token; token == nil {
			break
		}
		// The last item of this page goes, one before it comes: neither disturbs.
		items = slices.DeleteFunc(items, func(i item) bool { return i.id == out[len(out)-1].id })
		items = append(items, item{begin.Add(-time.Second), fmt.Sprint("early-", len(seen))})
	}
	if want := []int{5, 5, 2}; !slices.Equal(sizes, want) { // Q9
		t.Errorf("pages of %v, want %v", sizes, want)
	}
	want := []string{"vpc-97", "vpc-98", "vpc-99", "vpc-94", "vpc-95", "vpc-96", "vpc-91", "vpc-92", "vpc-93", "vpc-88", "vpc-89", "vpc-90"}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}

func TestTokenIsBoundToTheWalk(t *testing.T) {
	items := []item{{id: "a"}, {id: "b"}, {id: "c"}, {id: "d"}, {id: "e"}, {id: "f"}}
	in := &ec2types.DescribeVpcsRequest{MaxResults: new(int32(5)), Filters: []ec2types.Filter{filter("state", "available")}}
	c, err := newWords.cursor(here, in, false)
	if err != nil {
		t.Fatal(err)
	}
	_, token := page(c, items, item.key)
	if token == nil {
		t.Fatal("no token after five of six")
	}
	with := func(change func(*ec2types.DescribeVpcsRequest)) *ec2types.DescribeVpcsRequest {
		next := *in
		next.NextToken = token
		change(&next)
		return &next
	}
	for _, c := range []struct {
		name   string
		paging paging
		scope  secgroup.Scope
		in     *ec2types.DescribeVpcsRequest
		ok     bool
	}{
		{"same", newWords, here, with(func(*ec2types.DescribeVpcsRequest) {}), true},
		{"other page size", newWords, here, with(func(r *ec2types.DescribeVpcsRequest) { r.MaxResults = new(int32(7)) }), true},
		{"other filter", newWords, here, with(func(r *ec2types.DescribeVpcsRequest) { r.Filters = nil }), false},
		{"other operation", oldWords, here, with(func(*ec2types.DescribeVpcsRequest) {}), false},
		{"other Region", newWords, secgroup.Scope{Account: here.Account, Region: "eu-west-1"}, with(func(*ec2types.DescribeVpcsRequest) {}), false},
		{"other account", newWords, secgroup.Scope{Account: "444455556666", Region: here.Region}, with(func(*ec2types.DescribeVpcsRequest) {}), false},
	} {
		if _, err := c.paging.cursor(c.scope, c.in, false); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPageByNeverSplits(t *testing.T) {
	items := []item{{id: "a"}, {id: "b"}, {id: "c"}}
	weights := map[string]int{"a": 9, "b": 2, "c": 4}
	in := &ec2types.DescribeVpcsRequest{MaxResults: new(int32(6))}
	var pages [][]item
	for {
		c, err := newWords.cursor(here, in, false)
		if err != nil {
			t.Fatal(err)
		}
		out, token := pageBy(c, slices.Clone(items), item.key, func(i item) int { return weights[i.id] })
		pages = append(pages, out)
		if in.NextToken = token; token == nil {
			break
		}
	}
	if len(pages) != 2 || len(pages[0]) != 1 || len(pages[1]) != 2 {
		t.Errorf("pages %v", pages)
	}
}
