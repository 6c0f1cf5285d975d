// SPDX-License-Identifier: Apache-2.0

package control

import "github.com/hedgeward/hedgeward/secgroup"

// ruleCount is what a group's rules weigh per direction and address family
// (docs/spec/ec2-api.md section 12.1).
type ruleCount [2][2]int // [egress][IPv6]

// countRules weighs rules. A range weighs in its own family, a group in both.
func countRules(rules []secgroup.Rule) ruleCount {
	var n ruleCount
	for i := range rules {
		direction := 0
		if rules[i].Egress {
			direction = 1
		}
		peer := rules[i].Peer
		if peer.Group != "" || peer.Prefix.Addr().Is4() {
			n[direction][0]++
		}
		if peer.Group != "" || peer.Prefix.Addr().Is6() {
			n[direction][1]++
		}
	}
	return n
}

// checkRuleQuota refuses a change of a group's rules that lets a counter grow
// beyond limit. One that is beyond it already, because the limit was lowered,
// does not stand in the way of the others.
func checkRuleQuota(before, after []secgroup.Rule, limit int) error {
	was, is := countRules(before), countRules(after)
	for direction := range is {
		for family := range is[direction] {
			if n := is[direction][family]; n > limit && n > was[direction][family] {
				return secgroup.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
			}
		}
	}
	return nil
}
