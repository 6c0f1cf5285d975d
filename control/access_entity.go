// SPDX-License-Identifier: Apache-2.0

package control

import (
	"regexp"
	"slices"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// What operators do to accounts, users, roles and policies is refused in IAM's
// codes: NoSuchEntity, EntityAlreadyExists, DeleteConflict, ValidationError,
// MalformedPolicyDocument (docs/spec/ec2-api.md section 11.5).

var (
	entityName  = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

func checkName(what, name string) error {
	if !entityName.MatchString(name) {
		return secgroup.Errorf("ValidationError", "%q cannot name a %s: use 1 to 64 letters, digits and characters of _+=,.@-.", name, what)
	}
	if name == secgroup.Root {
		return secgroup.Errorf("ValidationError", "%q names the account itself; choose another name for the %s.", name, what)
	}
	return nil
}

func noSuch(what, account, name string) error {
	return secgroup.Errorf("NoSuchEntity", "The %s %s of account %s does not exist.", what, name, account)
}

func already(what, account, name string) error {
	return secgroup.Errorf("EntityAlreadyExists", "The %s %s of account %s exists already.", what, name, account)
}

func findAccount(snap *model.Snapshot, id string) error {
	if snap.Accounts.Get(id) == nil {
		return secgroup.Errorf("NoSuchEntity", "The account %q does not exist.", id)
	}
	return nil
}

func findUser(snap *model.Snapshot, account, name string) (*secgroup.User, error) {
	if u := snap.Users.Get(model.PrincipalID(account, name)); u != nil {
		return u, nil
	}
	return nil, noSuch("user", account, name)
}

func findRole(snap *model.Snapshot, account, name string) (*secgroup.Role, error) {
	if r := snap.Roles.Get(model.PrincipalID(account, name)); r != nil {
		return r, nil
	}
	return nil, noSuch("role", account, name)
}

// checkPolicies demands that an account has every policy named.
func checkPolicies(snap *model.Snapshot, account string, names []string) error {
	for i, name := range names {
		if snap.Policies.Get(model.PrincipalID(account, name)) == nil {
			return noSuch("policy", account, name)
		}
		if slices.Contains(names[:i], name) {
			return secgroup.Errorf("ValidationError", "The policy %s is given twice.", name)
		}
	}
	return nil
}

// parsePolicy reads a document or refuses it.
func parsePolicy(kind access.Kind, text string) (*access.Policy, error) {
	p, err := access.Parse(kind, text)
	if err != nil {
		return nil, secgroup.Errorf("MalformedPolicyDocument", "The policy document is wrong: %v.", err)
	}
	return p, nil
}

// bornFirst orders what has a time of creation and a name.
func bornFirst[T any](rows []*T, born func(*T) (int64, string)) []*T {
	slices.SortFunc(rows, func(a, b *T) int {
		at, an := born(a)
		bt, bn := born(b)
		switch {
		case at < bt || at == bt && an < bn:
			return -1
		case at == bt && an == bn:
			return 0
		}
		return 1
	})
	return rows
}
