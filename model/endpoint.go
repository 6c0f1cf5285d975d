// SPDX-License-Identifier: Apache-2.0

package model

import (
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
