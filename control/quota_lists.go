// SPDX-License-Identifier: Apache-2.0

package control

import (
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// listWeight returns what a rule that names a list weighs: its size limit,
// whatever it holds (docs/spec/ec2-api.md section 12.1).
type listWeight func(list string) int

// weights returns the weights of the lists there are.
func weights(snap *model.Snapshot) listWeight {
	return func(id string) int {
		if l := snap.PrefixLists.Get(id); l != nil {
			return l.MaxEntries
		}
		return 0 // rules of lists that are gone match nothing
	}
}

// crowded returns the groups whose rules would weigh too much if next were its
// list's size.
func (s *Service) crowded(snap *model.Snapshot, next *secgroup.PrefixList) []*secgroup.Group {
	was := weights(snap)
	is := func(id string) int {
		if id == next.ID {
			return next.MaxEntries
		}
		return was(id)
	}
	limit := s.quotas(snap, next.Scope).RulesPerGroup
	var crowded []*secgroup.Group
	for g := range snap.Groups.By(model.ByPrefixList, next.ID) {
		if countRules(g.Rules, is).exceeds(countRules(g.Rules, was), limit) {
			crowded = append(crowded, g)
		}
	}
	return crowded
}

// checkListUsers refuses a change of a group's rules that makes the group one
// too many of those that name a list.
func (s *Service) checkListUsers(snap *model.Snapshot, group string, after []secgroup.Rule) error {
	checked := map[string]bool{}
	for i := range after {
		id := after[i].Peer.PrefixList
		if id == "" || checked[id] {
			continue
		}
		checked[id] = true
		users := 1
		for g := range snap.Groups.By(model.ByPrefixList, id) {
			if g.ID == group {
				users = 0 // it names the list already
				break
			}
			users++
		}
		if l := snap.PrefixLists.Get(id); l != nil && users > s.quotas(snap, l.Scope).GroupsPerPrefixList {
			return secgroup.Errorf("PrefixListReferencesLimitExceeded", "You've reached the maximum number of references to the prefix list.")
		}
	}
	return nil
}
