// SPDX-License-Identifier: Apache-2.0

package control

import "github.com/hedgeward/hedgeward/secgroup"

// ruleCount is what a group's rules weigh per direction and address family
// (docs/spec/ec2-api.md section 12.1).
type ruleCount [2][2]int // [egress][IPv6]

// countRules weighs rules. A range weighs in its own family, a group in both, and
// so does a prefix list, by its size.
func countRules(rules []secgroup.Rule, weight listWeight) ruleCount {
	var n ruleCount
	for i := range rules {
		direction := 0
		if rules[i].Egress {
			direction = 1
		}
		peer := rules[i].Peer
		if peer.PrefixList != "" {
			w := weight(peer.PrefixList)
			n[direction][0] += w
			n[direction][1] += w
			continue
		}
		if peer.Group != "" || peer.Prefix.Addr().Is4() {
			n[direction][0]++
		}
		if peer.Group != "" || peer.Prefix.Addr().Is6() {
			n[direction][1]++
		}
	}
	return n
}

// exceeds reports whether a counter has grown beyond limit. One that was beyond
// it already, because the limit was lowered, does not stand in the way of the
// others.
func (n ruleCount) exceeds(was ruleCount, limit int) bool {
	for direction := range n {
		for family, is := range n[direction] {
			if is > limit && is > was[direction][family] {
				return true
			}
		}
	}
	return false
}

// checkRuleQuota refuses a change of a group's rules that lets a counter grow
// beyond limit.
func checkRuleQuota(before, after []secgroup.Rule, weight listWeight, limit int) error {
	if countRules(after, weight).exceeds(countRules(before, weight), limit) {
		return secgroup.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	return nil
}
