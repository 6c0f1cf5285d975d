// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"time"
)

// NATRequester is the requester of the network interfaces of NAT gateways.
const NATRequester = "nat-gateways"

// NATState is the state of a NAT gateway.
type NATState string

const (
	NATPending   NATState = "pending"
	NATFailed    NATState = "failed" // it never was; Failure says why
	NATAvailable NATState = "available"
	NATDeleting  NATState = "deleting"
	NATDeleted   NATState = "deleted" // visible for an hour, as one that failed is
)

// NATGateway gives instances without public addresses a way to the internet: what a
// route sends to it leaves with its address (docs/spec/ec2-api.md section 4.8).
type NATGateway struct {
	Scope
	ID         string     `json:"id"` // nat-…
	VPC        string     `json:"vpc"`
	Subnet     string     `json:"subnet"`
	Interface  string     `json:"interface,omitempty"` // eni-…; it goes when the gateway is deleted
	Private    netip.Addr `json:"private,omitzero"`    // the interface's address
	Allocation string     `json:"allocation"`          // of its public address
	Public     netip.Addr `json:"public,omitzero"`
	State      NATState   `json:"state"`
	Code       string     `json:"code,omitempty"`    // of the failure
	Failure    string     `json:"failure,omitempty"` // text
	Tags       Tags       `json:"tags,omitempty"`
	Created    time.Time  `json:"created"`
	Ended      time.Time  `json:"ended,omitzero"` // when it was deleted or failed
}

// There reports whether routes lead through the gateway.
func (g *NATGateway) There() bool { return g.State == NATPending || g.State == NATAvailable }
