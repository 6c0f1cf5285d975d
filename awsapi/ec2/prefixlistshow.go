// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"fmt"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// managedPrefixList returns a list as results show it.
func managedPrefixList(l *secgroup.PrefixList) ec2types.ManagedPrefixList {
	return ec2types.ManagedPrefixList{
		PrefixListId: &l.ID, PrefixListName: &l.Name, PrefixListArn: new(arn(l.Scope, control.PrefixListType, l.ID)),
		OwnerId: &l.Account, AddressFamily: new(l.Family()), MaxEntries: new(int32(l.MaxEntries)), Version: &l.Version,
		State: new(string(l.State)), StateMessage: optional(l.StateMessage), Tags: tagSetOrEmpty(l.Tags),
	}
}

var (
	managedListPaging = paging{operation: "DescribeManagedPrefixLists", min: 1, max: 100}
	listPaging        = paging{operation: "DescribePrefixLists", min: 1, max: 1000}
	entryPaging       = paging{operation: "GetManagedPrefixListEntries", min: 1, max: 100}
	listUserPaging    = paging{operation: "GetManagedPrefixListAssociations", min: 5, max: 255}
)

var managedListFilters = filters[secgroup.PrefixList]{
	names: map[string]func(*secgroup.PrefixList) []string{
		"owner-id":         one(func(l *secgroup.PrefixList) string { return l.Account }),
		"prefix-list-id":   one(func(l *secgroup.PrefixList) string { return l.ID }),
		"prefix-list-name": one(func(l *secgroup.PrefixList) string { return l.Name }),
	},
	tags: func(l *secgroup.PrefixList) secgroup.Tags { return l.Tags },
}

func (s *Service) describeManagedPrefixLists(c *awsapi.Call, in *ec2types.DescribeManagedPrefixListsRequest) (func(context.Context) (*ec2types.DescribeManagedPrefixListsResult, error), error) {
	cursor, err := managedListPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	if err := checkListIDs(in, in.PrefixListIds...); err != nil {
		return nil, err
	}
	match, err := managedListFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeManagedPrefixListsResult, error) {
		lists, err := control.PrefixLists(s.control.Read(), c.Scope(), in.PrefixListIds...)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeManagedPrefixListsResult{}
		out.PrefixLists, out.NextToken = list(cursor, lists, match,
			func(l *secgroup.PrefixList) string { return sortKey(l.Created, l.ID) }, managedPrefixList)
		return out, nil
	}, nil
}

// describePrefixLists is the view of AWS-managed lists. The installation offers
// none, so that every id is unknown.
func (s *Service) describePrefixLists(c *awsapi.Call, in *ec2types.DescribePrefixListsRequest) (func(context.Context) (*ec2types.DescribePrefixListsResult, error), error) {
	if _, err := listPaging.cursor(c.Scope(), in, false); err != nil {
		return nil, err
	}
	if err := checkListIDs(in, in.PrefixListIds...); err != nil {
		return nil, err
	}
	known := filters[secgroup.PrefixList]{names: map[string]func(*secgroup.PrefixList) []string{
		"prefix-list-id":   managedListFilters.names["prefix-list-id"],
		"prefix-list-name": managedListFilters.names["prefix-list-name"],
	}}
	if _, err := known.compile(in.Filters); err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribePrefixListsResult, error) {
		if err := control.CheckServicePrefixLists(in.PrefixListIds); err != nil {
			return nil, err
		}
		return &ec2types.DescribePrefixListsResult{PrefixLists: []ec2types.PrefixList{}}, nil
	}, nil
}

func (s *Service) getPrefixListEntries(c *awsapi.Call, in *ec2types.GetManagedPrefixListEntriesRequest) (func(context.Context) (*ec2types.GetManagedPrefixListEntriesResult, error), error) {
	cursor, err := entryPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	if err := checkListIDs(in, deref(in.PrefixListId)); err != nil {
		return nil, err
	}
	if in.TargetVersion != nil {
		if err := secgroup.CheckListVersion(*in.TargetVersion); err != nil {
			return nil, err
		}
	}
	return func(context.Context) (*ec2types.GetManagedPrefixListEntriesResult, error) {
		entries, err := control.PrefixListEntries(s.control.Read(), c.Scope(), *in.PrefixListId, deref(in.TargetVersion))
		if err != nil {
			return nil, err
		}
		out := &ec2types.GetManagedPrefixListEntriesResult{}
		entries, out.NextToken = page(cursor, entries, entryKey)
		out.Entries = each(entries, func(e secgroup.PrefixListEntry) ec2types.PrefixListEntry {
			return ec2types.PrefixListEntry{Cidr: new(e.Prefix.String()), Description: optional(e.Description)}
		})
		return out, nil
	}, nil
}

// entryKey is an entry's place among those of its list: by address, then by
// length.
func entryKey(e secgroup.PrefixListEntry) string {
	return fmt.Sprintf("%x/%03d", e.Prefix.Addr().AsSlice(), e.Prefix.Bits())
}

// getPrefixListAssociations names groups, each once however many of its rules
// name the list.
func (s *Service) getPrefixListAssociations(c *awsapi.Call, in *ec2types.GetManagedPrefixListAssociationsRequest) (func(context.Context) (*ec2types.GetManagedPrefixListAssociationsResult, error), error) {
	cursor, err := listUserPaging.cursor(c.Scope(), in, false)
	if err != nil {
		return nil, err
	}
	if err := checkListIDs(in, deref(in.PrefixListId)); err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.GetManagedPrefixListAssociationsResult, error) {
		groups, err := control.PrefixListUsers(s.control.Read(), c.Scope(), *in.PrefixListId)
		if err != nil {
			return nil, err
		}
		out := &ec2types.GetManagedPrefixListAssociationsResult{}
		groups, out.NextToken = page(cursor, groups, groupAge)
		out.PrefixListAssociations = each(groups, func(g *secgroup.Group) ec2types.PrefixListAssociation {
			return ec2types.PrefixListAssociation{ResourceId: &g.ID, ResourceOwner: &g.Account}
		})
		return out, nil
	}, nil
}
