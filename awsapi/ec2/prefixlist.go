// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// prefixListOperations are those of section 8 of docs/spec/ec2-api.md.
func (s *Service) prefixListOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateManagedPrefixList", s.createPrefixList),
		awsapi.RegionalOp(s.control, "ModifyManagedPrefixList", s.modifyPrefixList),
		awsapi.RegionalOp(s.control, "RestoreManagedPrefixListVersion", s.restorePrefixList),
		awsapi.RegionalOp(s.control, "DeleteManagedPrefixList", s.deletePrefixList),
		awsapi.RegionalOp(s.control, "DescribeManagedPrefixLists", s.describeManagedPrefixLists),
		awsapi.RegionalOp(s.control, "DescribePrefixLists", s.describePrefixLists),
		awsapi.RegionalOp(s.control, "GetManagedPrefixListEntries", s.getPrefixListEntries),
		awsapi.RegionalOp(s.control, "GetManagedPrefixListAssociations", s.getPrefixListAssociations),
	}
}

// checkListIDs checks what every operation on lists checks first: that nothing
// that the model demands is missing, and the form of the ids.
func checkListIDs(in any, ids ...string) error {
	if name, ok := wire.Missing(in); ok {
		return missing(name)
	}
	for _, id := range ids {
		if err := secgroup.CheckID(secgroup.PrefixListPrefix, id, "InvalidPrefixListId.Malformed"); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) createPrefixList(c *awsapi.Call, in *ec2types.CreateManagedPrefixListRequest) (func(context.Context) (*ec2types.CreateManagedPrefixListResult, error), error) {
	if err := checkListIDs(in); err != nil {
		return nil, err
	}
	want := control.NewPrefixList{Name: *in.PrefixListName, MaxEntries: int(*in.MaxEntries)}
	if err := secgroup.CheckPrefixListName(want.Name); err != nil {
		return nil, err
	}
	if err := s.checkListSize(c, *in.MaxEntries); err != nil {
		return nil, err
	}
	var err error
	if want.IPv6, err = secgroup.ParseAddressFamily(*in.AddressFamily); err != nil {
		return nil, err
	}
	if want.Entries, err = parseEntries(in.Entries); err != nil {
		return nil, err
	}
	for i, e := range want.Entries {
		if e.Prefix.Addr().Is6() != want.IPv6 {
			return nil, secgroup.EntryError(*in.Entries[i].Cidr)
		}
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.PrefixListType)
	if err != nil {
		return nil, err
	}
	want.Tags = tags[control.PrefixListType]
	if want.Token, err = clientToken(in); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateManagedPrefixListResult, error) {
		l, err := s.control.CreatePrefixList(ctx, c.Behalf(), want)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateManagedPrefixListResult{PrefixList: new(managedPrefixList(l))}, nil
	}, nil
}

// modifyPrefixList changes either entries or the size; the name goes with both.
func (s *Service) modifyPrefixList(c *awsapi.Call, in *ec2types.ModifyManagedPrefixListRequest) (func(context.Context) (*ec2types.ModifyManagedPrefixListResult, error), error) {
	if err := checkListIDs(in, deref(in.PrefixListId)); err != nil {
		return nil, err
	}
	change := control.PrefixListChange{
		List: *in.PrefixListId, Version: in.CurrentVersion, MaxEntries: int(deref(in.MaxEntries)), Name: deref(in.PrefixListName),
	}
	entries := len(in.AddEntries)+len(in.RemoveEntries) > 0
	switch {
	case in.IpamPrefixListResolverSyncEnabled != nil:
		return nil, errUnsupported
	case entries && in.MaxEntries != nil:
		return nil, secgroup.Errorf("InvalidParameterCombination",
			"You cannot modify the entries and the maximum entries for the prefix list in the same request.")
	case entries && in.CurrentVersion == nil:
		return nil, missing("CurrentVersion")
	}
	if in.CurrentVersion != nil {
		if err := secgroup.CheckListVersion(*in.CurrentVersion); err != nil {
			return nil, err
		}
	}
	if err := secgroup.CheckPrefixListName(change.Name); err != nil {
		return nil, err
	}
	if in.MaxEntries != nil {
		if err := s.checkListSize(c, *in.MaxEntries); err != nil {
			return nil, err
		}
	}
	var err error
	if change.Add, err = parseEntries(in.AddEntries); err != nil {
		return nil, err
	}
	if change.Remove, err = parseRemovals(in.RemoveEntries, change.Add); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.ModifyManagedPrefixListResult, error) {
		l, err := s.control.ModifyPrefixList(ctx, c.Behalf(), change)
		if err != nil {
			return nil, err
		}
		return &ec2types.ModifyManagedPrefixListResult{PrefixList: new(managedPrefixList(l))}, nil
	}, nil
}

func (s *Service) restorePrefixList(c *awsapi.Call, in *ec2types.RestoreManagedPrefixListVersionRequest) (func(context.Context) (*ec2types.RestoreManagedPrefixListVersionResult, error), error) {
	if err := checkListIDs(in, deref(in.PrefixListId)); err != nil {
		return nil, err
	}
	for _, version := range []int64{*in.PreviousVersion, *in.CurrentVersion} {
		if err := secgroup.CheckListVersion(version); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (*ec2types.RestoreManagedPrefixListVersionResult, error) {
		l, err := s.control.RestorePrefixList(ctx, c.Behalf(), *in.PrefixListId, *in.PreviousVersion, *in.CurrentVersion)
		if err != nil {
			return nil, err
		}
		return &ec2types.RestoreManagedPrefixListVersionResult{PrefixList: new(managedPrefixList(l))}, nil
	}, nil
}

func (s *Service) deletePrefixList(c *awsapi.Call, in *ec2types.DeleteManagedPrefixListRequest) (func(context.Context) (*ec2types.DeleteManagedPrefixListResult, error), error) {
	if err := checkListIDs(in, deref(in.PrefixListId)); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.DeleteManagedPrefixListResult, error) {
		l, err := s.control.DeletePrefixList(ctx, c.Behalf(), *in.PrefixListId)
		if err != nil {
			return nil, err
		}
		return &ec2types.DeleteManagedPrefixListResult{PrefixList: new(managedPrefixList(l))}, nil
	}, nil
}
