// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"iter"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// rulePlace is where a rule is in listings: with its group, there by age
// (docs/spec/ec2-api.md section 1.8). The zero value is before every rule.
type rulePlace struct{ group, rule model.Place }

func placeOfRule(snap *model.Snapshot, r *control.GroupRule) rulePlace {
	return rulePlace{snap.Groups.Place(r.Group), model.Place{Born: r.Rule.Created.UnixNano(), ID: r.Rule.ID}}
}

func (p rulePlace) compare(other rulePlace) int {
	if c := p.group.Compare(other.group); c != 0 {
		return c
	}
	return p.rule.Compare(other.rule)
}

// key returns a text that parseRulePlace understands.
func (p rulePlace) key() string {
	group := p.group.Key()
	return string([]byte{byte(len(group))}) + group + p.rule.Key()
}

func parseRulePlace(key string) (p rulePlace, ok bool) {
	if key == "" {
		return rulePlace{}, true
	}
	group, rest := int(key[0]), key[1:]
	if group > len(rest) {
		return p, false
	}
	var inGroup, inRule bool
	p.group, inGroup = model.PlaceOf(rest[:group])
	p.rule, inRule = model.PlaceOf(rest[group:])
	return p, inGroup && inRule
}

// ruleFinder finds the groups whose rules the filters can match.
var ruleFinder = finder[secgroup.Group]{
	table: groupFinder.table, scope: groupFinder.scope,
	by: []way{{"security-group-rule-id", model.ByRule, itself}, {"group-id", theirIDs, itself}},
}

// listRules yields the rules that a request may show, in their order, from behind
// a place on: those with the ids it gives, or all that its filters can match.
func listRules(snap *model.Snapshot, scope secgroup.Scope, in *ec2types.DescribeSecurityGroupRulesRequest, after rulePlace) (iter.Seq[*control.GroupRule], error) {
	inOrder := func(rules []*control.GroupRule) []*control.GroupRule {
		rules = slices.DeleteFunc(rules, func(r *control.GroupRule) bool { return placeOfRule(snap, r).compare(after) <= 0 })
		slices.SortFunc(rules, func(a, b *control.GroupRule) int { return placeOfRule(snap, a).compare(placeOfRule(snap, b)) })
		return rules
	}
	if len(in.SecurityGroupRuleIds) > 0 {
		rules, err := control.SecurityGroupRules(snap, scope, in.SecurityGroupRuleIds)
		return slices.Values(inOrder(rules)), err
	}
	groups := ruleFinder.rows(snap, scope, in.Filters, model.Place{Born: after.group.Born}) // the group of the last page may have more
	return func(yield func(*control.GroupRule) bool) {
		for g := range groups {
			rules := make([]*control.GroupRule, len(g.Rules))
			for i := range g.Rules {
				rules[i] = &control.GroupRule{Group: g, Rule: &g.Rules[i]}
			}
			for _, r := range inOrder(rules) {
				if !yield(r) {
					return
				}
			}
		}
	}, nil
}

// listedRuleFilters are those of DescribeSecurityGroupRules.
var listedRuleFilters = filters[control.GroupRule]{
	names: map[string]func(*control.GroupRule) []string{
		"group-id":               one(func(r *control.GroupRule) string { return r.Group.ID }),
		"security-group-rule-id": one(func(r *control.GroupRule) string { return r.Rule.ID }),
	},
	tags: func(r *control.GroupRule) secgroup.Tags { return r.Rule.Tags },
}

// compileRuleFilters refuses, beside unknown filters, groups whose ids are
// malformed; patterns are not ids.
func compileRuleFilters(in []ec2types.Filter) (func(*control.GroupRule) bool, error) {
	for i := range in {
		if deref(in[i].Name) != "group-id" {
			continue
		}
		for _, v := range in[i].Values {
			if !secgroup.WellFormed(secgroup.GroupPrefix, v) && !strings.ContainsAny(v, "*?") {
				return nil, secgroup.Errorf(badGroupID, "The security group ID '%s' is malformed", v)
			}
		}
	}
	return listedRuleFilters.compile(in)
}
