// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"time"
)

// InternetGateway joins a VPC to the internet: through it go the packets that a
// route sends there, from and to addresses that are public
// (docs/spec/ec2-api.md section 4.5).
type InternetGateway struct {
	Scope
	ID      string    `json:"id"`            // igw-…
	VPC     string    `json:"vpc,omitempty"` // that it is attached to; "" for none
	Tags    Tags      `json:"tags,omitempty"`
	Created time.Time `json:"created"`
}

// ElasticIP is a public IPv4 address that an account holds until it gives it
// back. While it is associated, it stands on the internet for one private address
// of an interface.
type ElasticIP struct {
	Scope
	ID          string     `json:"id"` // eipalloc-…
	Address     netip.Addr `json:"address"`
	Association string     `json:"association,omitempty"` // eipassoc-…; "" while it stands for nothing
	Interface   string     `json:"interface,omitempty"`   // with Association
	Private     netip.Addr `json:"private,omitzero"`      // with Association: an address of the interface
	Tags        Tags       `json:"tags,omitempty"`
	Created     time.Time  `json:"created"`
}

// Free returns e standing for nothing.
func (e ElasticIP) Free() *ElasticIP {
	e.Association, e.Interface, e.Private = "", "", netip.Addr{}
	return &e
}
