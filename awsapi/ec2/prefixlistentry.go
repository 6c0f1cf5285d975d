// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// maxEntryChanges is how many entries one request may add, and remove.
const maxEntryChanges = 100

var errManyChanges = secgroup.Errorf("InvalidParameterValue",
	"The number of entries per request cannot exceeds limit (%d).", maxEntryChanges) // sic

// checkListSize checks MaxEntries.
func (s *Service) checkListSize(c *awsapi.Call, n int32) error {
	if limit := s.control.QuotasOf(c.Scope()).EntriesPerPrefixList; n < 1 || int(n) > limit {
		return secgroup.Errorf("InvalidParameterValue", "Must specify a max size between 1 and %d", limit)
	}
	return nil
}

// parseEntries checks the entries that a request adds and returns their normal
// form, in the order of the request.
func parseEntries(in []ec2types.AddPrefixListEntry) ([]secgroup.PrefixListEntry, error) {
	if len(in) > maxEntryChanges {
		return nil, errManyChanges
	}
	var entries []secgroup.PrefixListEntry
	seen := map[netip.Prefix]bool{}
	for i := range in {
		prefix, err := newEntry(seen, deref(in[i].Cidr))
		if err != nil {
			return nil, err
		}
		description := deref(in[i].Description)
		if err := secgroup.CheckEntryDescription(description); err != nil {
			return nil, err
		}
		entries = append(entries, secgroup.PrefixListEntry{Prefix: prefix, Description: description})
	}
	return entries, nil
}

// parseRemovals checks the entries that a request removes beside those it adds.
func parseRemovals(in []ec2types.RemovePrefixListEntry, added []secgroup.PrefixListEntry) ([]netip.Prefix, error) {
	if len(in) > maxEntryChanges {
		return nil, errManyChanges
	}
	var prefixes []netip.Prefix
	seen := map[netip.Prefix]bool{}
	for i := range in {
		prefix, err := newEntry(seen, deref(in[i].Cidr))
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	for _, e := range added {
		if seen[e.Prefix] {
			return nil, secgroup.Errorf("InvalidParameterValue",
				"Request cannot contain Cidr %s in both AddPrefixListEntries and RemovePrefixListEntries", e.Prefix)
		}
	}
	return prefixes, nil
}

// newEntry returns the range that is given and adds it to those seen, where it
// must not be yet.
func newEntry(seen map[netip.Prefix]bool, text string) (netip.Prefix, error) {
	prefix, err := secgroup.ParseEntryCIDR(text)
	if err != nil {
		return prefix, err
	}
	if seen[prefix] {
		return prefix, secgroup.Errorf("InvalidParameterValue", "Request cannot contain duplicate Cidr %s.", prefix)
	}
	seen[prefix] = true
	return prefix, nil
}
