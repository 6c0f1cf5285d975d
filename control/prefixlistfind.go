// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const noPrefixList = "InvalidPrefixListID.NotFound"

// unknownList is what operations on lists say of an id that names nothing.
func unknownList(id string) error {
	return secgroup.Errorf(noPrefixList, "The prefix list (%s) does not exist.", id)
}

// unknownListInRule is what rules and tags say of it.
func unknownListInRule(id string) error {
	return secgroup.Errorf(noPrefixList, "The prefix list ID '%s' does not exist", id)
}

// prefixListOf returns the scope's list of that id, nil for none.
func prefixListOf(snap *model.Snapshot, scope secgroup.Scope, id string) *secgroup.PrefixList {
	if l := snap.PrefixLists.Get(id); l != nil && l.Scope == scope {
		return l
	}
	return nil
}

// findPrefixList returns the scope's list of that id.
func findPrefixList(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.PrefixList, error) {
	if l := prefixListOf(snap, scope, id); l != nil {
		return l, nil
	}
	return nil, unknownList(id)
}

// listAt is findPrefixList for a list that must be at a version; nil is any.
func listAt(snap *model.Snapshot, scope secgroup.Scope, id string, version *int64) (*secgroup.PrefixList, error) {
	l, err := findPrefixList(snap, scope, id)
	if err == nil && version != nil && *version != l.Version {
		return nil, secgroup.Errorf("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")
	}
	return l, err
}

// PrefixLists returns the scope's lists of these ids, or all of them for none.
//
// Errors: InvalidPrefixListID.NotFound.
func PrefixLists(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.PrefixList, error) {
	return named(&snap.PrefixLists, scope, ids, func(l *secgroup.PrefixList) secgroup.Scope { return l.Scope }, unknownList, unknownLists)
}

// CheckServicePrefixLists refuses ids of AWS-managed lists, of which there are
// none (docs/spec/ec2-api.md section 8.1).
func CheckServicePrefixLists(ids []string) error {
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return unknownList(ids[0])
	}
	return unknownLists(strings.Join(ids, ", "))
}

func unknownLists(ids string) error {
	return secgroup.Errorf(noPrefixList, "The prefix lists (%s) do not exist.", ids)
}

// PrefixListUsers returns the groups with a rule that names the scope's list.
//
// Errors: InvalidPrefixListID.NotFound.
func PrefixListUsers(snap *model.Snapshot, scope secgroup.Scope, id string) ([]*secgroup.Group, error) {
	if _, err := findPrefixList(snap, scope, id); err != nil {
		return nil, err
	}
	return slices.Collect(snap.Groups.By(model.ByPrefixList, id)), nil
}
