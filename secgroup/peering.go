// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"time"
)

// PeeringState is the status code of a VPC peering connection
// (docs/spec/ec2-api.md section 9.1). States that EC2 passes through on its way
// to another one are never seen.
type PeeringState string

const (
	PeeringPending  PeeringState = "pending-acceptance"
	PeeringActive   PeeringState = "active"
	PeeringRejected PeeringState = "rejected"
	PeeringExpired  PeeringState = "expired"
	PeeringFailed   PeeringState = "failed"
	PeeringDeleted  PeeringState = "deleted"
)

// PeeringSide is one of the two VPCs of a peering connection. Each side's account
// has tags of its own.
type PeeringSide struct {
	Scope
	VPC      string         `json:"vpc"`             // as the request names it; need not exist
	CIDRs    []netip.Prefix `json:"cidrs,omitempty"` // the VPC's blocks, to be shown when it is gone
	IPv6     []netip.Prefix `json:"ipv6,omitempty"`
	AllowDNS bool           `json:"allowDns,omitempty"` // kept to be shown: nothing here resolves names
	Tags     Tags           `json:"tags,omitempty"`
}

// Peering is a VPC peering connection. While it is active, routes may lead from
// either VPC to the other; in one Region, rules may also name groups there.
type Peering struct {
	ID        string       `json:"id"` // pcx-…
	Requester PeeringSide  `json:"requester"`
	Accepter  PeeringSide  `json:"accepter"`
	State     PeeringState `json:"state"`          // PeeringPending even when nobody accepted in time: see At
	By        string       `json:"by,omitempty"`   // account that rejected or deleted it
	Ended     time.Time    `json:"ended,omitzero"` // when it was rejected or deleted, or failed
	Created   time.Time    `json:"created"`        //
	Expires   time.Time    `json:"expires"`        // unless accepted before
}

// At returns the peering connection as it is at a time: one that was not accepted
// in time has expired.
func (p *Peering) At(now time.Time) *Peering {
	if p.State != PeeringPending || now.Before(p.Expires) {
		return p
	}
	expired := *p
	expired.State, expired.Ended = PeeringExpired, p.Expires
	return &expired
}

// Side returns the side that lives in the scope, the requester's when both do;
// nil when neither does.
func (p *Peering) Side(s Scope) *PeeringSide {
	switch s {
	case p.Requester.Scope:
		return &p.Requester
	case p.Accepter.Scope:
		return &p.Accepter
	}
	return nil
}

// Other returns the VPC on the other side than vpc.
func (p *Peering) Other(vpc string) *PeeringSide {
	if p.Requester.VPC == vpc {
		return &p.Accepter
	}
	return &p.Requester
}

// References reports whether rules on one side may name groups of the other:
// both VPCs are in one Region (docs/spec/ec2-api.md section 9.3).
func (p *Peering) References() bool {
	return p.State == PeeringActive && p.Requester.Region == p.Accepter.Region
}

// RouteTable says where packets of its subnets go that leave their VPC. That
// packets within the VPC go straight to their destination is true of every table
// and not in it.
type RouteTable struct {
	Scope
	ID      string             `json:"id"` // rtb-…
	VPC     string             `json:"vpc"`
	Routes  []Route            `json:"routes,omitempty"`  // no two with one destination
	Subnets []RouteAssociation `json:"subnets,omitempty"` // explicit ones; the VPC's main table has all others
	Tags    Tags               `json:"tags,omitempty"`
	Created time.Time          `json:"created"`
}

// Route sends packets for a block through a peering connection or to an internet
// gateway: one of the two is named. If that is not active or not attached, it
// drops them.
type Route struct {
	Destination netip.Prefix `json:"destination"`       // canonical
	Peering     string       `json:"peering,omitempty"` // pcx-…; may be gone
	Gateway     string       `json:"gateway,omitempty"` // igw-…; may be gone
	NAT         string       `json:"nat,omitempty"`     // nat-…; may be gone
}

// RouteAssociation ties a subnet to a table.
type RouteAssociation struct {
	ID     string `json:"id"` // rtbassoc-…
	Subnet string `json:"subnet"`
}

// Route returns the longest route that covers an address, nil for none.
func (t *RouteTable) Route(a netip.Addr) *Route {
	var best *Route
	for i := range t.Routes {
		if r := &t.Routes[i]; r.Destination.Contains(a) && (best == nil || r.Destination.Bits() > best.Destination.Bits()) {
			best = r
		}
	}
	return best
}

// GroupAssociation lets interfaces of a further VPC carry a group. It lives where
// the group does.
type GroupAssociation struct {
	Scope
	Group   string    `json:"group"`
	VPC     string    `json:"vpc"` // another than the group's own
	Created time.Time `json:"created"`
}
