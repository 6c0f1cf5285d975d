// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	ownKeyPrefix     = "AKIA"
	sessionKeyPrefix = "ASIA"
)

var (
	keyForm    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`) // what a signature's credential can hold
	secretForm = regexp.MustCompile(`^[!-~]{1,128}$`)
)

// CreateAccessKey makes an access key for a user of an account, or for the
// account itself when the user is secgroup.Root. The secret is in what it
// returns and nowhere else to be read again.
func (s *Service) CreateAccessKey(ctx context.Context, account, user string) (*secgroup.AccessKey, error) {
	return s.putKey(ctx, account, user, newKeyID(ownKeyPrefix), newSecret(), nil)
}

// ImportAccessKey is CreateAccessKey with an id and a secret of the caller's
// choosing.
func (s *Service) ImportAccessKey(ctx context.Context, account, user, id, secret string) (*secgroup.AccessKey, error) {
	switch {
	case !keyForm.MatchString(id):
		return nil, secgroup.Errorf("ValidationError", "%.140q cannot be the id of an access key: use 1 to 128 letters, digits, '.', '_' and '-'.", id)
	case strings.HasPrefix(id, sessionKeyPrefix):
		return nil, secgroup.Errorf("ValidationError", "Ids that begin with %s belong to sessions; choose another.", sessionKeyPrefix)
	case !secretForm.MatchString(secret):
		return nil, secgroup.Errorf("ValidationError", "The secret cannot be used: it must be 1 to 128 visible ASCII characters.")
	}
	return s.putKey(ctx, account, user, id, secret, nil)
}

// RotateAccessKey makes a new key for the user of an old one, which is out of use
// from then on and can be enabled again until it is deleted.
func (s *Service) RotateAccessKey(ctx context.Context, id string) (*secgroup.AccessKey, error) {
	old := s.Read().AccessKeys.Get(id)
	if old == nil {
		return nil, noKey(id)
	}
	return s.putKey(ctx, old.Account, old.User, newKeyID(ownKeyPrefix), newSecret(), func(tx *model.Tx) error {
		return setDisabled(tx, id, true)
	})
}

// putKey stores a key; also, if not nil, goes with it in one transaction.
func (s *Service) putKey(ctx context.Context, account, user, id, secret string, also func(*model.Tx) error) (*secgroup.AccessKey, error) {
	key := secgroup.AccessKey{ID: id, Secret: secret, Account: account, User: user, UserID: account, Created: s.now().UTC()}
	err := s.write(ctx, installation, func(tx *model.Tx) error {
		if err := findAccount(tx.Snapshot, account); err != nil {
			return err
		}
		if user != secgroup.Root {
			u, err := findUser(tx.Snapshot, account, user)
			if err != nil {
				return err
			}
			key.UserID = u.ID
		}
		if tx.AccessKeys.Get(id) != nil {
			return secgroup.Errorf("EntityAlreadyExists", "The access key %s exists already.", id)
		}
		tx.AccessKeys.Put(s.sealed(key))
		if also != nil {
			return also(tx)
		}
		return nil
	})
	return &key, err
}

func noKey(id string) error {
	return secgroup.Errorf("NoSuchEntity", "The access key %.140q does not exist.", id)
}

func setDisabled(tx *model.Tx, id string, disabled bool) error {
	k := tx.AccessKeys.Get(id)
	if k == nil {
		return noKey(id)
	}
	if k.Disabled != disabled {
		next := *k
		next.Disabled = disabled
		tx.AccessKeys.Put(&next)
	}
	return nil
}

// SetAccessKeyDisabled takes a key out of use or back into it. Sessions that were
// begun with it stop and go on with it.
func (s *Service) SetAccessKeyDisabled(ctx context.Context, id string, disabled bool) error {
	return s.write(ctx, installation, func(tx *model.Tx) error { return setDisabled(tx, id, disabled) })
}

// DeleteAccessKey removes a key, and with it the sessions that were begun with it.
func (s *Service) DeleteAccessKey(ctx context.Context, id string) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if tx.AccessKeys.Get(id) == nil {
			return noKey(id)
		}
		tx.AccessKeys.Delete(id)
		return nil
	})
}

// AccessKeys returns the keys of an account, the oldest first, without their
// secrets; "" means every account.
func (s *Service) AccessKeys(account string) []secgroup.AccessKey {
	rows := slices.Collect(s.Read().AccessKeys.All())
	rows = slices.DeleteFunc(rows, func(k *secgroup.AccessKey) bool { return account != "" && k.Account != account })
	rows = bornFirst(rows, func(k *secgroup.AccessKey) (int64, string) { return k.Created.UnixNano(), k.ID })
	out := make([]secgroup.AccessKey, len(rows))
	for i, k := range rows {
		out[i] = *k
		out[i].Secret, out[i].Sealed = "", nil
	}
	return out
}
