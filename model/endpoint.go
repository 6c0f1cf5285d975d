// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// VPCEndpoints is the kind of rows of VPC endpoints.
const VPCEndpoints Kind = "vpc-endpoint"

var vpcEndpointSchema = schema[secgroup.VPCEndpoint]{
	kind: VPCEndpoints, id: func(e *secgroup.VPCEndpoint) string { return e.ID },
	born: func(e *secgroup.VPCEndpoint) time.Time { return e.Created },
	indexes: []index[secgroup.VPCEndpoint]{
		{ByScope, func(e *secgroup.VPCEndpoint) []string { return []string{ScopeValue(e.Scope)} }},
		{ByVPC, func(e *secgroup.VPCEndpoint) []string { return []string{e.VPC} }},
	},
}

// EndpointInterfaces returns the interfaces of an endpoint, the oldest first.
func (s *Snapshot) EndpointInterfaces(e *secgroup.VPCEndpoint) []*secgroup.Interface {
	var out []*secgroup.Interface
	for in := range s.Instances.By(ByStreaming, StreamingValue(e.Scope, secgroup.EndpointKind, e.ID)) {
		for i := range s.Interfaces.By(ByInstance, in.ID) {
			if i.Scope == e.Scope { // the other one is the service's
				out = append(out, i)
			}
		}
	}
	slices.SortFunc(out, func(a, b *secgroup.Interface) int { return a.Created.Compare(b.Created) })
	return out
}
