// SPDX-License-Identifier: Apache-2.0

package control

// Quotas are the limits of docs/spec/ec2-api.md section 12. A zero field means
// the default beside it.
type Quotas struct {
	GroupsPerRegion       int // 2500
	RulesPerGroup         int // 60, per direction and address family
	GroupsPerInterface    int // 5
	InterfacesPerRegion   int // 5000
	InstancesPerRegion    int // 5000, terminated ones not counted
	VPCsPerRegion         int // 5
	SubnetsPerVPC         int // 200
	BlocksPerVPC          int // 5, of each address family; 6 at most: interfaces know 12 blocks of their VPC
	TagsPerResource       int // 50
	PrefixListsPerRegion  int // 100
	EntriesPerPrefixList  int // 1000: the largest size of a list
	VersionsPerPrefixList int // 1000; beyond it the oldest goes
	GroupsPerPrefixList   int // 5000 that name one list
}

func (q Quotas) withDefaults() Quotas {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&q.GroupsPerRegion, 2500}, {&q.RulesPerGroup, 60}, {&q.GroupsPerInterface, 5},
		{&q.InterfacesPerRegion, 5000}, {&q.InstancesPerRegion, 5000}, {&q.VPCsPerRegion, 5}, {&q.SubnetsPerVPC, 200}, {&q.BlocksPerVPC, 5}, {&q.TagsPerResource, 50},
		{&q.PrefixListsPerRegion, 100}, {&q.EntriesPerPrefixList, 1000}, {&q.VersionsPerPrefixList, 1000}, {&q.GroupsPerPrefixList, 5000},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return q
}

// Quotas returns the limits in force.
func (s *Service) Quotas() Quotas { return s.quotas }
