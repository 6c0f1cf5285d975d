// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ClientToken makes a call safe to repeat (docs/spec/ec2-api.md section 1.7).
// The zero ClientToken is none.
type ClientToken struct {
	Value   string // as the client chose it
	Request string // digest of the other parameters
}

// tokenLife is how long a token is remembered at least. While something that
// the call made is there, it is remembered anyhow.
const tokenLife = 24 * time.Hour

// once returns the ids of what the call with this token made: by make, unless a
// call before it has made it already. What has become of that since is for the
// caller to see.
func (s *Service) once(tx *model.Tx, scope secgroup.Scope, operation string, t ClientToken, make func() ([]string, error)) ([]string, error) {
	if before, err := s.replay(tx, scope, operation, t); err != nil || before != nil {
		return before, err
	}
	made, err := make()
	if err != nil {
		return nil, err
	}
	s.remember(tx, scope, operation, t, made...)
	return made, nil
}

// replay returns what the call with this token made, nil if there was none.
// Another request under the same token is refused.
func (s *Service) replay(tx *model.Tx, scope secgroup.Scope, operation string, t ClientToken) ([]string, error) {
	if t.Value == "" {
		return nil, nil
	}
	was := tx.Tokens.Get(model.TokenID(scope, operation, t.Value))
	if was == nil || s.forgotten(tx.Snapshot, was) {
		return nil, nil
	}
	if was.Request != t.Request {
		return nil, secgroup.Errorf("IdempotentParameterMismatch",
			"The request uses the same client token as a previous, but non-identical request.")
	}
	return was.Resources, nil
}

// remember keeps what the call with this token made.
func (s *Service) remember(tx *model.Tx, scope secgroup.Scope, operation string, t ClientToken, made ...string) {
	if t.Value == "" {
		return
	}
	tx.Tokens.Put(&secgroup.Token{
		Scope: scope, Operation: operation, Token: t.Value, Request: t.Request, Resources: made, Created: s.now().UTC(),
	})
}

// forgotten reports whether a token is old and all it made is gone.
func (s *Service) forgotten(snap *model.Snapshot, t *secgroup.Token) bool {
	return s.now().Sub(t.Created) >= tokenLife && !slices.ContainsFunc(t.Resources, func(id string) bool {
		if snap.LaunchTemplates.Get(id) != nil {
			return true
		}
		return snap.Interfaces.Get(id) != nil || snap.Instances.Get(id) != nil || snap.PrefixLists.Get(id) != nil
	})
}
