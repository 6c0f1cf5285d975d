// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// The kinds of rows that join VPCs to the internet.
const (
	InternetGateways Kind = "internet-gateway"
	ElasticIPs       Kind = "elastic-ip"
	NATGateways      Kind = "nat-gateway"
)

var (
	natGatewaySchema = schema[secgroup.NATGateway]{
		kind: NATGateways, id: func(g *secgroup.NATGateway) string { return g.ID },
		born: func(g *secgroup.NATGateway) time.Time { return g.Created },
		indexes: []index[secgroup.NATGateway]{
			{ByScope, func(g *secgroup.NATGateway) []string { return []string{ScopeValue(g.Scope)} }},
			{ByVPC, func(g *secgroup.NATGateway) []string { return []string{g.VPC} }},
		},
	}
	internetGatewaySchema = schema[secgroup.InternetGateway]{
		kind: InternetGateways, id: func(g *secgroup.InternetGateway) string { return g.ID },
		born: func(g *secgroup.InternetGateway) time.Time { return g.Created },
		indexes: []index[secgroup.InternetGateway]{
			{ByScope, func(g *secgroup.InternetGateway) []string { return []string{ScopeValue(g.Scope)} }},
			{ByVPC, func(g *secgroup.InternetGateway) []string { return unlessEmpty(g.VPC) }},
		},
	}
	elasticIPSchema = schema[secgroup.ElasticIP]{
		kind: ElasticIPs, id: func(e *secgroup.ElasticIP) string { return e.ID },
		born: func(e *secgroup.ElasticIP) time.Time { return e.Created },
		indexes: []index[secgroup.ElasticIP]{
			{ByScope, func(e *secgroup.ElasticIP) []string { return []string{ScopeValue(e.Scope)} }},
			{ByPublic, func(e *secgroup.ElasticIP) []string { return []string{e.Address.String()} }},
			{ByAssociation, func(e *secgroup.ElasticIP) []string { return unlessEmpty(e.Association) }},
			{ByInterface, func(e *secgroup.ElasticIP) []string { return unlessEmpty(e.Interface) }},
		},
	}
)

func unlessEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// Gateway returns the internet gateway that is attached to a VPC, nil for none.
func (s *Snapshot) Gateway(vpc string) *secgroup.InternetGateway {
	for g := range s.InternetGateways.By(ByVPC, vpc) {
		return g
	}
	return nil
}

// ElasticIP returns the address that stands for a private address of an interface
// on the internet, nil for none.
func (s *Snapshot) ElasticIP(iface string, private netip.Addr) *secgroup.ElasticIP {
	for e := range s.ElasticIPs.By(ByInterface, iface) {
		if e.Private == private {
			return e
		}
	}
	return nil
}

// PublicAddress returns the public address of a private IPv4 address of an
// interface: the one associated with it, or the one that the network gave its
// primary address. The zero Addr is none.
func (s *Snapshot) PublicAddress(i *secgroup.Interface, private netip.Addr) netip.Addr {
	if e := s.ElasticIP(i.ID, private); e != nil {
		return e.Address
	}
	if i.Public.IsValid() && len(i.Addresses) > 0 && i.Addresses[0] == private {
		return i.Public
	}
	return netip.Addr{}
}

// Active reports whether packets that a route of a table is for get through:
// what it leads to is there, and the VPC's.
func (s *Snapshot) Active(t *secgroup.RouteTable, r *secgroup.Route) bool {
	if r.Gateway != "" {
		g := s.InternetGateways.Get(r.Gateway)
		return g != nil && g.VPC == t.VPC
	}
	if r.NAT != "" {
		g := s.NATGateways.Get(r.NAT)
		return g != nil && g.VPC == t.VPC && g.There()
	}
	p := s.Peerings.Get(r.Peering)
	return p != nil && p.State == secgroup.PeeringActive && (p.Requester.VPC == t.VPC || p.Accepter.VPC == t.VPC)
}
