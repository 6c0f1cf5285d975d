// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// AdministratorPolicy names the policy that every account is born with: all
// actions on all resources. It is a policy like any other.
const (
	AdministratorPolicy = "AdministratorAccess"
	administratorText   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// CreateAccount makes an account; "" picks an id.
func (s *Service) CreateAccount(ctx context.Context, id string) (*secgroup.Account, error) {
	if id != "" && !accountForm.MatchString(id) {
		return nil, secgroup.Errorf("ValidationError", "%q is not the id of an account: use 12 digits.", id)
	}
	a := &secgroup.Account{ID: id, Created: s.now().UTC()}
	err := s.write(ctx, installation, func(tx *model.Tx) error {
		if id == "" {
			a.ID = newAccountID()
		}
		if tx.Accounts.Get(a.ID) != nil {
			return secgroup.Errorf("EntityAlreadyExists", "The account %s exists already.", a.ID)
		}
		tx.Accounts.Put(a)
		s.putAdministrator(tx, a.ID)
		return nil
	})
	return a, err
}

// SuspendAccount takes an account out of use, or back into it. While it is out of
// use its calls are refused; its instances and rules stay as they are.
func (s *Service) SuspendAccount(ctx context.Context, id string, suspended bool) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if err := findAccount(tx.Snapshot, id); err != nil {
			return err
		}
		a := *tx.Accounts.Get(id)
		a.Suspended = suspended
		tx.Accounts.Put(&a)
		return nil
	})
}

// Suspended reports whether an account is out of use.
func (s *Service) Suspended(account string) bool {
	a := s.Read().Accounts.Get(account)
	return a != nil && a.Suspended
}

// putAdministrator makes sure that an account has the administrator's policy.
func (s *Service) putAdministrator(tx *model.Tx, account string) {
	if tx.Policies.Get(model.PrincipalID(account, AdministratorPolicy)) == nil {
		now := s.now().UTC()
		tx.Policies.Put(&secgroup.PolicyDocument{Account: account, Name: AdministratorPolicy, Text: administratorText, Created: now, Changed: now})
	}
}

// Accounts returns every account, the oldest first.
func (s *Service) Accounts() []*secgroup.Account {
	return bornFirst(slices.Collect(s.Read().Accounts.All()), func(a *secgroup.Account) (int64, string) { return a.Created.UnixNano(), a.ID })
}

// CreateUser makes a user with these policies of its account.
func (s *Service) CreateUser(ctx context.Context, account, name string, policies []string) (*secgroup.User, error) {
	if err := checkName("user", name); err != nil {
		return nil, err
	}
	u := &secgroup.User{Account: account, Name: name, ID: newKeyID("AIDA"), Policies: policies, Created: s.now().UTC()}
	err := s.write(ctx, installation, func(tx *model.Tx) error {
		if err := findAccount(tx.Snapshot, account); err != nil {
			return err
		}
		if tx.Users.Get(model.PrincipalID(account, name)) != nil {
			return already("user", account, name)
		}
		if err := checkPolicies(tx.Snapshot, account, policies); err != nil {
			return err
		}
		tx.Users.Put(u)
		return nil
	})
	return u, err
}

// Users returns the users of an account, the oldest first; "" means every
// account.
func (s *Service) Users(account string) []*secgroup.User {
	rows := slices.Collect(s.Read().Users.All())
	rows = slices.DeleteFunc(rows, func(u *secgroup.User) bool { return account != "" && u.Account != account })
	return bornFirst(rows, func(u *secgroup.User) (int64, string) { return u.Created.UnixNano(), u.Name })
}

// DeleteUser removes a user who has no access keys left.
func (s *Service) DeleteUser(ctx context.Context, account, name string) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if _, err := findUser(tx.Snapshot, account, name); err != nil {
			return err
		}
		for k := range tx.AccessKeys.By(model.ByUser, model.PrincipalID(account, name)) {
			return secgroup.Errorf("DeleteConflict", "The user %s of account %s has the access key %s; delete its keys first.", name, account, k.ID)
		}
		tx.Users.Delete(model.PrincipalID(account, name))
		return nil
	})
}

// The lengths of a role's sessions, in seconds.
const (
	shortestSession = 900
	usualSession    = 3600
	longestSession  = 43200
)

// CreateRole makes a role. maxSession is the longest of its sessions; 0 is an
// hour.
func (s *Service) CreateRole(ctx context.Context, account, name, trust string, policies []string, maxSession time.Duration) (*secgroup.Role, error) {
	if err := checkName("role", name); err != nil {
		return nil, err
	}
	if _, err := parsePolicy(access.Trust, trust); err != nil {
		return nil, err
	}
	seconds := int(maxSession / time.Second)
	switch {
	case maxSession == 0:
		seconds = usualSession
	case seconds < usualSession || seconds > longestSession:
		return nil, secgroup.Errorf("ValidationError", "Sessions of a role can be limited to %d to %d seconds, not %d.", usualSession, longestSession, seconds)
	}
	r := &secgroup.Role{
		Account: account, Name: name, ID: newKeyID("AROA"), Trust: trust, Policies: policies, MaxSession: seconds, Created: s.now().UTC(),
	}
	err := s.write(ctx, installation, func(tx *model.Tx) error {
		if err := findAccount(tx.Snapshot, account); err != nil {
			return err
		}
		if tx.Roles.Get(model.PrincipalID(account, name)) != nil {
			return already("role", account, name)
		}
		if err := checkPolicies(tx.Snapshot, account, policies); err != nil {
			return err
		}
		tx.Roles.Put(r)
		return nil
	})
	return r, err
}

// Roles returns the roles of an account, the oldest first; "" means every
// account.
func (s *Service) Roles(account string) []*secgroup.Role {
	rows := slices.Collect(s.Read().Roles.All())
	rows = slices.DeleteFunc(rows, func(r *secgroup.Role) bool { return account != "" && r.Account != account })
	return bornFirst(rows, func(r *secgroup.Role) (int64, string) { return r.Created.UnixNano(), r.Name })
}

// DeleteRole removes a role. Its sessions end with it.
func (s *Service) DeleteRole(ctx context.Context, account, name string) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if _, err := findRole(tx.Snapshot, account, name); err != nil {
			return err
		}
		tx.Roles.Delete(model.PrincipalID(account, name))
		return nil
	})
}
