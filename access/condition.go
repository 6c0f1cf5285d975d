// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Context holds what conditions and policy variables ask about: condition keys
// in lower case with their values. A key without values is absent.
type Context map[string][]string

// Add appends values to a key, whatever its letter case.
func (c Context) Add(key string, values ...string) {
	key = strings.ToLower(key)
	c[key] = append(c[key], values...)
}

// keys are the condition keys that this installation knows, in lower case. One
// that ends in a slash is a family: a tag's key follows.
var keys = map[string]bool{
	"aws:currenttime": true, "aws:epochtime": true, "aws:multifactorauthpresent": true, "aws:principalaccount": true,
	"aws:principalarn": true, "aws:principaltype": true, "aws:requestedregion": true, "aws:requesttag/": true,
	"aws:resourceaccount": true, "aws:resourcetag/": true, "aws:securetransport": true, "aws:sourceip": true,
	"aws:tagkeys": true, "aws:tokenissuetime": true, "aws:userid": true, "aws:username": true,
	"ec2:createaction": true, "ec2:region": true, "ec2:resourcetag/": true, "ec2:subnet": true, "ec2:vpc": true,
	"sts:externalid": true, "sts:rolesessionname": true,
}

// checkKey refuses a condition key, in lower case, that would never have a value
// here: a statement that denies by it would deny nothing.
func checkKey(key string) error {
	family, tag, isFamily := strings.Cut(key, "/")
	if isFamily && tag != "" && keys[family+"/"] || !isFamily && keys[key] {
		return nil
	}
	return fmt.Errorf("the condition key %.100q is not one that this installation knows", key)
}

// quantifier is how many of a key's values must do.
type quantifier uint8

const (
	one quantifier = iota // any for a positive operator, all for a negated one
	forAll
	forAny
)

// condition is one operator on one key with its values.
type condition struct {
	operator
	quantifier quantifier
	ifExists   bool
	key        string
	want       []test
}

// test judges one value of the request.
type test func(value string, c Context) bool

// operator is what is named in a Condition, without prefix and suffix.
type operator struct {
	null    bool
	negated bool
	compile func(value string, withVariables bool) (test, error)
}

var operators = map[string]operator{
	"StringEquals":              {compile: texts(0, false)},
	"StringNotEquals":           {compile: texts(0, false), negated: true},
	"StringEqualsIgnoreCase":    {compile: texts(0, true)},
	"StringNotEqualsIgnoreCase": {compile: texts(0, true), negated: true},
	"StringLike":                {compile: texts(wildcards, false)},
	"StringNotLike":             {compile: texts(wildcards, false), negated: true},
	"ArnEquals":                 {compile: arns},
	"ArnNotEquals":              {compile: arns, negated: true},
	"ArnLike":                   {compile: arns},
	"ArnNotLike":                {compile: arns, negated: true},
	"Bool":                      {compile: booleans},
	"Null":                      {compile: booleans, null: true},
	"IpAddress":                 {compile: addresses},
	"NotIpAddress":              {compile: addresses, negated: true},

	"NumericEquals":            {compile: ordered(parseNumber, func(d int) bool { return d == 0 })},
	"NumericNotEquals":         {compile: ordered(parseNumber, func(d int) bool { return d == 0 }), negated: true},
	"NumericLessThan":          {compile: ordered(parseNumber, func(d int) bool { return d < 0 })},
	"NumericLessThanEquals":    {compile: ordered(parseNumber, func(d int) bool { return d <= 0 })},
	"NumericGreaterThan":       {compile: ordered(parseNumber, func(d int) bool { return d > 0 })},
	"NumericGreaterThanEquals": {compile: ordered(parseNumber, func(d int) bool { return d >= 0 })},

	"DateEquals":            {compile: ordered(parseDate, func(d int) bool { return d == 0 })},
	"DateNotEquals":         {compile: ordered(parseDate, func(d int) bool { return d == 0 }), negated: true},
	"DateLessThan":          {compile: ordered(parseDate, func(d int) bool { return d < 0 })},
	"DateLessThanEquals":    {compile: ordered(parseDate, func(d int) bool { return d <= 0 })},
	"DateGreaterThan":       {compile: ordered(parseDate, func(d int) bool { return d > 0 })},
	"DateGreaterThanEquals": {compile: ordered(parseDate, func(d int) bool { return d >= 0 })},
}

func parseConditions(n node, withVariables bool) ([]condition, error) {
	if n.kind != object {
		return nil, fmt.Errorf("the Condition is not an object")
	}
	var out []condition
	for _, block := range n.members {
		var form condition
		name := block.name
		if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
			name, form.quantifier = rest, forAll
		} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
			name, form.quantifier = rest, forAny
		}
		name, form.ifExists = strings.CutSuffix(name, "IfExists")
		var ok bool
		if form.operator, ok = operators[name]; !ok || form.null && block.name != "Null" {
			return nil, fmt.Errorf("the condition operator %.80q is not known", block.name)
		}
		if block.value.kind != object || len(block.value.members) == 0 {
			return nil, fmt.Errorf("the condition %s does not name a key", block.name)
		}
		seen := map[string]bool{}
		for _, m := range block.value.members {
			c := form
			c.key = strings.ToLower(m.name)
			if err := checkKey(c.key); err != nil {
				return nil, err
			}
			if seen[c.key] {
				return nil, fmt.Errorf("the condition %s names %s twice", block.name, m.name)
			}
			seen[c.key] = true
			values, err := m.value.scalars(m.name)
			if err != nil {
				return nil, err
			}
			for _, v := range values {
				t, err := c.compile(v, withVariables)
				if err != nil {
					return nil, fmt.Errorf("the condition %s of %s: %w", block.name, m.name, err)
				}
				c.want = append(c.want, t)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// holds reports whether the request is as the condition wants it.
func (c *condition) holds(ctx Context) bool {
	values := ctx[c.key]
	if c.null {
		absent := strconv.FormatBool(len(values) == 0)
		return c.wanted(absent, ctx)
	}
	if len(values) == 0 {
		return c.ifExists || c.quantifier == forAll || c.negated && c.quantifier == one
	}
	all := c.quantifier == forAll || c.quantifier == one && c.negated
	for _, v := range values {
		if c.wanted(v, ctx) == c.negated { // this value does not do
			if all {
				return false
			}
		} else if !all {
			return true
		}
	}
	return all
}

// wanted reports whether one of the condition's values fits.
func (c *condition) wanted(value string, ctx Context) bool {
	for _, t := range c.want {
		if t(value, ctx) {
			return true
		}
	}
	return false
}

func texts(f features, fold bool) func(string, bool) (test, error) {
	return func(value string, withVariables bool) (test, error) {
		f := f
		if withVariables {
			f |= variables
		}
		p, err := compile(value, f)
		if err != nil || !fold {
			return p.match, err
		}
		return func(v string, c Context) bool {
			symbols, ok := p.expand(c)
			return ok && strings.EqualFold(string(symbols), v)
		}, nil
	}
}

func arns(value string, withVariables bool) (test, error) {
	r, err := compileResource(value, withVariables)
	return r.match, err
}

func booleans(value string, _ bool) (test, error) {
	want := strings.ToLower(value)
	if want != "true" && want != "false" {
		return nil, fmt.Errorf("%.40q is neither true nor false", value)
	}
	return func(v string, _ Context) bool { return strings.EqualFold(v, want) }, nil
}

func addresses(value string, _ bool) (test, error) {
	want, err := netip.ParsePrefix(value)
	if err != nil {
		a, err := netip.ParseAddr(value)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("%.60q is neither an address nor a range of addresses", value)
		}
		want = netip.PrefixFrom(a, a.BitLen())
	}
	return func(v string, _ Context) bool {
		a, err := netip.ParseAddr(v)
		return err == nil && want.Contains(a.Unmap())
	}, nil
}

// ordered compares what parse makes of both sides. A value of the request that
// cannot be parsed fits nothing.
func ordered(parse func(string) (float64, error), fits func(difference int) bool) func(string, bool) (test, error) {
	return func(value string, _ bool) (test, error) {
		want, err := parse(value)
		if err != nil {
			return nil, err
		}
		return func(v string, _ Context) bool {
			got, err := parse(v)
			if err != nil {
				return false
			}
			switch {
			case got < want:
				return fits(-1)
			case got > want:
				return fits(1)
			}
			return fits(0)
		}, nil
	}
}

func parseNumber(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || strings.ContainsAny(s, "xX_") {
		return 0, fmt.Errorf("%.40q is not a number", s)
	}
	return n, nil
}

// parseDate reads a time, given in the forms of ISO 8601 or as seconds since
// 1970, and returns those seconds.
func parseDate(s string) (float64, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return float64(t.Unix()) + float64(t.Nanosecond())/1e9, nil
		}
	}
	if n, err := parseNumber(s); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("%.40q is not a time; write it like 2026-01-31T00:00:00Z", s)
}
