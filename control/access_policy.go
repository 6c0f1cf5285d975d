// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// PutPolicy makes or replaces a policy. Whoever it is attached to may do what it
// says from the next call on.
func (s *Service) PutPolicy(ctx context.Context, account, name, text string) (*secgroup.PolicyDocument, error) {
	if err := checkName("policy", name); err != nil {
		return nil, err
	}
	if _, err := parsePolicy(access.Identity, text); err != nil {
		return nil, err
	}
	now := s.now().UTC()
	d := &secgroup.PolicyDocument{Account: account, Name: name, Text: text, Created: now, Changed: now}
	err := s.write(ctx, installation, func(tx *model.Tx) error {
		if err := findAccount(tx.Snapshot, account); err != nil {
			return err
		}
		d.Created = now
		if old := tx.Policies.Get(model.PrincipalID(account, name)); old != nil {
			d.Created = old.Created
		}
		tx.Policies.Put(d)
		return nil
	})
	return d, err
}

// Policies returns the policies of an account, the oldest first; "" means every
// account.
func (s *Service) Policies(account string) []*secgroup.PolicyDocument {
	rows := slices.Collect(s.Read().Policies.All())
	rows = slices.DeleteFunc(rows, func(d *secgroup.PolicyDocument) bool { return account != "" && d.Account != account })
	return bornFirst(rows, func(d *secgroup.PolicyDocument) (int64, string) { return d.Created.UnixNano(), d.Name })
}

// DeletePolicy removes a policy that nobody carries any more.
func (s *Service) DeletePolicy(ctx context.Context, account, name string) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if tx.Policies.Get(model.PrincipalID(account, name)) == nil {
			return noSuch("policy", account, name)
		}
		conflict := func(kind, who string) error {
			return secgroup.Errorf("DeleteConflict", "The policy %s of account %s is attached to the %s %s; detach it first.", name, account, kind, who)
		}
		for u := range tx.Users.All() {
			if u.Account == account && slices.Contains(u.Policies, name) {
				return conflict("user", u.Name)
			}
		}
		for r := range tx.Roles.All() {
			if r.Account == account && slices.Contains(r.Policies, name) {
				return conflict("role", r.Name)
			}
		}
		tx.Policies.Delete(model.PrincipalID(account, name))
		return nil
	})
}

// Bearer is a user or a role: exactly one is named.
type Bearer struct {
	Account, User, Role string
}

// AttachPolicy gives a policy to a user or a role. It may have it already.
func (s *Service) AttachPolicy(ctx context.Context, to Bearer, name string) error {
	return s.changePolicies(ctx, to, func(snap *model.Snapshot, has []string) ([]string, error) {
		if slices.Contains(has, name) {
			return has, nil
		}
		return append(slices.Clone(has), name), checkPolicies(snap, to.Account, []string{name})
	})
}

// DetachPolicy takes a policy from a user or a role.
func (s *Service) DetachPolicy(ctx context.Context, from Bearer, name string) error {
	return s.changePolicies(ctx, from, func(_ *model.Snapshot, has []string) ([]string, error) {
		if !slices.Contains(has, name) {
			return nil, secgroup.Errorf("NoSuchEntity", "The policy %s is not attached to %s%s.", name, from.User, from.Role)
		}
		return slices.DeleteFunc(slices.Clone(has), func(n string) bool { return n == name }), nil
	})
}

func (s *Service) changePolicies(ctx context.Context, who Bearer, change func(*model.Snapshot, []string) ([]string, error)) error {
	if (who.User == "") == (who.Role == "") {
		return secgroup.Errorf("ValidationError", "Name either a user or a role.")
	}
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if who.User != "" {
			u, err := findUser(tx.Snapshot, who.Account, who.User)
			if err != nil {
				return err
			}
			next := *u
			if next.Policies, err = change(tx.Snapshot, u.Policies); err != nil {
				return err
			}
			tx.Users.Put(&next)
			return nil
		}
		r, err := findRole(tx.Snapshot, who.Account, who.Role)
		if err != nil {
			return err
		}
		next := *r
		if next.Policies, err = change(tx.Snapshot, r.Policies); err != nil {
			return err
		}
		tx.Roles.Put(&next)
		return nil
	})
}
