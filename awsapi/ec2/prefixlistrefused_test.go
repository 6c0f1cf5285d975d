// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
)

// manyRanges returns n ranges.
func manyRanges(n int) (cidrs []string) {
	for i := range n {
		cidrs = append(cidrs, fmt.Sprintf("10.%d.0.0/16", i))
	}
	return cidrs
}

const (
	tooManyEntries = "InvalidParameterValue: The number of entries per request cannot exceeds limit (100)."
	badVersion     = "InvalidParameterValue: The specified value for version is not valid. The value must be greater than (1)."
	badListID      = `InvalidPrefixListId.Malformed: Invalid id: "pl-x" (expecting "pl-...")`
	noSuchList     = "InvalidPrefixListID.NotFound: The prefix list (pl-00000000) does not exist."
)

func TestCreatePrefixListRefused(t *testing.T) {
	r := newRig(t, control.Config{})
	type input = sdk.CreateManagedPrefixListInput
	for _, tt := range []struct {
		name string
		edit func(*input)
		want string
	}{
		{"no name", func(in *input) { in.PrefixListName = new("") }, "MissingParameter: The request must contain the parameter PrefixListName"},
		{"no family", func(in *input) { in.AddressFamily = new("") }, "MissingParameter: The request must contain the parameter AddressFamily"},
		{"no range", func(in *input) { in.Entries = adding("10.0.0.0/8", "") }, "MissingParameter: The request must contain the parameter Entry.2.Cidr"},
		{"API-P9", func(in *input) { in.PrefixListName = new("com.amazonaws.x") }, "InvalidParameterValue: The prefix list name cannot begin with (com.amazonaws., com.amazon., com.aws.)."},
		{"size 0", func(in *input) { in.MaxEntries = new(int32(0)) }, "InvalidParameterValue: Must specify a max size between 1 and 1000"},
		{"size 1001", func(in *input) { in.MaxEntries = new(int32(1001)) }, "InvalidParameterValue: Must specify a max size between 1 and 1000"},
		{"family", func(in *input) { in.AddressFamily = new("IPv5") }, "InvalidParameterValue: The address family must be one of IPv4 or IPv6."},
		{"101 entries", func(in *input) { in.Entries = adding(manyRanges(101)...) }, tooManyEntries},
		{"no CIDR", func(in *input) { in.Entries = adding("10.0.0.0") }, "InvalidParameterValue: The CIDR block 10.0.0.0 is invalid."},
		{"other family", func(in *input) { in.Entries = adding("10.0.0.0/8", "::1/0") }, "InvalidParameterValue: The CIDR block ::1/0 is invalid."},
		{"same entry twice", func(in *input) { in.Entries = adding("10.0.0.0/24", "10.0.0.7/24") }, "InvalidParameterValue: Request cannot contain duplicate Cidr 10.0.0.0/24."},
		{"description", func(in *input) {
			in.Entries = adding("10.0.0.0/8")
			in.Entries[0].Description = new(strings.Repeat("x", 256))
		}, "InvalidParameterValue: The description of a prefix list entry cannot be longer than 255 characters."},
		{"API-PrefixListMaxEntriesExceeded", func(in *input) { in.Entries = adding(manyRanges(3)...) }, "PrefixListMaxEntriesExceeded: You've reached the maximum number of entries for the prefix list."},
		{"tags of something else", func(in *input) {
			in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "vpc", Tags: []sdktypes.Tag{{Key: new("k")}}}}
		}, "InvalidParameterValue: 'vpc' is not a valid taggable resource type for this operation."},
		{"dry run", func(in *input) { in.DryRun = new(true) }, "DryRunOperation: Request would have succeeded, but DryRun flag is set."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &input{PrefixListName: new("l"), AddressFamily: new("IPv4"), MaxEntries: new(int32(2))}
			tt.edit(in)
			_, err := r.CreateManagedPrefixList(t.Context(), in)
			refused(t, err, tt.want)
		})
	}
	if lists := must(r.DescribeManagedPrefixLists(t.Context(), &sdk.DescribeManagedPrefixListsInput{}))(t).PrefixLists; len(lists) != 0 {
		t.Errorf("refused calls left %d lists", len(lists))
	}
}

func TestModifyPrefixListRefused(t *testing.T) {
	r := newRig(t, control.Config{})
	id := r.prefixList(t, "l", "10.0.0.0/8", "11.0.0.0/8")
	type input = sdk.ModifyManagedPrefixListInput
	one := new(int64(1))
	for _, tt := range []struct {
		name string
		in   input
		want string
	}{
		{"malformed", input{PrefixListId: new("pl-x"), PrefixListName: new("n")}, badListID},
		{"unknown", input{PrefixListId: new("pl-00000000"), PrefixListName: new("n")}, noSuchList},
		{"API-P3", input{CurrentVersion: new(int64(2)), AddEntries: adding("12.0.0.0/8")}, "PrefixListVersionMismatch: The prefix list has the incorrect version number."},
		{"API-P4", input{CurrentVersion: one, AddEntries: adding("12.0.0.0/8"), MaxEntries: new(int32(5))}, "InvalidParameterCombination: You cannot modify the entries and the maximum entries for the prefix list in the same request."},
		{"API-P5", input{CurrentVersion: one, AddEntries: adding("10.0.0.0/24"), RemoveEntries: removing("10.0.0.0/8", "10.0.0.9/24")}, "InvalidParameterValue: Request cannot contain Cidr 10.0.0.0/24 in both AddPrefixListEntries and RemovePrefixListEntries"},
		{"version 0", input{CurrentVersion: new(int64(0)), AddEntries: adding("12.0.0.0/8")}, badVersion},
		{"no version", input{RemoveEntries: removing("10.0.0.0/8")}, "MissingParameter: The request must contain the parameter CurrentVersion"},
		{"removed twice", input{CurrentVersion: one, RemoveEntries: removing("10.0.0.0/8", "10.0.0.1/8")}, "InvalidParameterValue: Request cannot contain duplicate Cidr 10.0.0.0/8."},
		{"101 removals", input{CurrentVersion: one, RemoveEntries: removing(manyRanges(101)...)}, tooManyEntries},
		{"101 additions", input{CurrentVersion: one, AddEntries: adding(manyRanges(101)...)}, tooManyEntries},
		{"API-InvalidRequest there", input{CurrentVersion: one, AddEntries: adding("10.0.0.0/8")}, "InvalidRequest: The request received was invalid."},
		{"API-InvalidRequest not there", input{CurrentVersion: one, RemoveEntries: removing("10.0.0.0/9")}, "InvalidRequest: The request received was invalid."},
		{"API-InvalidRequest nothing", input{}, "InvalidRequest: The request received was invalid."},
		{"other family", input{CurrentVersion: one, AddEntries: adding("2001:db8::/32")}, "InvalidParameterValue: The CIDR block 2001:db8::/32 is invalid."},
		{"too small", input{MaxEntries: new(int32(1))}, "InvalidParameterValue: The maximum number of entries (1) cannot be less than the number of entries in the prefix list (2)."},
		{"size 0", input{MaxEntries: new(int32(0))}, "InvalidParameterValue: Must specify a max size between 1 and 1000"},
		{"reserved name", input{PrefixListName: new("com.aws.x")}, "InvalidParameterValue: The prefix list name cannot begin with (com.amazonaws., com.amazon., com.aws.)."},
		{"resolver", input{IpamPrefixListResolverSyncEnabled: new(true)}, errUnsupported.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.in
			if in.PrefixListId == nil {
				in.PrefixListId = &id
			}
			_, err := r.ModifyManagedPrefixList(t.Context(), &in)
			refused(t, err, tt.want)
		})
	}
	if l := r.showList(t, id); *l.Version != 1 || l.State != "create-complete" || *l.MaxEntries != 10 || *l.PrefixListName != "l" {
		t.Errorf("refused calls changed the list to %+v", l)
	}
}

func TestPrefixListReadsRefused(t *testing.T) {
	r := newRig(t, control.Config{})
	id := r.prefixList(t, "l")
	for _, tt := range []struct {
		id       string
		previous int64
		current  int64
		want     string
	}{
		{"pl-x", 1, 1, badListID}, {"pl-00000000", 1, 1, noSuchList}, {id, 0, 1, badVersion}, {id, 1, 0, badVersion}, {id, 1, 1, badVersion},
		{id, 2, 1, badVersion}, {id, 1, 2, "PrefixListVersionMismatch: The prefix list has the incorrect version number."},
	} {
		_, err := r.RestoreManagedPrefixListVersion(t.Context(), &sdk.RestoreManagedPrefixListVersionInput{PrefixListId: &tt.id, PreviousVersion: &tt.previous, CurrentVersion: &tt.current})
		refused(t, err, tt.want)
	}
	for want, in := range map[string]*sdk.GetManagedPrefixListEntriesInput{
		badListID:         {PrefixListId: new("pl-x")},
		noSuchList:        {PrefixListId: new("pl-00000000")},
		badVersion:        {PrefixListId: &id, TargetVersion: new(int64(0))},
		badVersion + " ":  {PrefixListId: &id, TargetVersion: new(int64(-1))},
		badVersion + "  ": {PrefixListId: &id, TargetVersion: new(int64(2))},
		"InvalidParameterValue: Value ( 0 ) for parameter MaxResults is invalid. Expecting a value greater than or equal to 1.": {PrefixListId: &id, MaxResults: new(int32(0))},
		"InvalidParameterValue: Value ( x ) for parameter NextToken is invalid. The token is invalid.":                          {PrefixListId: &id, NextToken: new("x")},
	} {
		_, err := r.GetManagedPrefixListEntries(t.Context(), in)
		refused(t, err, strings.TrimSpace(want))
	}
	for want, in := range map[string]*sdk.GetManagedPrefixListAssociationsInput{
		badListID: {PrefixListId: new("pl-x")}, noSuchList: {PrefixListId: new("pl-00000000")},
		"InvalidParameterValue: Value ( 256 ) for parameter MaxResults is invalid. Expecting a value smaller than or equal to 255.": {PrefixListId: &id, MaxResults: new(int32(256))},
	} {
		_, err := r.GetManagedPrefixListAssociations(t.Context(), in)
		refused(t, err, want)
	}
	for list, want := range map[string]string{"pl-x": badListID, "pl-00000000": noSuchList} {
		_, err := r.DeleteManagedPrefixList(t.Context(), &sdk.DeleteManagedPrefixListInput{PrefixListId: &list})
		refused(t, err, want)
	}
	// The SDK does not let these be absent; other clients do.
	s := &Service{control: r.control}
	_, err := s.restorePrefixList(&awsapi.Call{}, &ec2types.RestoreManagedPrefixListVersionRequest{PrefixListId: &id})
	equal(t, err, "MissingParameter: The request must contain the parameter CurrentVersion")
	_, err = s.deletePrefixList(&awsapi.Call{}, &ec2types.DeleteManagedPrefixListRequest{})
	equal(t, err, "MissingParameter: The request must contain the parameter PrefixListId")
	_, err = s.createPrefixList(&awsapi.Call{}, &ec2types.CreateManagedPrefixListRequest{PrefixListName: new("l")})
	equal(t, err, "MissingParameter: The request must contain the parameter AddressFamily")
}
