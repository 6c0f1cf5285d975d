// SPDX-License-Identifier: Apache-2.0

package control

import (
	"maps"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	chainedSession   = time.Hour // the most for a role assumed from a session
	usualUserSession = 12 * time.Hour
	rootSession      = time.Hour
	maxInlinePolicy  = 2048 // characters
	maxSessionARNs   = 10
)

// Assumption is a request to become a role.
type Assumption struct {
	RoleARN    string
	Name       string        // of the session
	Life       time.Duration // 0 is an hour
	Policy     string        // document that limits the session, "" for none
	PolicyARNs []string      // policies of the role's account that limit it
	ExternalID string
	Context    access.Context // what is known of the call
}

// Assumed is a role's new session.
type Assumed struct {
	Credentials
	ARN, ID string // of the session
	Packed  int    // percentage of what its policies may be long
}

// assumeDenied is all that a caller learns: not even whether there is such a role.
func assumeDenied(who Actor, role string) error {
	return secgroup.Errorf("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who.ARN, role)
}

// AssumeRole begins a session of a role (docs/spec/ec2-api.md section 11.5).
//
// Errors: AccessDenied, ValidationError, MalformedPolicyDocument,
// PackedPolicyTooLarge.
func (s *Service) AssumeRole(who Actor, a Assumption) (*Assumed, error) {
	if who.User == secgroup.Root {
		return nil, secgroup.Errorf("AccessDenied", "Roles may not be assumed by root accounts.")
	}
	limits, packed, err := s.sessionPolicies(&a)
	if err != nil {
		return nil, err
	}
	role := s.roleByARN(a.RoleARN)
	if role == nil || !s.mayAssume(who, role, &a) {
		return nil, assumeDenied(who, a.RoleARN)
	}
	life := a.Life
	if life == 0 {
		life = usualSession * time.Second
	}
	switch {
	case life > time.Duration(role.MaxSession)*time.Second:
		return nil, secgroup.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case who.Session != nil && who.Session.Role != "" && life > chainedSession:
		return nil, secgroup.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	session := Session{Role: role.Name, RoleID: role.ID, Name: a.Name, Policies: limits, Parent: parentOf(who)}
	id := role.ID + ":" + a.Name
	c, err := s.issue(role.Account, "", id, session, life)
	if err != nil {
		return nil, err
	}
	return &Assumed{Credentials: *c, ARN: sessionARN(role.Account, role.Name, a.Name), ID: id, Packed: packed}, nil
}

func (s *Service) roleByARN(arn string) *secgroup.Role {
	account, name, ok := strings.Cut(strings.TrimPrefix(arn, "arn:aws:iam::"), ":role/")
	if !ok {
		return nil
	}
	r := s.Read().Roles.Get(model.PrincipalID(account, name))
	if r == nil || r.ARN() != arn {
		return nil
	}
	return r
}

// mayAssume asks the role's trust policy and the caller's own policies.
func (s *Service) mayAssume(who Actor, role *secgroup.Role, a *Assumption) bool {
	trust, err := access.Parse(access.Trust, role.Trust)
	if err != nil {
		return false // cannot be: CreateRole read it
	}
	r := access.Request{Action: "sts:AssumeRole", Resource: role.ARN(), Context: maps.Clone(a.Context)}
	if r.Context == nil {
		r.Context = access.Context{}
	}
	r.Context.Add("sts:RoleSessionName", a.Name)
	r.Context.Add("aws:ResourceAccount", role.Account)
	if a.ExternalID != "" {
		r.Context.Add("sts:ExternalId", a.ExternalID)
	}
	asked := r
	asked.Context = s.contextOf(who)
	maps.Copy(asked.Context, r.Context)
	caller := access.Caller{Account: who.Account, ARN: who.ARN}
	if who.Session != nil && who.Session.Role != "" {
		caller.Role = (&secgroup.Role{Account: who.Account, Name: who.Session.Role}).ARN()
	}
	d, named := access.EvaluateTrust(trust, caller, asked)
	if d.Effect != access.Allowed {
		return false
	}
	refusal := s.Judge(who, []access.Request{r})
	if refusal == nil {
		return true
	}
	limited := who.Session != nil && len(who.Session.Policies) > 0
	return named && who.Account == role.Account && !refusal.explicit && !limited
}

// sessionPolicies returns the documents that limit a session.
func (s *Service) sessionPolicies(a *Assumption) (limits []string, packed int, err error) {
	length := 0
	if a.Policy != "" {
		if _, err := parsePolicy(access.Identity, a.Policy); err != nil {
			return nil, 0, err
		}
		limits = append(limits, a.Policy)
		length = len(a.Policy)
	}
	if length > maxInlinePolicy || len(a.PolicyARNs) > maxSessionARNs {
		return nil, 0, secgroup.Errorf("PackedPolicyTooLarge", "The session policies are too large: %d characters and %d ARNs are the most.", maxInlinePolicy, maxSessionARNs)
	}
	account, _, _ := strings.Cut(strings.TrimPrefix(a.RoleARN, "arn:aws:iam::"), ":")
	snap := s.Read()
	for _, arn := range a.PolicyARNs {
		d := snap.Policies.Get(model.PrincipalID(account, arn[strings.LastIndexByte(arn, '/')+1:]))
		if d == nil || d.ARN() != arn {
			return nil, 0, secgroup.Errorf("ValidationError", "The policy %s is not one of the role's account.", arn)
		}
		limits = append(limits, d.Text)
	}
	return limits, (length*100 + maxInlinePolicy - 1) / maxInlinePolicy, nil
}

// UserSession begins a session of a user or an account, with all that it may do
// already. life 0 is 12 hours, or one for an account itself.
//
// Errors: AccessDenied.
func (s *Service) UserSession(who Actor, life time.Duration) (*Credentials, error) {
	if who.Session != nil {
		return nil, secgroup.Errorf("AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	if life == 0 {
		life = usualUserSession
	}
	if who.User == secgroup.Root {
		life = min(life, rootSession)
	}
	return s.issue(who.Account, who.User, who.UserID, Session{Parent: who.AccessKey}, life)
}
