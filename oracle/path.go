// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/flow"
)

// Path is what the fabric says of a packet's way between the interface and its
// remote. The zero Path comes straight from outside, or leads there.
type Path struct {
	From  *Interface // id(p) of an ingress packet; nil is outside (1.5)
	Class PathClass
}

// PathClass is a row of the table of section 1.6.
type PathClass uint8

const (
	Direct PathClass = iota
	Middlebox
	PublicAddress
	Peering
	PeeringOtherRegion
	TransitGateway
	Inspection
	InternetGateway
	NATGateway
	LoadBalancer // a Network Load Balancer
	InterfaceEndpoint
	Lambda
	GlobalAccelerator
	NetworkFirewall
	EgressOnlyGateway
	GatewayLoadBalancer
	DynamoDB

	NumPathClasses
)

// pathClasses is the table of section 1.6: whether a group reference of each
// direction can match, whether tracking is forced by default, and what an entry
// costs.
var pathClasses = [NumPathClasses]struct {
	name                  string
	ingressRef, egressRef bool
	forces                bool
	cost                  int
}{
	Direct:              {"direct", true, true, false, 1},
	Middlebox:           {"middlebox", false, false, false, 1},
	PublicAddress:       {"public", false, false, false, 1},
	Peering:             {"peering", true, true, false, 1},
	PeeringOtherRegion:  {"peering-other-region", false, false, false, 1},
	TransitGateway:      {"tgw", true, false, false, 1}, // see Switches.ForceTracking
	Inspection:          {"inspection", false, false, false, 1},
	InternetGateway:     {"igw", false, false, false, 1},
	NATGateway:          {"nat", false, false, true, 1},
	LoadBalancer:        {"nlb", false, false, true, 1},
	InterfaceEndpoint:   {"endpoint", true, true, true, 1},
	Lambda:              {"lambda", true, true, true, 1},
	GlobalAccelerator:   {"accelerator", false, false, true, 1},
	NetworkFirewall:     {"firewall", false, false, true, 1},
	EgressOnlyGateway:   {"egress-only", false, false, true, 1},
	GatewayLoadBalancer: {"gwlb", false, false, false, 1}, // see Switches.ForceTracking
	DynamoDB:            {"dynamodb", false, false, true, 2},
}

func (c PathClass) String() string { return pathClasses[c].name }

// ParsePathClass returns the class of a name.
func ParsePathClass(name string) (PathClass, bool) {
	for c := range NumPathClasses {
		if pathClasses[c].name == name {
			return c, true
		}
	}
	return 0, false
}

// Cost returns how many entries one connection over such a path costs (2.4).
func (c PathClass) Cost() int { return pathClasses[c].cost }

// References reports whether group references of the direction can match over
// such a path at all.
func (c PathClass) References(d flow.Direction) bool {
	if d == flow.Ingress {
		return pathClasses[c].ingressRef
	}
	return pathClasses[c].egressRef
}

// Forces reports whether such a path forces tracking (2.4).
func (s Switches) Forces(c PathClass) bool {
	if forced, set := s.ForceTracking[c]; set {
		return forced
	}
	return pathClasses[c].forces
}

// Link joins two VPCs.
type Link struct {
	A, B  string
	Class PathClass // Peering, PeeringOtherRegion, TransitGateway or Inspection

	Active     bool // routes lead across it
	References bool // TransitGateway: referencing is on, at the gateway and both attachments
}

// link returns the active link between two VPCs, or nil.
func (w *World) link(a, b string) *Link {
	for i, l := range w.Links {
		if l.Active && (l.A == a && l.B == b || l.A == b && l.B == a) {
			return &w.Links[i]
		}
	}
	return nil
}

// Route returns the interface to which the routes of a VPC deliver an address,
// nil for outside, and by what kind of path.
func (w *World) Route(vpc string, a netip.Addr) (*Interface, PathClass) {
	if e := w.Owner(vpc, a); e != nil {
		return e, Direct
	}
	for name := range w.VPCs {
		if l := w.link(vpc, name); l != nil {
			if e := w.Owner(name, a); e != nil {
				return e, l.Class
			}
		}
	}
	return nil, Direct
}

// reachable reports that a rule of e may match members in the VPC: its own, or
// one that is linked to it with references (1.6).
func (w *World) reachable(e *Interface, vpc string, d flow.Direction) bool {
	if vpc == e.VPC {
		return true
	}
	l := w.link(e.VPC, vpc)
	return l != nil && l.Class.References(d) && (l.Class != TransitGateway || l.References)
}
