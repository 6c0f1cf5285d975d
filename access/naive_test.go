// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The naive evaluator: IAM's rules said once more, with regular expressions, on
// the document's own form. It shares nothing with the evaluator under test.

type naiveStatement struct {
	Effect      string
	Action      []string                       `json:",omitempty"`
	NotAction   []string                       `json:",omitempty"`
	Resource    []string                       `json:",omitempty"`
	NotResource []string                       `json:",omitempty"`
	Condition   map[string]map[string][]string `json:",omitempty"`
}

func naiveGlob(pattern, s string) bool {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(expr, `\*`, `.*`)
	expr = strings.ReplaceAll(expr, `\?`, `.`)
	return regexp.MustCompile(`(?s)^` + expr + `$`).MatchString(s)
}

func naiveResource(pattern, arn string) bool {
	if pattern == "*" {
		return true
	}
	p, a := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(a) != 6 {
		return false
	}
	for len(p) < 6 {
		p = append(p, "*")
	}
	for i := range a {
		if !naiveGlob(p[i], a[i]) {
			return false
		}
	}
	return true
}

func naiveCondition(operator string, want, have []string) bool {
	set := ""
	if before, after, ok := strings.Cut(operator, ":"); ok {
		set, operator = before, after
	}
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	if operator == "Null" {
		return slices.Contains(want, map[bool]string{true: "true", false: "false"}[len(have) == 0])
	}
	negated := strings.Contains(operator, "Not")
	good := func(v string) bool {
		hit := false
		for _, w := range want {
			switch strings.Replace(operator, "Not", "", 1) {
			case "StringEquals":
				hit = hit || v == w
			case "StringEqualsIgnoreCase":
				hit = hit || strings.EqualFold(v, w)
			case "StringLike":
				hit = hit || naiveGlob(w, v)
			}
		}
		return hit != negated
	}
	if len(have) == 0 && ifExists {
		return true
	}
	switch {
	case set == "ForAllValues":
		return !slices.ContainsFunc(have, func(v string) bool { return !good(v) })
	case set == "ForAnyValue":
		return slices.ContainsFunc(have, good)
	case len(have) == 0:
		return negated
	case negated:
		return !slices.ContainsFunc(have, func(v string) bool { return !good(v) })
	}
	return slices.ContainsFunc(have, good)
}

func naive(statements []naiveStatement, r Request) Effect {
	effect := Unmentioned
	for _, s := range statements {
		action := func(p string) bool { return naiveGlob(strings.ToLower(p), strings.ToLower(r.Action)) }
		target := func(p string) bool { return naiveResource(p, r.Resource) }
		ok := slices.ContainsFunc(s.Action, action) || s.NotAction != nil && !slices.ContainsFunc(s.NotAction, action)
		ok = ok && (slices.ContainsFunc(s.Resource, target) || s.NotResource != nil && !slices.ContainsFunc(s.NotResource, target))
		for operator, block := range s.Condition {
			for key, want := range block {
				ok = ok && naiveCondition(operator, want, r.Context[strings.ToLower(key)])
			}
		}
		switch {
		case ok && s.Effect == "Deny":
			return Denied
		case ok:
			effect = Allowed
		}
	}
	return effect
}

func TestEvaluatorAgreesWithNaiveOne(t *testing.T) {
	actions := rapid.SliceOfN(rapid.SampledFrom([]string{"*", "ec2:*", "ec2:Create*", "EC2:createvpc", "ec2:?reateVpc", "ec2:DeleteVpc", "sts:*", "ec2:*Vpc*"}), 1, 3)
	resources := rapid.SliceOfN(rapid.SampledFrom([]string{
		"*", "arn:aws:ec2:*:*:*", "arn:aws:ec2:us-*:1:vpc/*", "arn:aws:ec2:*:vpc/vpc-1", "arn:aws:ec2", "arn:aws:ec2:us-east-1:1:vpc/vpc-?", "arn:*:*:*:*:*/*1*", "arn:aws:iam:::*",
	}), 1, 3)
	words := []string{"a", "A", "b", "ab", "a*", "*b", "?", ""}
	values := rapid.SliceOfN(rapid.SampledFrom(words), 1, 3)
	operators := rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 7).Draw(t, "null") == 0 {
			return "Null"
		}
		return rapid.SampledFrom([]string{"", "ForAllValues:", "ForAnyValue:"}).Draw(t, "set") +
			rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"}).Draw(t, "operator") +
			rapid.SampledFrom([]string{"", "IfExists"}).Draw(t, "suffix")
	})
	keys := rapid.SampledFrom([]string{"aws:username", "aws:TagKeys", "aws:RequestTag/x"})
	statements := rapid.Custom(func(t *rapid.T) naiveStatement {
		s := naiveStatement{Effect: rapid.SampledFrom([]string{"Allow", "Allow", "Deny"}).Draw(t, "effect")}
		if list := actions.Draw(t, "actions"); rapid.Bool().Draw(t, "not action") {
			s.NotAction = list
		} else {
			s.Action = list
		}
		if list := resources.Draw(t, "resources"); rapid.Bool().Draw(t, "not resource") {
			s.NotResource = list
		} else {
			s.Resource = list
		}
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			operator := operators.Draw(t, "operator")
			want := values.Draw(t, "want")
			if operator == "Null" {
				want = []string{rapid.SampledFrom([]string{"true", "false"}).Draw(t, "null")}
			}
			if s.Condition == nil {
				s.Condition = map[string]map[string][]string{}
			}
			s.Condition[operator] = map[string][]string{keys.Draw(t, "key"): want}
		}
		return s
	})
	seen := map[Effect]int{}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(statements, 1, 4).Draw(t, "statements")
		r := Request{
			Action:   rapid.SampledFrom([]string{"ec2:CreateVpc", "ec2:DeleteVpc", "sts:AssumeRole"}).Draw(t, "action"),
			Resource: rapid.SampledFrom([]string{"*", "arn:aws:ec2:us-east-1:1:vpc/vpc-1", "arn:aws:ec2:eu-west-1:1:vpc/*", "arn:aws:ec2:us-east-1:2:subnet/a:vpc/vpc-1"}).Draw(t, "resource"),
			Context:  Context{},
		}
		for _, key := range []string{"aws:username", "aws:tagkeys", "aws:requesttag/x"} {
			if have := rapid.SliceOfN(rapid.SampledFrom(words), 0, 3).Draw(t, key); len(have) > 0 {
				r.Context[key] = have
			}
		}
		document, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": list})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(Identity, string(document))
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		want := naive(list, r)
		seen[want]++
		if got := Evaluate([]*Policy{p}, r); got.Effect != want {
			t.Fatalf("%s\n%+v: %v, want %v", document, r, got.Effect, want)
		}
	})
	for _, e := range []Effect{Unmentioned, Allowed, Denied} {
		if seen[e] == 0 {
			t.Errorf("no case came out as %q", e)
		}
	}
}
