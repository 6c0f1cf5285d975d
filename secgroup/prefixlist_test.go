// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPrefixListSyntax(t *testing.T) {
	invalid(t, CheckPrefixListName("office"), "")
	invalid(t, CheckPrefixListName("com.amazonas.x"), "")
	invalid(t, CheckPrefixListName(strings.Repeat("ä", 255)), "")
	invalid(t, CheckPrefixListName(strings.Repeat("ä", 256)), "The prefix list name cannot be longer than 255 characters.")
	for _, name := range []string{"com.amazonaws.x", "com.amazon.x", "com.aws."} { // API-P9
		invalid(t, CheckPrefixListName(name), "The prefix list name cannot begin with (com.amazonaws., com.amazon., com.aws.).")
	}
	invalid(t, CheckEntryDescription(strings.Repeat("x", 256)), "The description of a prefix list entry cannot be longer than 255 characters.")
	invalid(t, CheckEntryDescription("any <character> ü"), "")
	invalid(t, CheckListVersion(1), "")
	invalid(t, CheckListVersion(0), "The specified value for version is not valid. The value must be greater than (1).")
	for text, ipv6 := range map[string]bool{"IPv4": false, "IPv6": true} {
		got, err := ParseAddressFamily(text)
		if invalid(t, err, ""); got != ipv6 || (&PrefixList{IPv6: got}).Family() != text {
			t.Errorf("%s is IPv6: %v", text, got)
		}
	}
	for _, text := range []string{"ipv4", "IPv5", ""} {
		_, err := ParseAddressFamily(text)
		invalid(t, err, "The address family must be one of IPv4 or IPv6.")
	}
	for text, want := range map[string]string{"10.0.0.9/8": "10.0.0.0/8", "2001:DB8::1/32": "2001:db8::/32", "0.0.0.0/0": "0.0.0.0/0"} {
		got, err := ParseEntryCIDR(text)
		if invalid(t, err, ""); got.String() != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"10.0.0.0", "10.0.0.0/33", "x", ""} {
		_, err := ParseEntryCIDR(text)
		invalid(t, err, "The CIDR block "+text+" is invalid.")
	}
}

// TestEntryChangesLeadBack: what EntryChanges says of two versions turns one into
// the other, and says nothing of what they share.
func TestEntryChangesLeadBack(t *testing.T) {
	entries := rapid.Custom(func(t *rapid.T) []PrefixListEntry {
		described := rapid.MapOfN(rapid.Uint8Max(5), rapid.SampledFrom([]string{"", "a", "b"}), 0, 6).Draw(t, "entries")
		var list []PrefixListEntry
		for n, description := range described {
			list = append(list, PrefixListEntry{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n, 0, 0}), 16), description})
		}
		return ChangeEntries(nil, nil, list)
	})
	rapid.Check(t, func(t *rapid.T) {
		before, after := entries.Draw(t, "before"), entries.Draw(t, "after")
		without, with := EntryChanges(after, before)
		if got := ChangeEntries(after, without, with); !slices.Equal(got, before) {
			t.Fatalf("%v and back is %v", before, got)
		}
		for _, e := range with {
			if slices.Contains(after, e) {
				t.Fatalf("%v is in both and was kept", e)
			}
		}
		if !slices.IsSortedFunc(before, func(a, b PrefixListEntry) int { return ComparePrefixes(a.Prefix, b.Prefix) }) {
			t.Fatalf("%v is not in order", before)
		}
	})
}
