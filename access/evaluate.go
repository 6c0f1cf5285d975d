// SPDX-License-Identifier: Apache-2.0

package access

import (
	"slices"
	"strings"
)

// Request is one action on one resource.
type Request struct {
	Action   string  // "ec2:CreateVpc"
	Resource string  // an ARN, or "*" when the action touches no resource in particular
	Context  Context // what conditions ask about
}

// Effect is the outcome of policies. The zero value refuses.
type Effect uint8

const (
	Unmentioned Effect = iota // nothing allows it
	Allowed
	Denied // a statement denies it, whatever others allow
)

func (e Effect) String() string {
	return [...]string{"not allowed by any statement", "allowed", "explicitly denied"}[e]
}

// Decision is an effect and the statement that decided.
type Decision struct {
	Effect    Effect
	Policy    int    // index of the deciding policy; 0 when Unmentioned
	Statement int    // its number in the policy, from 1; 0 when Unmentioned
	Sid       string // the statement's own name, "" for none
}

// Evaluate returns what policies together say: one denial outweighs everything,
// else one permission suffices, else nothing is allowed.
func Evaluate(policies []*Policy, r Request) Decision {
	var out Decision
	for i, p := range policies {
		for j := range p.statements {
			s := &p.statements[j]
			if out.Effect == Allowed && !s.deny || !s.applies(&r) || !s.touches(&r) {
				continue
			}
			out = Decision{Effect: Allowed, Policy: i, Statement: j + 1, Sid: s.sid}
			if s.deny {
				out.Effect = Denied
				return out
			}
		}
	}
	return out
}

// Caller is who asks to assume a role.
type Caller struct {
	Account string
	ARN     string
	Role    string // ARN of the role that the caller is a session of, "" for none
}

// EvaluateTrust returns what a role's trust policy says to a caller. named
// reports whether a permission is for the caller itself: then the caller's own
// account need not agree once more.
func EvaluateTrust(p *Policy, who Caller, r Request) (d Decision, named bool) {
	for j := range p.statements {
		s := &p.statements[j]
		trusted, itself := s.trusts(who)
		if !trusted || !s.applies(&r) {
			continue
		}
		if s.deny {
			return Decision{Effect: Denied, Statement: j + 1, Sid: s.sid}, false
		}
		named = named || itself
		if d.Effect != Allowed {
			d = Decision{Effect: Allowed, Statement: j + 1, Sid: s.sid}
		}
	}
	return d, named
}

// trusts reports whether the statement is about the caller, and whether by its
// own name rather than as one of an account.
func (s *statement) trusts(who Caller) (trusted, itself bool) {
	for _, name := range s.principals {
		switch name {
		case "*", who.Account, "arn:aws:iam::" + who.Account + ":root":
			trusted = true
		}
		if name == who.ARN || who.Role != "" && name == who.Role {
			return true, true
		}
	}
	return trusted, false
}

// applies reports whether action and conditions are the statement's.
func (s *statement) applies(r *Request) bool {
	action := strings.ToLower(r.Action)
	matches := slices.ContainsFunc(s.actions, func(p pattern) bool { return p.match(action, r.Context) })
	if matches == s.notActions {
		return false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r.Context) {
			return false
		}
	}
	return true
}

// touches reports whether the resource is the statement's.
func (s *statement) touches(r *Request) bool {
	if len(s.resources) == 0 {
		return false // a trust policy says nothing about resources
	}
	matches := slices.ContainsFunc(s.resources, func(p resource) bool { return p.match(r.Resource, r.Context) })
	return matches != s.notResources
}
