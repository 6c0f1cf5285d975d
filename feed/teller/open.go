// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// openGroup stands for the groups of interfaces that have none and let everything
// through: those of NAT gateways. No group of a customer has such an id.
const openGroup = "open"

// everything returns the rules of openGroup.
func everything() *feed.Group {
	g := &feed.Group{ID: openGroup}
	for _, dir := range []flow.Direction{flow.Ingress, flow.Egress} {
		for _, block := range []string{"0.0.0.0/0", "::/0"} {
			g.Rules[dir] = append(g.Rules[dir], policy.Rule{
				ID: openGroup, Protocol: policy.All, From: policy.All, To: policy.All, Peer: policy.Peer{Prefix: netip.MustParsePrefix(block)},
			})
		}
	}
	return g
}
