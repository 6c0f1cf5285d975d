// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func adding(cidrs ...string) (entries []sdktypes.AddPrefixListEntry) {
	for _, c := range cidrs {
		entries = append(entries, sdktypes.AddPrefixListEntry{Cidr: &c})
	}
	return entries
}

func removing(cidrs ...string) (entries []sdktypes.RemovePrefixListEntry) {
	for _, c := range cidrs {
		entries = append(entries, sdktypes.RemovePrefixListEntry{Cidr: &c})
	}
	return entries
}

// prefixList makes an IPv4 list for ten entries.
func (r *rig) prefixList(t *testing.T, name string, cidrs ...string) string {
	t.Helper()
	return *must(r.CreateManagedPrefixList(t.Context(), &sdk.CreateManagedPrefixListInput{
		PrefixListName: &name, AddressFamily: new("IPv4"), MaxEntries: new(int32(10)), Entries: adding(cidrs...),
	}))(t).PrefixList.PrefixListId
}

// showList returns a list as Describe shows it.
func (r *rig) showList(t *testing.T, id string) sdktypes.ManagedPrefixList {
	t.Helper()
	lists := must(r.DescribeManagedPrefixLists(t.Context(), &sdk.DescribeManagedPrefixListsInput{PrefixListIds: []string{id}}))(t).PrefixLists
	if len(lists) != 1 {
		t.Fatalf("%d lists have the id %s", len(lists), id)
	}
	return lists[0]
}

// entries returns what a list holds, page by page; version 0 is the newest.
func (r *rig) entries(t *testing.T, id string, version int64) string {
	t.Helper()
	pages := sdk.NewGetManagedPrefixListEntriesPaginator(r, &sdk.GetManagedPrefixListEntriesInput{
		PrefixListId: &id, TargetVersion: optional(version), MaxResults: new(int32(1)),
	})
	var out []string
	for pages.HasMorePages() {
		for _, e := range must(pages.NextPage(t.Context()))(t).Entries {
			out = append(out, strings.TrimSpace(*e.Cidr+" "+deref(e.Description)))
		}
	}
	return strings.Join(out, ", ")
}

func TestManagedPrefixList(t *testing.T) {
	r := newRig(t, control.Config{})
	create := &sdk.CreateManagedPrefixListInput{
		PrefixListName: new("office"), AddressFamily: new("IPv6"), MaxEntries: new(int32(3)), ClientToken: new("once"),
		Entries:           []sdktypes.AddPrefixListEntry{{Cidr: new("2001:DB8::9/32"), Description: new("ours")}, {Cidr: new("::/0")}},
		TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "prefix-list", Tags: []sdktypes.Tag{{Key: new("k"), Value: new("v")}}}},
	}
	made := must(r.CreateManagedPrefixList(t.Context(), create))(t).PrefixList
	id := *made.PrefixListId
	if made.State != "create-in-progress" {
		t.Errorf("a new list is %s", made.State)
	}
	l := r.showList(t, id)
	if l.State != "create-complete" || l.StateMessage != nil || *l.PrefixListName != "office" || *l.AddressFamily != "IPv6" || *l.MaxEntries != 3 ||
		*l.Version != 1 || *l.OwnerId != r.key.Account || *l.PrefixListArn != "arn:aws:ec2:us-east-1:"+r.key.Account+":prefix-list/"+id ||
		len(l.Tags) != 1 || *l.Tags[0].Key != "k" || *l.Tags[0].Value != "v" {
		t.Errorf("it is shown as %+v", l)
	}
	reads(t, r.entries(t, id, 0), "::/0, 2001:db8::/32 ours")
	if again := must(r.CreateManagedPrefixList(t.Context(), create))(t).PrefixList; *again.PrefixListId != id || again.State != "create-complete" {
		t.Errorf("the same token made %s, %s", *again.PrefixListId, again.State)
	}

	modify := func(in *sdk.ModifyManagedPrefixListInput) {
		t.Helper()
		in.PrefixListId = &id
		before := *r.showList(t, id).Version
		if l := must(r.ModifyManagedPrefixList(t.Context(), in))(t).PrefixList; l.State != "modify-in-progress" || *l.Version != before {
			t.Errorf("a change answers %s, version %d", l.State, *l.Version)
		}
		if l := r.showList(t, id); l.State != "modify-complete" {
			t.Errorf("after a change it is %s: %s", l.State, deref(l.StateMessage))
		}
	}
	modify(&sdk.ModifyManagedPrefixListInput{CurrentVersion: new(int64(1)), RemoveEntries: removing("::/0"), AddEntries: adding("2001:db9::/32")})
	modify(&sdk.ModifyManagedPrefixListInput{MaxEntries: new(int32(2)), PrefixListName: new("branch")})
	modify(&sdk.ModifyManagedPrefixListInput{PrefixListName: new("shop")})
	if l := r.showList(t, id); *l.Version != 2 || *l.MaxEntries != 2 || *l.PrefixListName != "shop" {
		t.Errorf("after changes it is shown as %+v", l)
	}
	reads(t, r.entries(t, id, 0), "2001:db8::/32 ours, 2001:db9::/32")
	reads(t, r.entries(t, id, 1), "::/0, 2001:db8::/32 ours")
	restored := must(r.RestoreManagedPrefixListVersion(t.Context(), &sdk.RestoreManagedPrefixListVersionInput{
		PrefixListId: &id, PreviousVersion: new(int64(1)), CurrentVersion: new(int64(2)),
	}))(t).PrefixList
	if l := r.showList(t, id); restored.State != "restore-in-progress" || *restored.Version != 2 || l.State != "restore-complete" || *l.Version != 3 {
		t.Errorf("restored: answered %+v, shown as %+v", restored, l)
	}
	reads(t, r.entries(t, id, 3), "::/0, 2001:db8::/32 ours")

	if l := must(r.DeleteManagedPrefixList(t.Context(), &sdk.DeleteManagedPrefixListInput{PrefixListId: &id}))(t).PrefixList; l.State != "delete-in-progress" {
		t.Errorf("a deletion answers %s", l.State)
	}
	_, err := r.DescribeManagedPrefixLists(t.Context(), &sdk.DescribeManagedPrefixListsInput{PrefixListIds: []string{id}})
	refused(t, err, "InvalidPrefixListID.NotFound: The prefix list ("+id+") does not exist.")
}

// TestRulesNameLists: a list is a peer of rules of either direction and family at
// once, and says by which groups.
func TestRulesNameLists(t *testing.T) {
	r := newRig(t, control.Config{})
	id := r.prefixList(t, "l", "10.0.0.0/8")
	var groups []string
	for i := range 7 {
		g := r.group(t, "", fmt.Sprint("g", i))
		groups = append(groups, g)
		out := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &g, IpPermissions: []sdktypes.IpPermission{
			{IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), PrefixListIds: []sdktypes.PrefixListId{{PrefixListId: &id, Description: new("from there")}}},
			{IpProtocol: new("58"), PrefixListIds: []sdktypes.PrefixListId{{PrefixListId: &id}}},
		}}))(t)
		if rule := out.SecurityGroupRules[0]; len(out.SecurityGroupRules) != 2 || *rule.PrefixListId != id || *rule.Description != "from there" {
			t.Errorf("API-P1: %+v", out.SecurityGroupRules)
		}
	}
	p := r.describe(t, groups[0]).IpPermissions[0]
	if len(p.PrefixListIds) != 1 || *p.PrefixListIds[0].PrefixListId != id || *p.PrefixListIds[0].Description != "from there" {
		t.Errorf("the group shows %+v", p)
	}
	reads(t, r.names(t, where("ip-permission.prefix-list-id", id), where("group-name", "g3")), "g3")

	pages := sdk.NewGetManagedPrefixListAssociationsPaginator(r, &sdk.GetManagedPrefixListAssociationsInput{PrefixListId: &id, MaxResults: new(int32(5))})
	var users []string
	for pages.HasMorePages() {
		for _, a := range must(pages.NextPage(t.Context()))(t).PrefixListAssociations {
			if users = append(users, *a.ResourceId); *a.ResourceOwner != r.key.Account {
				t.Errorf("%s belongs to %s", *a.ResourceId, *a.ResourceOwner)
			}
		}
	}
	reads(t, strings.Join(users, " "), strings.Join(groups, " "))

	must(r.DeleteManagedPrefixList(t.Context(), &sdk.DeleteManagedPrefixListInput{PrefixListId: &id}))(t)
	if l := r.showList(t, id); l.State != "delete-failed" || *l.StateMessage != "The prefix list is in use. "+strings.Join(groups, ", ") {
		t.Errorf("API-P7: %s: %s", l.State, deref(l.StateMessage))
	}
}

// TestFiveKindsOfPeers is API-A14.
func TestFiveKindsOfPeers(t *testing.T) {
	r := newRig(t, control.Config{})
	id, g := r.prefixList(t, "l"), r.group(t, "", "g")
	out := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &g, IpPermissions: []sdktypes.IpPermission{{
		IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)),
		UserIdGroupPairs: []sdktypes.UserIdGroupPair{{GroupId: &g}},
		PrefixListIds:    []sdktypes.PrefixListId{{PrefixListId: &id}},
		Ipv6Ranges:       []sdktypes.Ipv6Range{{CidrIpv6: new("2001:db8::/32")}},
		IpRanges:         []sdktypes.IpRange{{CidrIp: new("10.0.0.0/8")}, {CidrIp: new("11.0.0.0/8")}},
	}}}))(t)
	var peers []string
	for _, rule := range out.SecurityGroupRules {
		peer := deref(rule.CidrIpv4) + deref(rule.CidrIpv6) + deref(rule.PrefixListId)
		if rule.ReferencedGroupInfo != nil {
			peer += *rule.ReferencedGroupInfo.GroupId
		}
		peers = append(peers, peer)
	}
	reads(t, strings.Join(peers, " "), strings.Join([]string{"10.0.0.0/8", "11.0.0.0/8", "2001:db8::/32", id, g}, " "))
	if shown := r.describe(t, g).IpPermissions; len(shown) != 1 || len(shown[0].IpRanges) != 2 || len(shown[0].PrefixListIds) != 1 {
		t.Errorf("shown as %+v", shown)
	}
}

func TestDescribePrefixLists(t *testing.T) {
	r := newRig(t, control.Config{})
	var want []string
	for i := range 5 {
		want = append(want, r.prefixList(t, fmt.Sprint("list-", i)))
	}
	must(r.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: want[:2], Tags: []sdktypes.Tag{{Key: new("team"), Value: new("a:b")}}}))(t)
	find := func(filters ...sdktypes.Filter) string {
		t.Helper()
		pages := sdk.NewDescribeManagedPrefixListsPaginator(r, &sdk.DescribeManagedPrefixListsInput{Filters: filters, MaxResults: new(int32(2))})
		var names []string
		for pages.HasMorePages() {
			for _, l := range must(pages.NextPage(t.Context()))(t).PrefixLists {
				names = append(names, strings.TrimPrefix(*l.PrefixListName, "list-"))
			}
		}
		return strings.Join(names, "")
	}
	reads(t, find(), "01234")
	reads(t, find(where("owner-id", r.key.Account), where("prefix-list-name", "list-?")), "01234")
	reads(t, find(where("prefix-list-id", want[3], want[1])), "13")
	reads(t, find(where("prefix-list-name", "list-2", "list-*4")), "24")
	reads(t, find(where("owner-id", "AWS")), "")
	reads(t, find(where("tag:team", "a:b")), "01")
	reads(t, find(where("tag-key", "t*")), "01")

	_, err := r.DescribeManagedPrefixLists(t.Context(), &sdk.DescribeManagedPrefixListsInput{Filters: []sdktypes.Filter{where("state", "x")}})
	refused(t, err, "InvalidParameterValue: The filter 'state' is invalid")
	_, err = r.DescribeManagedPrefixLists(t.Context(), &sdk.DescribeManagedPrefixListsInput{MaxResults: new(int32(101))})
	refused(t, err, "InvalidParameterValue: Value ( 101 ) for parameter MaxResults is invalid. Expecting a value smaller than or equal to 100.")
	_, err = r.DescribeManagedPrefixLists(t.Context(), &sdk.DescribeManagedPrefixListsInput{PrefixListIds: []string{"pl-00000000", want[0], "pl-00000001"}})
	refused(t, err, "InvalidPrefixListID.NotFound: The prefix lists (pl-00000000, pl-00000001) do not exist.")

	// The older view is of AWS-managed lists, of which there are none.
	if out := must(r.DescribePrefixLists(t.Context(), &sdk.DescribePrefixListsInput{}))(t); out.PrefixLists == nil || len(out.PrefixLists) != 0 || out.NextToken != nil {
		t.Errorf("the older view shows %+v", out)
	}
	_, err = r.DescribePrefixLists(t.Context(), &sdk.DescribePrefixListsInput{PrefixListIds: want[:1]})
	refused(t, err, "InvalidPrefixListID.NotFound: The prefix list ("+want[0]+") does not exist.")
	_, err = r.DescribePrefixLists(t.Context(), &sdk.DescribePrefixListsInput{Filters: []sdktypes.Filter{where("owner-id", "AWS")}})
	refused(t, err, "InvalidParameterValue: The filter 'owner-id' is invalid")
}

// reads fails the test unless got is what is wanted.
func reads(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
