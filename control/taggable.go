// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The resource types that carry tags, as TagSpecification, DescribeTags and ARNs
// spell them (docs/spec/ec2-api.md section 0.3).
const (
	GroupType      = "security-group"
	RuleType       = "security-group-rule"
	VPCType        = "vpc"
	SubnetType     = "subnet"
	InterfaceType  = "network-interface"
	InstanceType   = "instance"
	PrefixListType = "prefix-list"

	PeeringType    = "vpc-peering-connection"
	RouteTableType = "route-table"

	InternetGatewayType = "internet-gateway"
	ElasticIPType       = "elastic-ip"

	EndpointType    = "vpc-endpoint"
	NATGatewayType  = "natgateway"
	NetworkACLType  = "network-acl"
	DHCPOptionsType = "dhcp-options"
)

// taggable is one resource type that carries tags: how it is found and changed.
type taggable struct {
	kind   string
	prefix string // of its ids
	// find returns the resource's tags and a function that replaces them; ok is
	// false when the scope has no such resource.
	find    func(tx *model.Tx, scope secgroup.Scope, id string) (tags secgroup.Tags, put func(secgroup.Tags), ok bool)
	unknown func(id string) error
	// each yields every tagged resource of the scope.
	each func(snap *model.Snapshot, scope secgroup.Scope, yield func(id string, tags secgroup.Tags))
}

// taggables lists the resource types. An id belongs to the type with the longest
// matching prefix; no prefix here is the prefix of another.
var taggables = []taggable{
	rowsOf(GroupType, "sg-", unknownGroup,
		func(s *model.Snapshot) *model.Table[secgroup.Group] { return &s.Groups },
		func(g *secgroup.Group) (string, secgroup.Scope, *secgroup.Tags) { return g.ID, g.Scope, &g.Tags }),
	{kind: PeeringType, prefix: "pcx-", find: findPeering, unknown: noPeering.one, each: eachPeering},
	{kind: RouteTableType, prefix: "rtb-", find: findRouteTable, unknown: noRouteTable.one, each: eachRouteTable},
	{kind: NetworkACLType, prefix: "acl-", find: findACL, unknown: unknownACL, each: eachACL},
	{kind: DHCPOptionsType, prefix: "dopt-", find: findDHCPOptions, unknown: unknownDHCPOptions, each: eachDHCPOptions},
	{kind: RuleType, prefix: "sgr-", find: findRule, unknown: unknownRule, each: eachRule},
	rowsOf(VPCType, "vpc-", noVPC.one,
		func(s *model.Snapshot) *model.Table[secgroup.VPC] { return &s.VPCs },
		func(v *secgroup.VPC) (string, secgroup.Scope, *secgroup.Tags) { return v.ID, v.Scope, &v.Tags }),
	rowsOf(SubnetType, "subnet-", noSubnet.one,
		func(s *model.Snapshot) *model.Table[secgroup.Subnet] { return &s.Subnets },
		func(n *secgroup.Subnet) (string, secgroup.Scope, *secgroup.Tags) { return n.ID, n.Scope, &n.Tags }),
	rowsOf(InterfaceType, "eni-", noInterface.one,
		func(s *model.Snapshot) *model.Table[secgroup.Interface] { return &s.Interfaces },
		func(i *secgroup.Interface) (string, secgroup.Scope, *secgroup.Tags) { return i.ID, i.Scope, &i.Tags }),
	rowsOf(InstanceType, "i-", noInstance.one,
		func(s *model.Snapshot) *model.Table[secgroup.Instance] { return &s.Instances },
		func(i *secgroup.Instance) (string, secgroup.Scope, *secgroup.Tags) { return i.ID, i.Scope, &i.Tags }),
	rowsOf(LaunchTemplateType, "lt-", unknownTemplate,
		func(s *model.Snapshot) *model.Table[secgroup.LaunchTemplate] { return &s.LaunchTemplates },
		func(t *secgroup.LaunchTemplate) (string, secgroup.Scope, *secgroup.Tags) {
			return t.ID, t.Scope, &t.Tags
		}),
	rowsOf(InternetGatewayType, "igw-", noInternetGateway.one,
		func(s *model.Snapshot) *model.Table[secgroup.InternetGateway] { return &s.InternetGateways },
		func(g *secgroup.InternetGateway) (string, secgroup.Scope, *secgroup.Tags) {
			return g.ID, g.Scope, &g.Tags
		}),
	rowsOf(ElasticIPType, "eipalloc-", noAllocation.one,
		func(s *model.Snapshot) *model.Table[secgroup.ElasticIP] { return &s.ElasticIPs },
		func(e *secgroup.ElasticIP) (string, secgroup.Scope, *secgroup.Tags) { return e.ID, e.Scope, &e.Tags }),
	rowsOf(EndpointType, "vpce-", noEndpoint.one,
		func(s *model.Snapshot) *model.Table[secgroup.VPCEndpoint] { return &s.VPCEndpoints },
		func(e *secgroup.VPCEndpoint) (string, secgroup.Scope, *secgroup.Tags) { return e.ID, e.Scope, &e.Tags }),
	rowsOf(NATGatewayType, "nat-", noNATGateway.one,
		func(s *model.Snapshot) *model.Table[secgroup.NATGateway] { return &s.NATGateways },
		func(g *secgroup.NATGateway) (string, secgroup.Scope, *secgroup.Tags) { return g.ID, g.Scope, &g.Tags }),
	rowsOf(PrefixListType, "pl-", unknownListInRule,
		func(s *model.Snapshot) *model.Table[secgroup.PrefixList] { return &s.PrefixLists },
		func(l *secgroup.PrefixList) (string, secgroup.Scope, *secgroup.Tags) { return l.ID, l.Scope, &l.Tags }),
}

// rowsOf describes a resource type whose resources are rows of a table.
func rowsOf[T any](kind, prefix string, unknown func(string) error,
	table func(*model.Snapshot) *model.Table[T], parts func(*T) (string, secgroup.Scope, *secgroup.Tags),
) taggable {
	return taggable{
		kind: kind, prefix: prefix, unknown: unknown,
		find: func(tx *model.Tx, scope secgroup.Scope, id string) (secgroup.Tags, func(secgroup.Tags), bool) {
			row := table(tx.Snapshot).Get(id)
			if row == nil {
				return nil, nil, false
			}
			_, owner, tags := parts(row)
			return *tags, func(changed secgroup.Tags) {
				next := *row
				_, _, tags := parts(&next)
				*tags = changed
				table(tx.Snapshot).Put(&next)
			}, owner == scope
		},
		each: func(snap *model.Snapshot, scope secgroup.Scope, yield func(string, secgroup.Tags)) {
			for row := range table(snap).By(model.ByScope, model.ScopeValue(scope)) {
				if id, _, tags := parts(row); len(*tags) > 0 {
					yield(id, *tags)
				}
			}
		},
	}
}

// findRule finds a rule inside its group.
func findRule(tx *model.Tx, scope secgroup.Scope, id string) (secgroup.Tags, func(secgroup.Tags), bool) {
	for g := range tx.Groups.By(model.ByRule, id) {
		i := slices.IndexFunc(g.Rules, func(r secgroup.Rule) bool { return r.ID == id })
		return g.Rules[i].Tags, func(changed secgroup.Tags) {
			next := *g
			next.Rules = slices.Clone(g.Rules)
			next.Rules[i].Tags = changed
			tx.Groups.Put(&next)
		}, g.Scope == scope
	}
	return nil, nil, false
}

func eachRule(snap *model.Snapshot, scope secgroup.Scope, yield func(string, secgroup.Tags)) {
	for g := range snap.Groups.By(model.ByScope, model.ScopeValue(scope)) {
		for i := range g.Rules {
			if len(g.Rules[i].Tags) > 0 {
				yield(g.Rules[i].ID, g.Rules[i].Tags)
			}
		}
	}
}

// taggableOf returns the resource type that an id is of.
func taggableOf(id string) (*taggable, error) {
	for i := range taggables {
		if strings.HasPrefix(id, taggables[i].prefix) {
			return &taggables[i], nil
		}
	}
	return nil, secgroup.Errorf("InvalidID", "The ID '%s' is not valid", id)
}
