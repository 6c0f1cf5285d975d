// SPDX-License-Identifier: Apache-2.0

// Package secgroup holds the nouns of the product: accounts, VPCs, subnets,
// security groups and their rules, network interfaces, instances, tags, their
// identifiers, normal forms and error codes (docs/spec/ec2-api.md sections 0.3
// and 2).
//
// It validates and canonicalises, but stores nothing, talks to nobody and knows
// no wire format. Stored values are immutable: copy before you change one.
package secgroup
