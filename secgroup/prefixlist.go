// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// PrefixListState is the state of a prefix list as EC2 names it
// (docs/spec/ec2-api.md section 8.1).
type PrefixListState string

// Changes are done when they are answered, so a stored list is in one of the
// final states; the others appear only in the answer to the change.
const (
	CreateInProgress  PrefixListState = "create-in-progress"
	CreateComplete    PrefixListState = "create-complete"
	ModifyInProgress  PrefixListState = "modify-in-progress"
	ModifyComplete    PrefixListState = "modify-complete"
	ModifyFailed      PrefixListState = "modify-failed"
	RestoreInProgress PrefixListState = "restore-in-progress"
	RestoreComplete   PrefixListState = "restore-complete"
	DeleteInProgress  PrefixListState = "delete-in-progress"
	DeleteFailed      PrefixListState = "delete-failed"
)

// PrefixList is a customer-managed prefix list with the entries of its newest
// version, which are those that rules go by. Older versions are kept as
// PrefixListVersions.
type PrefixList struct {
	Scope
	ID           string            `json:"id"` // pl-…
	Name         string            `json:"name"`
	IPv6         bool              `json:"ipv6,omitempty"` // family of the entries: IPv6, or else IPv4
	MaxEntries   int               `json:"maxEntries"`     // what a rule that names the list weighs
	Version      int64             `json:"version"`        // of Entries; the first is 1
	Entries      []PrefixListEntry `json:"entries"`        // ordered by ComparePrefixes, each prefix once
	State        PrefixListState   `json:"state"`
	StateMessage string            `json:"stateMessage,omitempty"` // why a state is -failed
	Tags         Tags              `json:"tags,omitempty"`
	Created      time.Time         `json:"created"`
}

// Family returns the address family as EC2 spells it.
func (l *PrefixList) Family() string {
	if l.IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

// PrefixListEntry is one range of a prefix list. Its canonical prefix is its key.
type PrefixListEntry struct {
	Prefix      netip.Prefix `json:"prefix"`
	Description string       `json:"description,omitempty"`
}

// PrefixListVersion keeps a version of a prefix list that is no longer the newest
// by what to change in the version after it. A thousand versions of a thousand
// entries would not fit one stored value, and most versions differ by little.
type PrefixListVersion struct {
	List    string            `json:"list"` // pl-…
	Version int64             `json:"version"`
	Without []netip.Prefix    `json:"without,omitempty"` // entries of the next version that this one lacks
	With    []PrefixListEntry `json:"with,omitempty"`    // entries that the next version lacks or describes otherwise
}

// ComparePrefixes orders ranges by address, then the wider before the narrower.
func ComparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// ChangeEntries returns entries, ordered, without those of some prefixes and with
// others, which replace what has their prefix.
func ChangeEntries(entries []PrefixListEntry, without []netip.Prefix, with []PrefixListEntry) []PrefixListEntry {
	gone := make(map[netip.Prefix]bool, len(without)+len(with))
	for _, p := range without {
		gone[p] = true
	}
	for _, e := range with {
		gone[e.Prefix] = true
	}
	changed := make([]PrefixListEntry, 0, len(entries)+len(with))
	for _, e := range entries {
		if !gone[e.Prefix] {
			changed = append(changed, e)
		}
	}
	changed = append(changed, with...)
	slices.SortFunc(changed, func(a, b PrefixListEntry) int { return ComparePrefixes(a.Prefix, b.Prefix) })
	return changed
}

// EntryChanges returns what ChangeEntries needs to make before of after.
func EntryChanges(after, before []PrefixListEntry) (without []netip.Prefix, with []PrefixListEntry) {
	had := make(map[netip.Prefix]string, len(before))
	for _, e := range before {
		had[e.Prefix] = e.Description
	}
	has := make(map[netip.Prefix]string, len(after))
	for _, e := range after {
		has[e.Prefix] = e.Description
		if _, ok := had[e.Prefix]; !ok {
			without = append(without, e.Prefix)
		}
	}
	for _, e := range before {
		if description, ok := has[e.Prefix]; !ok || description != e.Description {
			with = append(with, e)
		}
	}
	return without, with
}

// reservedListNames are those that only AWS-managed lists may begin with.
var reservedListNames = []string{"com.amazonaws.", "com.amazon.", "com.aws."}

// CheckPrefixListName checks the name of a list, which is not empty
// (docs/spec/ec2-api.md section 8.2).
func CheckPrefixListName(name string) error {
	for _, reserved := range reservedListNames {
		if strings.HasPrefix(name, reserved) {
			return Errorf("InvalidParameterValue", "The prefix list name cannot begin with (%s).", strings.Join(reservedListNames, ", "))
		}
	}
	if utf8.RuneCountInString(name) > maxText {
		return Errorf("InvalidParameterValue", "The prefix list name cannot be longer than %d characters.", maxText)
	}
	return nil
}

// CheckEntryDescription checks the description of an entry, which may be empty.
func CheckEntryDescription(description string) error {
	if utf8.RuneCountInString(description) > maxText {
		return Errorf("InvalidParameterValue", "The description of a prefix list entry cannot be longer than %d characters.", maxText)
	}
	return nil
}

// CheckListVersion refuses numbers that no version of a list can have.
func CheckListVersion(n int64) error {
	if n < 1 {
		return ErrListVersion
	}
	return nil
}

// ErrListVersion is what a version gets that a list does not have.
var ErrListVersion = Errorf("InvalidParameterValue", "The specified value for version is not valid. The value must be greater than (1).")

// ParseAddressFamily reports whether a list of that family holds IPv6.
func ParseAddressFamily(text string) (ipv6 bool, err error) {
	switch text {
	case "IPv4":
		return false, nil
	case "IPv6":
		return true, nil
	}
	return false, Errorf("InvalidParameterValue", "The address family must be one of IPv4 or IPv6.")
}

// ParseEntryCIDR returns the canonical form of a range of either family.
func ParseEntryCIDR(text string) (netip.Prefix, error) {
	prefix, err := ParseCIDR4(text)
	if err != nil {
		if prefix, err = ParseCIDR6(text); err != nil {
			return prefix, EntryError(text)
		}
	}
	return prefix, nil
}

// EntryError is what an entry gets that is no range of the list's family.
func EntryError(text string) error {
	return Errorf("InvalidParameterValue", "The CIDR block %s is invalid.", text)
}
