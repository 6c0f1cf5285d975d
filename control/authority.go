// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// AuthorityInUse is the code for an authority that cannot be retired yet.
const AuthorityInUse = "AuthorityInUse"

const authorityPurpose = "authority "

// Authorities returns the authorities of the installation with their keys, the
// newest last. If there is none it has born make one; servers that start at the
// same time end up with the same.
func (s *Service) Authorities(ctx context.Context, born func() (*secgroup.Authority, error)) ([]secgroup.Authority, error) {
	if s.Read().Authorities.Len() == 0 {
		err := s.write(ctx, installation, func(tx *model.Tx) error {
			if tx.Authorities.Len() > 0 {
				return nil
			}
			return s.putAuthority(tx, born)
		})
		if err != nil {
			return nil, fmt.Errorf("make the authority of this installation: %w", err)
		}
	}
	rows := bornFirst(slices.Collect(s.Read().Authorities.All()), func(a *secgroup.Authority) (int64, string) { return a.Created.UnixNano(), a.ID })
	out := make([]secgroup.Authority, len(rows))
	for i, a := range rows {
		key, err := s.seal.Open(authorityPurpose+a.ID, a.Sealed)
		if err != nil {
			return nil, fmt.Errorf("open the key of authority %s: %w; put back the key file (secret.key) that the store was used with", a.ID, err)
		}
		out[i] = *a
		out[i].Key = key
	}
	return out, nil
}

// putAuthority stores the authority that born makes, its key sealed.
func (s *Service) putAuthority(tx *model.Tx, born func() (*secgroup.Authority, error)) error {
	a, err := born()
	if err != nil {
		return err
	}
	next := *a
	next.Sealed, next.Key = s.seal.Close(authorityPurpose+a.ID, a.Key), nil
	tx.Authorities.Put(&next)
	return nil
}

// AddAuthority adds one that signs from now on.
func (s *Service) AddAuthority(ctx context.Context, born func() (*secgroup.Authority, error)) error {
	return s.write(ctx, installation, func(tx *model.Tx) error { return s.putAuthority(tx, born) })
}

// RetireAuthority ends the trust in an authority that is not the newest and has
// signed no certificate of a host, and stands in no token, that is still valid.
// Certificates of disabled hosts do not count.
func (s *Service) RetireAuthority(ctx context.Context, id string) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		was := tx.Authorities.Get(id)
		if was == nil {
			return secgroup.Errorf("AuthorityNotFound", "There is no authority %s; see: hedgeward host authority list", id)
		}
		newest := true
		for a := range tx.Authorities.All() {
			newest = newest && !a.Created.After(was.Created)
		}
		if newest {
			return secgroup.Errorf(AuthorityInUse, "The authority %s is the newest. Make another one first: hedgeward host authority rotate", id)
		}
		now := s.now()
		for h := range tx.Hosts.All() {
			if h.Authority == id && now.Before(h.Expires) && !h.Disabled {
				return secgroup.Errorf(AuthorityInUse, "The host %s has a certificate of authority %s until %s. Wait until it has renewed that.", h.Name, id, h.Expires.Format(time.RFC3339))
			}
		}
		for t := range tx.JoinTokens.All() {
			if t.Authority == id && t.Used.IsZero() && now.Before(t.Expires) {
				return secgroup.Errorf(AuthorityInUse, "The join token %s names authority %s until %s. Wait, or delete it: hedgeward host token delete %[1]s", t.ID, id, t.Expires.Format(time.RFC3339))
			}
		}
		tx.Authorities.Delete(id)
		return nil
	})
}
