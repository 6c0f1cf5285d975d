// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/hedgeward/hedgeward/secgroup"

// The kinds of rows that say who may do what.
const (
	Users    Kind = "user"
	Roles    Kind = "role"
	Policies Kind = "policy"
)

// ByUser finds AccessKeys by the PrincipalID of their user.
const ByUser = "user"

// PrincipalID returns the id of an account's user, role or policy in its table.
func PrincipalID(account, name string) string { return account + "." + name }

var (
	userSchema = schema[secgroup.User]{kind: Users, id: func(u *secgroup.User) string { return PrincipalID(u.Account, u.Name) }}
	roleSchema = schema[secgroup.Role]{kind: Roles, id: func(r *secgroup.Role) string { return PrincipalID(r.Account, r.Name) }}

	policySchema = schema[secgroup.PolicyDocument]{
		kind: Policies, id: func(d *secgroup.PolicyDocument) string { return PrincipalID(d.Account, d.Name) },
	}
	accessKeySchema = schema[secgroup.AccessKey]{
		kind: AccessKeys, id: func(k *secgroup.AccessKey) string { return k.ID },
		indexes: []index[secgroup.AccessKey]{
			{ByUser, func(k *secgroup.AccessKey) []string { return []string{PrincipalID(k.Account, k.User)} }},
		},
	}
)
