// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"maps"
	"reflect"
	"slices"
)

// State is everything a host has been told. The zero State has been told nothing.
type State struct {
	Revision   int64
	Instances  map[string]*Instance
	Interfaces map[string]*Interface
	Groups     map[string]*Group
	Addresses  map[AddressKey]*Address
	Routes     map[string]*Routes
}

// Merge takes a delta in.
func (s *State) Merge(d *Delta) {
	s.Revision = d.Revision
	merge(&s.Instances, d.Instances)
	merge(&s.Interfaces, d.Interfaces)
	merge(&s.Groups, d.Groups)
	merge(&s.Addresses, d.Addresses)
	merge(&s.Routes, d.Routes)
}

func merge[K comparable, V any](all *map[K]*V, delta map[K]*V) {
	if *all == nil {
		*all = make(map[K]*V, len(delta))
	}
	for key, now := range delta {
		if now == nil {
			delete(*all, key)
		} else {
			(*all)[key] = now
		}
	}
}

// Delta returns the delta that tells everything to somebody who knows nothing.
func (s *State) Delta() *Delta {
	return &Delta{
		Revision: s.Revision, Instances: maps.Clone(s.Instances), Interfaces: maps.Clone(s.Interfaces),
		Groups: maps.Clone(s.Groups), Addresses: maps.Clone(s.Addresses), Routes: maps.Clone(s.Routes),
	}
}

// Len returns how many objects the state has.
func (s *State) Len() int {
	return len(s.Instances) + len(s.Interfaces) + len(s.Groups) + len(s.Addresses) + len(s.Routes)
}

// Jump splits a delta that skips what happened in between, as the first one
// after a break does, so that no packet that passes before and after is dropped
// during it: until the rules that named a group are gone, its members have to
// stay. teller.Host.Update does the same for deltas that follow each other.
//
// first is d, but the addresses keep those of their groups that no rule names
// any more when d is in. then takes these back; nil if there are none.
func (s *State) Jump(d *Delta) (first, then *Delta) {
	named := s.namedAfter(d)
	keep := func(was, now *Address) []string {
		var out []string
		for _, g := range was.Groups {
			if _, still := named[g]; !still && (now == nil || !slices.Contains(now.Groups, g)) {
				out = append(out, g)
			}
		}
		return out
	}
	out := *d
	out.Addresses = maps.Clone(d.Addresses)
	then = &Delta{Revision: d.Revision, Addresses: map[AddressKey]*Address{}}
	for key, now := range d.Addresses {
		was := s.Addresses[key]
		if was == nil || now != nil && now.Interface != was.Interface {
			continue // it is somebody else's: what its owner was is over
		}
		kept := keep(was, now)
		if len(kept) == 0 {
			continue
		}
		with := *was
		if now != nil {
			with = *now
			kept = slices.Sorted(slices.Values(slices.Concat(kept, now.Groups)))
		}
		with.Groups, then.Addresses[key] = kept, now
		if out.Addresses[key] = &with; reflect.DeepEqual(with, *was) {
			delete(out.Addresses, key)
		}
	}
	if len(then.Addresses) == 0 {
		return d, nil
	}
	return &out, then
}

// namedAfter returns the groups that rules name once d is in.
func (s *State) namedAfter(d *Delta) map[string]struct{} {
	out := map[string]struct{}{}
	add := func(g *Group) {
		for _, rules := range g.Rules {
			for i := range rules {
				if id := rules[i].Peer.Group; id != "" {
					out[id] = struct{}{}
				}
			}
		}
	}
	for id, g := range s.Groups {
		if _, changed := d.Groups[id]; !changed {
			add(g)
		}
	}
	for _, g := range d.Groups {
		if g != nil {
			add(g)
		}
	}
	return out
}
