// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/policy"
)

// livePolicy is a policy in the datapath: what one set of groups allows, as of
// some time. Interfaces with the same groups share it.
type livePolicy struct {
	groups []string
	id     datapath.PolicyID
	users  map[string]struct{} // interfaces judged by it; empty only while one is being switched to it
	stale  bool                // one of its groups has changed since
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

// outdate marks the policies of changed groups and returns the interfaces that
// they judge. They go on judging until each of those has been switched, straight
// to what it shall have: an interface may leave a group in the same delta that
// changes or forgets the group, and must not be judged by the changed one in
// between.
func (a *Agent) outdate(groups map[string]*feed.Group) []string {
	var judged []string
	for _, p := range a.policies {
		if !slices.ContainsFunc(p.groups, func(g string) bool { _, changed := groups[g]; return changed }) {
			continue
		}
		p.stale = true
		judged = slices.AppendSeq(judged, maps.Keys(p.users))
	}
	return judged
}

// tryJudge switches an interface to the policy of its groups as they are now,
// making that first if no other interface has it. On an error the old one stays
// in force.
func (a *Agent) tryJudge(id string, revision int64) {
	a.try("policy of "+id, func() error { return a.judge(id, revision) })
}

func (a *Agent) judge(id string, revision int64) error {
	want := a.interfaces[id]
	if want == nil || want.Releasing || !a.isAttached(id) || a.isJudged(id) {
		return nil
	}
	key := policyKey(want.Groups)
	p := a.policies[key]
	if p == nil || p.stale {
		var old datapath.PolicyID
		if p != nil {
			old = p.id
		}
		made, err := a.cfg.Datapath.ReplacePolicy(old, a.compile(want.Groups))
		if err != nil {
			return fmt.Errorf("groups %s: %w", key, err)
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
	a.policies[key], a.judged[id] = p, p
	return nil
}

// isJudged reports whether an interface is judged by its groups as they are now.
func (a *Agent) isJudged(id string) bool {
	p, want := a.judged[id], a.interfaces[id]
	return p != nil && want != nil && !p.stale && policyKey(p.groups) == policyKey(want.Groups)
}

// unjudge forgets that an interface is judged by its policy, and removes the
// policy if it was the last.
func (a *Agent) unjudge(id string) {
	p := a.judged[id]
	if p == nil {
		return
	}
	delete(a.judged, id)
	if delete(p.users, id); len(p.users) > 0 {
		return
	}
	if key := policyKey(p.groups); a.policies[key] == p {
		delete(a.policies, key)
	}
	if err := a.cfg.Datapath.DeletePolicy(p.id); err != nil {
		a.cfg.Log.Error("cannot remove a policy that nothing uses", "error", err)
	}
}
