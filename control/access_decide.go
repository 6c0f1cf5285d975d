// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Actor is the principal that a call is judged as.
type Actor struct {
	Account   string
	User      string // name; secgroup.Root is the account itself, "" a role's session
	UserID    string
	ARN       string
	AccessKey string
	Session   *Session // nil for a long-term key
}

// maxParsed bounds the policy documents that are kept parsed.
const maxParsed = 1024

// parsed keeps what documents say by their text, because every call asks.
type parsed struct {
	mu     sync.Mutex
	byText map[string]*access.Policy
}

// get returns what a stored document says. One that cannot be read, which none
// that was put can be, denies.
func (p *parsed) get(text string) *access.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	if is := p.byText[text]; is != nil {
		return is
	}
	is, err := access.Parse(access.Identity, text)
	if err != nil {
		is = denyAll()
	}
	if p.byText == nil || len(p.byText) >= maxParsed {
		p.byText = map[string]*access.Policy{}
	}
	p.byText[text] = is
	return is
}

var denyAll = sync.OnceValue(func() *access.Policy {
	p, err := access.Parse(access.Identity, `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)
	if err != nil {
		panic(err) // it is a constant
	}
	return p
})

// Refusal is what an actor wanted and why the policies do not allow it.
type Refusal struct {
	Principal string         `json:"principal"`
	Action    string         `json:"action"`
	Resource  string         `json:"resource"`
	Context   access.Context `json:"context"`
	Effect    string         `json:"effect"`
	Layer     string         `json:"layer"`            // "identity-based policy" or "session policy"
	Policy    string         `json:"policy,omitempty"` // that denies
	Statement int            `json:"statement,omitempty"`
	Sid       string         `json:"sid,omitempty"`
	explicit  bool
}

// Sentence says who is refused what and why, as every service spells it.
func (r *Refusal) Sentence() string {
	because := fmt.Sprintf("because no %s allows the %s action", r.Layer, r.Action)
	if r.explicit {
		because = "with an explicit deny in " + map[bool]string{true: "a ", false: "an "}[r.Layer == sessionLayer] + r.Layer
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", r.Principal, r.Action, r.Resource, because)
}

const (
	identityLayer = "identity-based policy"
	sessionLayer  = "session policy"
)

// Judge returns the first of the requests that the actor's policies do not
// allow, nil when they allow all. It adds to the contexts what is known of the
// actor and of the time.
func (s *Service) Judge(who Actor, requests []access.Request) *Refusal {
	names, policies := s.policiesOf(who)
	about := s.contextOf(who)
	for _, r := range requests {
		full := access.Context{}
		maps.Copy(full, about)
		maps.Copy(full, r.Context)
		r.Context = full
		refuse := func(layer string, d access.Decision, policy string) *Refusal {
			out := &Refusal{Principal: who.ARN, Action: r.Action, Resource: r.Resource, Context: full, Effect: d.Effect.String(), Layer: layer}
			if d.Effect == access.Denied {
				out.explicit, out.Policy, out.Statement, out.Sid = true, policy, d.Statement, d.Sid
			}
			return out
		}
		if who.User != secgroup.Root {
			d := access.Evaluate(policies, r)
			if d.Effect != access.Allowed {
				name := ""
				if d.Effect == access.Denied {
					name = names[d.Policy]
				}
				return refuse(identityLayer, d, name)
			}
		}
		if who.Session == nil || len(who.Session.Policies) == 0 {
			continue
		}
		var limits []*access.Policy
		for _, text := range who.Session.Policies {
			limits = append(limits, s.parsed.get(text))
		}
		if d := access.Evaluate(limits, r); d.Effect != access.Allowed {
			return refuse(sessionLayer, d, "")
		}
	}
	return nil
}

// policiesOf returns what is attached to the actor, nothing for one that is gone.
func (s *Service) policiesOf(who Actor) (names []string, policies []*access.Policy) {
	snap := s.Read()
	switch {
	case who.Session != nil && who.Session.Role != "":
		if r := snap.Roles.Get(model.PrincipalID(who.Account, who.Session.Role)); r != nil && r.ID == who.Session.RoleID {
			names = r.Policies
		}
	case who.User != secgroup.Root:
		if u := snap.Users.Get(model.PrincipalID(who.Account, who.User)); u != nil && u.ID == who.UserID {
			names = u.Policies
		}
	}
	for _, name := range names {
		if d := snap.Policies.Get(model.PrincipalID(who.Account, name)); d != nil {
			policies = append(policies, s.parsed.get(d.Text))
		} else {
			policies = append(policies, denyAll()) // cannot be: DeletePolicy looks
		}
	}
	return names, policies
}

// contextOf returns what conditions may ask about the actor and the time.
func (s *Service) contextOf(who Actor) access.Context {
	now := s.now().UTC()
	c := access.Context{}
	c.Add("aws:CurrentTime", now.Format(time.RFC3339))
	c.Add("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	c.Add("aws:PrincipalAccount", who.Account)
	c.Add("aws:userid", who.UserID)
	arn, kind := who.ARN, "User"
	switch {
	case who.Session != nil && who.Session.Role != "":
		arn, kind = (&secgroup.Role{Account: who.Account, Name: who.Session.Role}).ARN(), "AssumedRole"
	case who.User == secgroup.Root:
		kind = "Account"
	default:
		c.Add("aws:username", who.User)
	}
	c.Add("aws:PrincipalArn", arn)
	c.Add("aws:PrincipalType", kind)
	if who.Session != nil {
		c.Add("aws:TokenIssueTime", who.Session.Issued.UTC().Format(time.RFC3339))
	}
	return c
}

// Encode seals a refusal for the one who asked: only the operator reads it.
func (s *Service) Encode(r *Refusal) string {
	plain, err := json.Marshal(r)
	if err != nil {
		return "" // strings and maps of strings always have a form
	}
	return base64.RawURLEncoding.EncodeToString(s.seal.Close(refusalPurpose, plain))
}

// Decode opens what Encode sealed.
func (s *Service) Decode(text string) (*Refusal, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		if sealed, err = s.seal.Open(refusalPurpose, sealed); err == nil {
			r := new(Refusal)
			return r, json.Unmarshal(sealed, r)
		}
	}
	return nil, secgroup.Errorf("InvalidAuthorizationMessage", "The text is not an authorization failure message of this installation; copy all that follows \"Encoded authorization failure message: \".")
}
