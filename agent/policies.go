// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"strings"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/policy"
)

// livePolicy is a policy in the datapath: what one set of groups allows.
// Interfaces with the same groups share it.
type livePolicy struct {
	groups []string
	id     datapath.PolicyID
	users  map[string]struct{} // interfaces judged by it; never empty
}

func policyKey(groups []string) string { return strings.Join(groups, " ") }

// compile returns what a set of groups allows now. A group that is not there
// allows nothing.
func (a *Agent) compile(groups []string) *policy.Policy {
	var src policy.Source
	for _, id := range groups {
		if g := a.groups[id]; g != nil {
			for dir, rules := range g.Rules {
				src[dir] = append(src[dir], rules...)
			}
		}
	}
	return policy.Compile(src)
}

// tryJudge switches an interface to the policy of its groups, making that first
// if no other interface has it.
func (a *Agent) tryJudge(id string, revision int64) {
	a.try("policy of "+id, func() error { return a.judge(id, revision) })
}

func (a *Agent) judge(id string, revision int64) error {
	want := a.interfaces[id]
	if want == nil || !a.isAttached(id) {
		return nil
	}
	key := policyKey(want.Groups)
	if a.judged[id] == key {
		return nil
	}
	p := a.policies[key]
	if p == nil {
		made, err := a.cfg.Datapath.AddPolicy(a.compile(want.Groups))
		if err != nil {
			return err
		}
		p = &livePolicy{groups: want.Groups, id: made, users: map[string]struct{}{}}
	}
	if err := a.cfg.Datapath.SetPolicy(id, p.id, revision); err != nil {
		if len(p.users) == 0 {
			err = errors.Join(err, a.cfg.Datapath.DeletePolicy(p.id))
		}
		return err
	}
	a.unjudge(id)
	p.users[id] = struct{}{}
	a.policies[key], a.judged[id] = p, key
	return nil
}

// unjudge forgets that an interface is judged by its policy, and removes the
// policy if it was the last.
func (a *Agent) unjudge(id string) {
	key, ok := a.judged[id]
	if !ok {
		return
	}
	delete(a.judged, id)
	p := a.policies[key]
	if delete(p.users, id); len(p.users) > 0 {
		return
	}
	delete(a.policies, key)
	a.drop(p.id)
}

// drop removes a policy that judges nothing any more.
func (a *Agent) drop(id datapath.PolicyID) {
	if err := a.cfg.Datapath.DeletePolicy(id); err != nil {
		a.cfg.Log.Error("cannot remove a policy that nothing uses", "error", err)
	}
}

// tryRefresh compiles a policy anew and switches its interfaces over, each in
// one step. On an error the old one stays in force for all of them.
func (a *Agent) tryRefresh(key string, revision int64) {
	a.try("policy of groups "+key, func() error {
		p := a.policies[key]
		if p == nil {
			return nil // its last interface is gone
		}
		next, err := a.cfg.Datapath.AddPolicy(a.compile(p.groups))
		if err != nil {
			return err
		}
		var errs []error
		for id := range p.users {
			errs = append(errs, a.cfg.Datapath.SetPolicy(id, next, revision))
		}
		old := p.id
		p.id = next
		if err := errors.Join(errs...); err != nil {
			return err // old may still judge one of them: leave it
		}
		a.drop(old)
		return nil
	})
}
