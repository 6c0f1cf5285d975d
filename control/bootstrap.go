// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// firstUser is the user whose key an installation begins with.
const firstUser = "hedgeward"

// installation is the scope under which accounts and keys change: they belong to
// no Region.
var installation = secgroup.Scope{}

// Bootstrap returns the access key that the installation begins with, and makes
// it together with an account and a user when the store holds none; created
// reports which. Servers that start on one store at the same time get the same
// key. It also brings a store of an older version up to date: secrets are sealed,
// VPCs are numbered, and the first user becomes the administrator that it was
// (docs/spec/ec2-api.md section 11.5).
func (s *Service) Bootstrap(ctx context.Context) (key *secgroup.AccessKey, created bool, err error) {
	err = s.write(ctx, installation, func(tx *model.Tx) error {
		s.sealPlain(tx)
		numberVPCs(tx)
		for k := range tx.AccessKeys.All() { // with another key file than the others', nothing is right
			if _, err := s.opened(k); err != nil {
				return err
			}
		}
		if key, created = firstKey(tx.Snapshot), false; key != nil {
			s.putFirstUser(tx, key.Account, key.UserID)
			key, err = s.opened(key)
			return err
		}
		var account *secgroup.Account
		for a := range tx.Accounts.All() {
			if account == nil || a.Created.Before(account.Created) {
				account = a
			}
		}
		if account == nil {
			account = &secgroup.Account{ID: newAccountID(), Created: s.now().UTC()}
			tx.Accounts.Put(account)
		}
		user := s.putFirstUser(tx, account.ID, newKeyID("AIDA"))
		key, created = &secgroup.AccessKey{
			ID: newKeyID(ownKeyPrefix), Secret: newSecret(), Account: account.ID,
			User: user.Name, UserID: user.ID, Created: s.now().UTC(),
		}, true
		tx.AccessKeys.Put(s.sealed(*key))
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("make the first account and access key: %w", err)
	}
	return key, created, nil
}

// putFirstUser makes sure that the first user is there. A new one administers its
// account; one that is there keeps what it may do.
func (s *Service) putFirstUser(tx *model.Tx, account, id string) *secgroup.User {
	if u := tx.Users.Get(model.PrincipalID(account, firstUser)); u != nil {
		return u
	}
	s.putAdministrator(tx, account)
	u := &secgroup.User{Account: account, Name: firstUser, ID: id, Policies: []string{AdministratorPolicy}, Created: s.now().UTC()}
	tx.Users.Put(u)
	return u
}

// firstKey returns the oldest usable key of the first user, nil when there is
// none.
func firstKey(snap *model.Snapshot) *secgroup.AccessKey {
	var first *secgroup.AccessKey
	for k := range snap.AccessKeys.All() {
		if k.User == firstUser && !k.Disabled && (first == nil || k.Created.Before(first.Created)) {
			first = k
		}
	}
	return first
}

// newAccountID returns 12 random digits, the first not zero.
func newAccountID() string {
	var b [8]byte
	rand.Read(b[:])
	return fmt.Sprint(100_000_000_000 + binary.NativeEndian.Uint64(b[:])%900_000_000_000)
}
