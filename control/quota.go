// SPDX-License-Identifier: Apache-2.0

package control

import (
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

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
	BlocksPerVPC          int // 5, of each address family
	TagsPerResource       int // 50
	PrefixListsPerRegion  int // 100
	EntriesPerPrefixList  int // 1000: the largest size of a list
	VersionsPerPrefixList int // 1000; beyond it the oldest goes
	GroupsPerPrefixList   int // 5000 that name one list
	TemplatesPerRegion    int // 5000
	VersionsPerTemplate   int // 10000 that exist at a time

	PeeringsPerVPC    int // 50, active ones
	PeeringRequests   int // 25, of an account's Region, that wait to be accepted
	RouteTablesPerVPC int // 200
	RoutesPerTable    int // 500

	InternetGatewaysPerRegion int // 5
	ElasticIPsPerRegion       int // 5

	trackedFlows int // 0: what the instance type says; only SetQuota changes it, for hosts see that alone

	// Of docs/spec/appstream.md section 8.
	FleetsPerRegion   int // 10
	BuildersPerRegion int // 10, of each kind
	StacksPerRegion   int // 10
	StreamingPerType  int // 100: instances of one type in all fleets that do not rest
}

// quota is one limit: its name, its default, and how far it can be raised for an
// account and Region.
type quota struct {
	name  string
	value int
	max   int // 0 leaves it open; the default's own value lets it be lowered alone
	field func(*Quotas) *int
}

const (
	rulesPerGroup      = "rules-per-group"
	groupsPerInterface = "groups-per-interface"

	// anyNumber is far beyond what one store holds.
	anyNumber = 1000000
	// maxRulesPerInterface bounds rules per group times groups per interface.
	maxRulesPerInterface = 1000
)

// allQuotas lists every limit in the order in which operators see them. Tags per
// resource cannot be adjusted (docs/spec/ec2-api.md section 12).
var allQuotas = []quota{
	{"groups-per-region", 2500, anyNumber, func(q *Quotas) *int { return &q.GroupsPerRegion }},
	{rulesPerGroup, 60, maxRulesPerInterface, func(q *Quotas) *int { return &q.RulesPerGroup }},
	{groupsPerInterface, 5, 16, func(q *Quotas) *int { return &q.GroupsPerInterface }},
	{"interfaces-per-region", 5000, anyNumber, func(q *Quotas) *int { return &q.InterfacesPerRegion }},
	{"instances-per-region", 5000, anyNumber, func(q *Quotas) *int { return &q.InstancesPerRegion }},
	{"vpcs-per-region", 5, anyNumber, func(q *Quotas) *int { return &q.VPCsPerRegion }},
	{"subnets-per-vpc", 200, anyNumber, func(q *Quotas) *int { return &q.SubnetsPerVPC }},
	{"blocks-per-vpc", 5, maxBlocksPerVPC, func(q *Quotas) *int { return &q.BlocksPerVPC }},
	{"tags-per-resource", 50, 0, func(q *Quotas) *int { return &q.TagsPerResource }},
	{"prefix-lists-per-region", 100, anyNumber, func(q *Quotas) *int { return &q.PrefixListsPerRegion }},
	{"entries-per-prefix-list", 1000, 1000, func(q *Quotas) *int { return &q.EntriesPerPrefixList }},
	{"versions-per-prefix-list", 1000, 10000, func(q *Quotas) *int { return &q.VersionsPerPrefixList }},
	{"groups-per-prefix-list", 5000, anyNumber, func(q *Quotas) *int { return &q.GroupsPerPrefixList }},
	{"launch-templates-per-region", 5000, anyNumber, func(q *Quotas) *int { return &q.TemplatesPerRegion }},
	{"versions-per-launch-template", 10000, 10000, func(q *Quotas) *int { return &q.VersionsPerTemplate }},
	{"peerings-per-vpc", 50, 125, func(q *Quotas) *int { return &q.PeeringsPerVPC }},
	{"peering-requests-per-region", 25, anyNumber, func(q *Quotas) *int { return &q.PeeringRequests }},
	{"route-tables-per-vpc", 200, anyNumber, func(q *Quotas) *int { return &q.RouteTablesPerVPC }},
	{"internet-gateways-per-region", 5, anyNumber, func(q *Quotas) *int { return &q.InternetGatewaysPerRegion }},
	{"elastic-ips-per-region", 5, anyNumber, func(q *Quotas) *int { return &q.ElasticIPsPerRegion }},
	{"routes-per-table", 500, 1000, func(q *Quotas) *int { return &q.RoutesPerTable }},
	{secgroup.TrackedFlowsQuota, 0, anyNumber, func(q *Quotas) *int { return &q.trackedFlows }},
	{"fleets-per-region", 10, anyNumber, func(q *Quotas) *int { return &q.FleetsPerRegion }},
	{"builders-per-region", 10, anyNumber, func(q *Quotas) *int { return &q.BuildersPerRegion }},
	{"stacks-per-region", 10, anyNumber, func(q *Quotas) *int { return &q.StacksPerRegion }},
	{"streaming-instances-per-type", 100, anyNumber, func(q *Quotas) *int { return &q.StreamingPerType }},
}

func (q Quotas) withDefaults() Quotas {
	for _, d := range allQuotas {
		if field := d.field(&q); *field == 0 {
			*field = d.value
		}
	}
	return q
}

// quotas returns the limits in force in a scope: the installation's, with those
// that an operator set for the scope in their place. Transactions of the scope
// and changes of its limits exclude each other.
func (s *Service) quotas(snap *model.Snapshot, scope secgroup.Scope) Quotas {
	in := s.installed
	if own := snap.Quotas.Get(model.ScopeID(scope)); own != nil {
		for _, d := range allQuotas {
			if value, set := own.Values[d.name]; set {
				*d.field(&in) = value
			}
		}
	}
	return in
}

// QuotasOf returns the limits in force in a scope.
func (s *Service) QuotasOf(scope secgroup.Scope) Quotas { return s.quotas(s.Read(), scope) }
