// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// newVersion gives next, a copy of the stored list, its next entries, and keeps
// the version that they take the place of. The oldest goes when there are too
// many (docs/spec/ec2-api.md section 8.1).
func (s *Service) newVersion(tx *model.Tx, next *secgroup.PrefixList, entries []secgroup.PrefixListEntry) {
	without, with := secgroup.EntryChanges(entries, next.Entries)
	tx.PrefixListVersions.Put(&secgroup.PrefixListVersion{List: next.ID, Version: next.Version, Without: without, With: with})
	next.Version++
	next.Entries = entries
	dropVersions(tx, next.ID, next.Version-int64(s.quotas(tx.Snapshot, next.Scope).VersionsPerPrefixList))
}

// dropVersions forgets a version of a list and all older ones.
func dropVersions(tx *model.Tx, list string, version int64) {
	for {
		id := model.VersionID(list, version)
		if tx.PrefixListVersions.Get(id) == nil {
			return
		}
		tx.PrefixListVersions.Delete(id)
		version--
	}
}

// entriesAt returns the entries that a list had in a version.
func entriesAt(snap *model.Snapshot, l *secgroup.PrefixList, version int64) ([]secgroup.PrefixListEntry, error) {
	if version > l.Version {
		return nil, secgroup.ErrListVersion
	}
	// Ask for the oldest first: what is not kept must not cost a walk.
	if version < l.Version && snap.PrefixListVersions.Get(model.VersionID(l.ID, version)) == nil {
		return nil, secgroup.ErrListVersion
	}
	entries := make(map[netip.Prefix]secgroup.PrefixListEntry, len(l.Entries))
	for _, e := range l.Entries {
		entries[e.Prefix] = e
	}
	for n := l.Version - 1; n >= version; n-- {
		v := snap.PrefixListVersions.Get(model.VersionID(l.ID, n))
		for _, p := range v.Without {
			delete(entries, p)
		}
		for _, e := range v.With {
			entries[e.Prefix] = e
		}
	}
	return secgroup.ChangeEntries(nil, nil, slices.Collect(maps.Values(entries))), nil
}

// PrefixListEntries returns the entries of the scope's list in a version, 0 for
// the newest, ordered by prefix.
//
// Errors: InvalidPrefixListID.NotFound; InvalidParameterValue for a version that
// the list has not had, or no longer has.
func PrefixListEntries(snap *model.Snapshot, scope secgroup.Scope, id string, version int64) ([]secgroup.PrefixListEntry, error) {
	l, err := findPrefixList(snap, scope, id)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return l.Entries, nil
	}
	return entriesAt(snap, l, version)
}

// RestorePrefixList makes a new version with the entries of an older one; current
// must be the number of the newest (docs/spec/ec2-api.md section 8.2).
//
// Errors: InvalidPrefixListID.NotFound, PrefixListVersionMismatch,
// PrefixListMaxEntriesExceeded; InvalidParameterValue for a version that the list
// does not have, or that is the newest.
func (s *Service) RestorePrefixList(ctx context.Context, caller Caller, id string, previous, current int64) (answer *secgroup.PrefixList, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		l, err := listAt(tx.Snapshot, caller.Scope, id, &current)
		if err != nil {
			return err
		}
		if previous == current {
			return secgroup.ErrListVersion
		}
		entries, err := entriesAt(tx.Snapshot, l, previous)
		if err != nil {
			return err
		}
		if len(entries) > l.MaxEntries {
			return errManyEntries
		}
		answer = underWay(l, secgroup.RestoreInProgress)
		next := *l
		next.State, next.StateMessage = secgroup.RestoreComplete, ""
		s.newVersion(tx, &next, entries)
		tx.PrefixLists.Put(&next)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}
