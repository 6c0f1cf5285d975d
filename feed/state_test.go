// SPDX-License-Identifier: Apache-2.0

package feed_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

func naming(groups ...string) *feed.Group {
	g := &feed.Group{ID: "sg-own"}
	for _, id := range groups {
		g.Rules[flow.Ingress] = append(g.Rules[flow.Ingress], policy.Rule{ID: "sgr-" + id, Protocol: policy.All, Peer: policy.Peer{Group: id}})
	}
	return g
}

// TestAJumpTakesMembersBackAfterTheRulesThatNamedThem: a packet that a rule for a
// group admits before, and a rule for a range after, passes all along; one of a
// former member of a group that is named still never passes.
func TestAJumpTakesMembersBackAfterTheRulesThatNamedThem(t *testing.T) {
	key := func(n byte) feed.AddressKey {
		return feed.AddressKey{VPC: "vpc-1", Addr: netip.AddrFrom4([4]byte{10, 0, 0, n})}
	}
	with := func(groups ...string) *feed.Address { return &feed.Address{Interface: "eni-1", Groups: groups} }
	const gone, trimmed, left, grown, other = 1, 2, 3, 4, 5
	s := &feed.State{}
	s.Merge(&feed.Delta{
		Revision: 1, Groups: map[string]*feed.Group{"sg-own": naming("sg-a", "sg-b")},
		Addresses: map[feed.AddressKey]*feed.Address{
			key(gone): with("sg-a"), key(trimmed): with("sg-a", "sg-b"), key(left): with("sg-b"), key(grown): with("sg-a"), key(other): with("sg-a"),
		},
	})
	first, then := s.Jump(&feed.Delta{
		Revision: 9, Groups: map[string]*feed.Group{"sg-own": naming("sg-b", "sg-c")}, // sg-a is named no more
		Addresses: map[feed.AddressKey]*feed.Address{
			key(gone): nil, key(trimmed): with("sg-b"), key(left): nil, key(grown): with("sg-c"), key(other): {Interface: "eni-2", Groups: []string{"sg-b"}},
		},
	})
	during, after := *s, *s
	during.Addresses, after.Addresses = s.Delta().Addresses, nil
	during.Merge(first)
	for n, want := range map[byte][]string{
		gone: {"sg-a"}, trimmed: {"sg-a", "sg-b"}, left: nil, grown: {"sg-a", "sg-c"},
		other: {"sg-b"}, // it is another interface's now
	} {
		var got []string
		if a := during.Addresses[key(n)]; a != nil {
			got = a.Groups
		}
		if !slices.Equal(got, want) {
			t.Errorf("address %d: while the rules change it is in %v, want %v", n, got, want)
		}
	}
	after.Addresses = during.Delta().Addresses
	after.Merge(then)
	for n, want := range map[byte][]string{gone: nil, trimmed: {"sg-b"}, left: nil, grown: {"sg-c"}, other: {"sg-b"}} {
		var got []string
		if a := after.Addresses[key(n)]; a != nil {
			got = a.Groups
		}
		if !slices.Equal(got, want) {
			t.Errorf("address %d: in the end it is in %v, want %v", n, got, want)
		}
	}
	if first.Revision != 9 || then.Revision != 9 || first.Groups["sg-own"] == nil || len(then.Groups) != 0 {
		t.Errorf("the jump is %+v, then %+v", first, then)
	}
}

// TestAJumpThatTakesNothingBackIsOneStep: nothing is made of nothing.
func TestAJumpThatTakesNothingBackIsOneStep(t *testing.T) {
	d := &feed.Delta{Revision: 2, Groups: map[string]*feed.Group{"sg-own": naming("sg-a")}}
	if first, then := (&feed.State{}).Jump(d); first != d || then != nil {
		t.Errorf("the jump is %+v, then %+v", first, then)
	}
}
