// SPDX-License-Identifier: Apache-2.0

package control

import (
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Facts are what policies may ask about a resource.
type Facts struct {
	Tags   secgroup.Tags
	VPC    string // that it belongs to, "" for none
	Subnet string // that it is in, "" for none
}

// FactsOf returns what is known of a resource of the scope. What does not exist
// there has no facts: policies cannot be used to find out about others'.
func FactsOf(snap *model.Snapshot, scope secgroup.Scope, id string) Facts {
	var f Facts
	kind, err := taggableOf(id)
	if err != nil {
		return f
	}
	tags, _, ok := kind.find(&model.Tx{Snapshot: snap}, scope, id)
	if !ok {
		return f
	}
	f.Tags = tags
	switch kind.kind {
	case VPCType:
		f.VPC = id
	case GroupType:
		f.VPC = snap.Groups.Get(id).VPC
	case RuleType:
		for g := range snap.Groups.By(model.ByRule, id) {
			f.VPC = g.VPC
		}
	case SubnetType:
		f.VPC, f.Subnet = snap.Subnets.Get(id).VPC, id
	case InterfaceType:
		i := snap.Interfaces.Get(id)
		f.VPC, f.Subnet = i.VPC, i.Subnet
	case InstanceType:
		i := snap.Instances.Get(id)
		f.VPC, f.Subnet = i.VPC, i.Subnet
	case RouteTableType:
		t, _ := routeTableOf(snap, scope, id) // found above
		f.VPC = t.VPC
	case EndpointType:
		f.VPC = snap.VPCEndpoints.Get(id).VPC
	case NetworkACLType:
		for v := range snap.VPCs.By(model.ByScope, model.ScopeValue(scope)) {
			if v.DefaultACL == id {
				f.VPC = v.ID
			}
		}
	case PeeringType:
		f.VPC = snap.Peerings.Get(id).Side(scope).VPC
	case InternetGatewayType:
		f.VPC = snap.InternetGateways.Get(id).VPC
	case NATGatewayType:
		g := snap.NATGateways.Get(id)
		f.VPC, f.Subnet = g.VPC, g.Subnet
	case ElasticIPType:
		if i := snap.Interfaces.Get(snap.ElasticIPs.Get(id).Interface); i != nil {
			f.VPC, f.Subnet = i.VPC, i.Subnet
		}
	}
	return f
}

// AttachedBy returns the interface and the instance of an attachment in the
// scope, "" for none.
func AttachedBy(snap *model.Snapshot, scope secgroup.Scope, attachment string) (iface, instance string) {
	for i := range snap.Interfaces.By(model.ByAttachment, attachment) {
		if i.Scope == scope {
			return i.ID, i.Attachment.Instance
		}
	}
	return "", ""
}

// AllocationOf returns the Elastic IP address in the scope that an association's
// id or the address itself names, "" for none.
func AllocationOf(snap *model.Snapshot, scope secgroup.Scope, text string) string {
	if e := addressAssociation(snap, scope, text); e != nil {
		return e.ID
	}
	for e := range snap.ElasticIPs.By(model.ByPublic, text) {
		if e.Scope == scope {
			return e.ID
		}
	}
	return ""
}

// RouteTableWith returns the route table that an association in the scope is of,
// "" for none.
func RouteTableWith(snap *model.Snapshot, scope secgroup.Scope, association string) string {
	t, _, err := findRouteAssociation(snap, scope, association)
	if err != nil {
		return ""
	}
	return t.ID
}

// BlockOf returns the VPC or the subnet that has an address block under this id,
// "" for none in the scope.
func BlockOf(snap *model.Snapshot, scope secgroup.Scope, association string) string {
	value := model.ScopeValue(scope)
	for v := range snap.VPCs.By(model.ByScope, value) {
		for _, blocks := range [][]secgroup.CIDRAssociation{v.CIDRs, v.IPv6} {
			for _, b := range blocks {
				if b.ID == association {
					return v.ID
				}
			}
		}
	}
	for n := range snap.Subnets.By(model.ByScope, value) {
		if n.IPv6 != nil && n.IPv6.ID == association {
			return n.ID
		}
	}
	return ""
}

// DefaultGroupOf returns the group that an interface in a subnet gets unnamed,
// "" when the scope has no such subnet. Without a subnet it is that of the
// default VPC.
func DefaultGroupOf(snap *model.Snapshot, scope secgroup.Scope, subnet string) string {
	if subnet == "" {
		if v := DefaultVPC(snap, scope); v != nil {
			return v.DefaultGroup
		}
		return ""
	}
	n := snap.Subnets.Get(subnet)
	if n == nil || n.Scope != scope {
		return ""
	}
	return snap.VPCs.Get(n.VPC).DefaultGroup
}

// GroupNamed returns the id of the group that a name stands for in requests, ""
// for none.
func GroupNamed(snap *model.Snapshot, scope secgroup.Scope, name string) string {
	g, err := groupByName(snap, scope, name)
	if err != nil {
		return ""
	}
	return g.ID
}
