// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"strings"
	"time"
)

// EndpointRequester is the requester of the network interfaces of VPC endpoints in their
// customers' subnets.
const EndpointRequester = "vpc-endpoints"

// EndpointState is the state of a VPC endpoint.
type EndpointState string

const (
	EndpointPending   EndpointState = "pending" // not all of its interfaces answer yet
	EndpointAvailable EndpointState = "available"
	EndpointDeleting  EndpointState = "deleting" // gone once its instances are
)

// EndpointService is what an interface endpoint leads to, the last part of its
// name (docs/spec/appstream.md section 1.7).
type EndpointService string

const (
	StreamingEndpoint EndpointService = "appstream.streaming" // the streaming gateway
	APIEndpoint       EndpointService = "appstream.api"       // the API listener
)

// VPCEndpoint is a service with an address in a customer's subnets: an interface
// in each, which the groups of the endpoint filter.
type VPCEndpoint struct {
	Scope
	ID         string          `json:"id"` // vpce-…
	VPC        string          `json:"vpc"`
	Service    EndpointService `json:"service"`
	Subnets    []string        `json:"subnets"` // ids; never empty
	Groups     []string        `json:"groups"`  // ids; never empty
	PrivateDNS bool            `json:"privateDns,omitempty"`
	State      EndpointState   `json:"state"`
	Tags       Tags            `json:"tags,omitempty"`
	Created    time.Time       `json:"created"`
}

// ServiceName returns the whole name of the service, as requests have it.
func (e *VPCEndpoint) ServiceName() string { return e.Service.In(e.Region) }

// DNSName returns the name of the endpoint, as clients find it.
func (e *VPCEndpoint) DNSName() string {
	return e.ID + "." + strings.TrimPrefix(string(e.Service), "appstream.") + ".appstream." + e.Region + ".vpce.amazonaws.com"
}

// In returns the service's name in a Region.
func (s EndpointService) In(region string) string { return "com.amazonaws." + region + "." + string(s) }
