// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// NewPrefixList is what CreatePrefixList is given. The entries are canonical, of
// the list's family and different from each other.
type NewPrefixList struct {
	Name       string
	IPv6       bool
	MaxEntries int // 1 to Quotas.EntriesPerPrefixList
	Entries    []secgroup.PrefixListEntry
	Tags       secgroup.Tags
	Token      ClientToken
}

// CreatePrefixList makes a list in its version 1, which rules may name at once
// (docs/spec/ec2-api.md section 8). Like all changes of lists it is done when it
// is answered, and answers as if it were not.
//
// Errors: PrefixListMaxEntriesExceeded, PrefixListLimitExceeded, TagLimitExceeded.
func (s *Service) CreatePrefixList(ctx context.Context, caller Caller, in NewPrefixList) (answer *secgroup.PrefixList, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		answer = nil
		ids, err := s.once(tx, caller.Scope, "CreateManagedPrefixList", in.Token, func() ([]string, error) {
			if len(in.Entries) > in.MaxEntries {
				return nil, errManyEntries
			}
			if full(&tx.PrefixLists, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).PrefixListsPerRegion) {
				return nil, secgroup.Errorf("PrefixListLimitExceeded", "You've reached the limit on the number of prefix lists that you can create.")
			}
			if err := s.checkTagCount(in.Tags); err != nil {
				return nil, err
			}
			made := &secgroup.PrefixList{
				Scope: caller.Scope, ID: newID(secgroup.PrefixListPrefix), Name: in.Name, IPv6: in.IPv6, MaxEntries: in.MaxEntries,
				Version: 1, Entries: secgroup.ChangeEntries(nil, nil, in.Entries), State: secgroup.CreateComplete,
				Tags: in.Tags, Created: s.now().UTC(),
			}
			tx.PrefixLists.Put(made)
			answer = underWay(made, secgroup.CreateInProgress)
			return []string{made.ID}, nil
		})
		if err != nil || answer != nil {
			return err
		}
		answer, err = findPrefixList(tx.Snapshot, caller.Scope, ids[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// underWay returns a list as it is shown while something happens to it.
func underWay(l *secgroup.PrefixList, state secgroup.PrefixListState) *secgroup.PrefixList {
	shown := *l
	shown.State, shown.StateMessage = state, ""
	return &shown
}

var errManyEntries = secgroup.Errorf("PrefixListMaxEntriesExceeded",
	"You've reached the maximum number of entries for the prefix list.")

// errBadChange is what a change of entries gets that does not fit those there
// are, and one that changes nothing.
var errBadChange = secgroup.Errorf("InvalidRequest", "The request received was invalid.")

// PrefixListChange is what ModifyPrefixList is given: entries to remove and to
// add, of which no prefix comes twice, or a size, and a name.
type PrefixListChange struct {
	List       string
	Version    *int64 // that the list must be at; nil when that is not said
	Add        []secgroup.PrefixListEntry
	Remove     []netip.Prefix
	MaxEntries int    // 0 leaves it
	Name       string // "" leaves it
}

// ModifyPrefixList changes a list. What rules admit follows a change of entries
// at once; it makes a new version, other changes do not. A size that a group's
// quota of rules has no room for is accepted, and leaves the list as it was, in
// state modify-failed (docs/spec/ec2-api.md section 8.2).
//
// Errors: InvalidPrefixListID.NotFound, PrefixListVersionMismatch, InvalidRequest,
// InvalidParameterValue, PrefixListMaxEntriesExceeded.
func (s *Service) ModifyPrefixList(ctx context.Context, caller Caller, change PrefixListChange) (answer *secgroup.PrefixList, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		l, err := listAt(tx.Snapshot, caller.Scope, change.List, change.Version)
		if err != nil {
			return err
		}
		answer = underWay(l, secgroup.ModifyInProgress)
		next := *l
		next.State, next.StateMessage = secgroup.ModifyComplete, ""
		if change.Name != "" {
			next.Name, answer.Name = change.Name, change.Name
		}
		switch {
		case len(change.Add)+len(change.Remove) > 0:
			entries, err := changedEntries(l, &change)
			if err != nil {
				return err
			}
			s.newVersion(tx, &next, entries)
		case change.MaxEntries != 0:
			if change.MaxEntries < len(l.Entries) {
				return secgroup.Errorf("InvalidParameterValue",
					"The maximum number of entries (%d) cannot be less than the number of entries in the prefix list (%d).", change.MaxEntries, len(l.Entries))
			}
			next.MaxEntries = change.MaxEntries
			if crowded := s.crowded(tx.Snapshot, &next); len(crowded) > 0 {
				next = *l
				next.State, next.StateMessage = secgroup.ModifyFailed, listedIn("The maximum number of rules per security group would be exceeded.", crowded)
			}
		case change.Name == "":
			return errBadChange
		}
		tx.PrefixLists.Put(&next)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// changedEntries returns a list's entries after a change that must fit them:
// what is added is not there yet, what is removed is.
func changedEntries(l *secgroup.PrefixList, change *PrefixListChange) ([]secgroup.PrefixListEntry, error) {
	for _, e := range change.Add {
		if e.Prefix.Addr().Is6() != l.IPv6 {
			return nil, secgroup.EntryError(e.Prefix.String())
		}
		if hasEntry(l, e.Prefix) {
			return nil, errBadChange
		}
	}
	for _, p := range change.Remove {
		if !hasEntry(l, p) {
			return nil, errBadChange
		}
	}
	entries := secgroup.ChangeEntries(l.Entries, change.Remove, change.Add)
	if len(entries) > l.MaxEntries {
		return nil, errManyEntries
	}
	return entries, nil
}

func hasEntry(l *secgroup.PrefixList, p netip.Prefix) bool {
	_, found := slices.BinarySearchFunc(l.Entries, p, func(e secgroup.PrefixListEntry, p netip.Prefix) int {
		return secgroup.ComparePrefixes(e.Prefix, p)
	})
	return found
}

// DeletePrefixList removes a list with its versions. While rules name it the
// request is accepted all the same, and the list stays, in state delete-failed
// (docs/spec/ec2-api.md section 8.2).
//
// Errors: InvalidPrefixListID.NotFound.
func (s *Service) DeletePrefixList(ctx context.Context, caller Caller, id string) (answer *secgroup.PrefixList, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		l, err := findPrefixList(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		answer = underWay(l, secgroup.DeleteInProgress)
		if users := slices.Collect(tx.Groups.By(model.ByPrefixList, id)); len(users) > 0 {
			next := *l
			next.State, next.StateMessage = secgroup.DeleteFailed, listedIn("The prefix list is in use.", users)
			tx.PrefixLists.Put(&next)
			return nil
		}
		dropVersions(tx, id, l.Version-1)
		tx.PrefixLists.Delete(id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// maxListed is how many groups a state message names.
const maxListed = 10

// listedIn returns a state message: what is wrong, and the groups that are to
// blame.
func listedIn(message string, groups []*secgroup.Group) string {
	var ids []string
	for _, g := range groups[:min(len(groups), maxListed)] {
		ids = append(ids, g.ID)
	}
	return message + " " + strings.Join(ids, ", ")
}
