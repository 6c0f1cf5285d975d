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
// it together with an account when the store holds none; created reports which.
// Servers that start on one store at the same time get the same key.
func (s *Service) Bootstrap(ctx context.Context) (key *secgroup.AccessKey, created bool, err error) {
	err = s.write(ctx, installation, func(tx *model.Tx) error {
		if key, created = firstKey(tx.Snapshot), false; key != nil {
			return nil
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
		key, created = &secgroup.AccessKey{
			ID: newKeyID("AKIA"), Secret: newSecret(), Account: account.ID,
			User: firstUser, UserID: newKeyID("AIDA"), Created: s.now().UTC(),
		}, true
		tx.AccessKeys.Put(key)
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("make the first account and access key: %w", err)
	}
	return key, created, nil
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

// AccessKey returns the key of that id, nil when it is unknown or not in use.
func (s *Service) AccessKey(id string) *secgroup.AccessKey {
	if k := s.Read().AccessKeys.Get(id); k != nil && !k.Disabled {
		return k
	}
	return nil
}

// newAccountID returns 12 random digits, the first not zero.
func newAccountID() string {
	var b [8]byte
	rand.Read(b[:])
	return fmt.Sprint(100_000_000_000 + binary.NativeEndian.Uint64(b[:])%900_000_000_000)
}
