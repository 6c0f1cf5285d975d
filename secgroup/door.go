// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"time"
)

// EndpointPort is where an interface endpoint is asked; streams that it lets
// through use one of EndpointPorts, from the first on (docs/spec/appstream.md
// section 1.7).
const (
	EndpointPort      = 443
	FirstEndpointPort = 1400
	EndpointPorts     = 100
)

// Door is by which gateway a user comes: that of an interface of a VPC endpoint or,
// the zero Door, that of the internet.
type Door struct {
	Endpoint string     // id
	Address  netip.Addr // of the interface
}

// Stream is what the gateway connects a user to.
type Stream struct {
	Session  string     `json:"session"`  // id
	Instance string     `json:"instance"` // id
	Address  netip.Addr `json:"address"`  // in the management network
	Protocol string     `json:"protocol"` // "tcp" or "udp"
	Ready    bool       `json:"ready"`    // the instance runs; otherwise ask again
}

// Watched is a session that has its user at a gateway.
type Watched struct {
	Session string        // id
	Idle    time.Duration // since the user did something, connecting included
}
