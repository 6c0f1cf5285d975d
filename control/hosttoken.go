// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// usedTokenLife is how long a token is remembered after it was used or expired,
// so that whoever tries it again is told why not.
const usedTokenLife = 24 * time.Hour

// PutJoinToken makes a token valid.
//
// Errors: a name that is none or is taken, a host to rejoin that is not there.
func (s *Service) PutJoinToken(ctx context.Context, t secgroup.JoinToken) error {
	if t.Name != "" {
		if err := secgroup.CheckHostName(t.Name); err != nil {
			return err
		}
	}
	return s.write(ctx, installation, func(tx *model.Tx) error {
		switch there := t.Name != "" && tx.Hosts.Get(t.Name) != nil; {
		case t.Rejoin && !there:
			return secgroup.NoHost(t.Name)
		case there && !t.Rejoin:
			return nameTaken(t.Name)
		}
		tx.JoinTokens.Put(&t)
		return nil
	})
}

func nameTaken(name string) error {
	return secgroup.Errorf(secgroup.HostNameTaken, "There is a host %s already. Choose another name, remove that host, or, if it is the same machine, make a token with --name %[1]s --rejoin.", name)
}

// JoinTokens returns the tokens that nobody has used and that have not expired,
// the oldest first.
func (s *Service) JoinTokens() []*secgroup.JoinToken {
	live := slices.DeleteFunc(slices.Collect(s.Read().JoinTokens.All()), func(t *secgroup.JoinToken) bool {
		return !t.Used.IsZero() || !s.now().Before(t.Expires)
	})
	return bornFirst(live, func(t *secgroup.JoinToken) (int64, string) { return t.Created.UnixNano(), t.ID })
}

// DeleteJoinToken makes a token worth nothing.
func (s *Service) DeleteJoinToken(ctx context.Context, id string) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		if tx.JoinTokens.Get(id) == nil {
			return secgroup.Errorf(secgroup.JoinTokenUnknown, "There is no join token %s; see: hedgeward host token list", id)
		}
		tx.JoinTokens.Delete(id)
		return nil
	})
}

// CheckJoinToken refuses what AdmitHost would refuse as things stand: it spares
// the work of signing for strangers.
func (s *Service) CheckJoinToken(id string, digest []byte, name string) error {
	_, err := s.tokenFor(s.Read(), id, digest, name)
	return err
}

// tokenFor returns the token of that id if it can be used now for a host of that
// name. Who does not know the secret learns nothing about the token.
func (s *Service) tokenFor(snap *model.Snapshot, id string, digest []byte, name string) (*secgroup.JoinToken, error) {
	t := snap.JoinTokens.Get(id)
	if t == nil || subtle.ConstantTimeCompare(t.Digest, digest) != 1 {
		return nil, secgroup.Errorf(secgroup.JoinTokenUnknown, "The join token is not one of this installation's, or was deleted. Make one: hedgeward host token create")
	}
	switch h := snap.Hosts.Get(name); {
	case !t.Used.IsZero():
		return nil, secgroup.Errorf(secgroup.JoinTokenUsed, "The join token was used by the host %s at %s, and each works once. Make another one: hedgeward host token create", t.UsedBy, t.Used.Format(time.RFC3339))
	case !s.now().Before(t.Expires):
		return nil, secgroup.Errorf(secgroup.JoinTokenExpired, "The join token expired at %s; it is %s by this server's clock. Make another one: hedgeward host token create", t.Expires.Format(time.RFC3339), s.now().UTC().Format(time.RFC3339))
	case t.Name != "" && t.Name != name:
		return nil, secgroup.Errorf(secgroup.JoinTokenMismatch, "The join token is for a host named %s, not %s. Join with --name %[1]s.", t.Name, name)
	case h == nil && t.Rejoin:
		return nil, secgroup.NoHost(name)
	case h != nil && !t.Rejoin:
		return nil, nameTaken(name)
	case h != nil && h.Disabled:
		return nil, secgroup.DisabledHost(name)
	}
	return t, nil
}

// AdmitHost makes a machine a host and uses up the token, both or neither. The
// caller has signed the certificate that h tells of and hands it out after this
// returns nil.
func (s *Service) AdmitHost(ctx context.Context, token string, digest []byte, h secgroup.Host) error {
	if err := secgroup.CheckHostName(h.Name); err != nil {
		return err
	}
	return s.write(ctx, installation, func(tx *model.Tx) error {
		was, err := s.tokenFor(tx.Snapshot, token, digest, h.Name)
		if err != nil {
			return err
		}
		if err := underlayFree(tx.Snapshot, &h); err != nil {
			return err
		}
		t := *was
		t.Used, t.UsedBy = s.now().UTC(), h.Name
		tx.JoinTokens.Put(&t)
		tx.Hosts.Put(&h)
		return nil
	})
}

// RenewHost notes that the host, which showed the certificate of the serial
// number shown, is given the one that next tells of. It keeps when the host
// joined.
func (s *Service) RenewHost(ctx context.Context, shown string, next secgroup.Host) error {
	return s.write(ctx, installation, func(tx *model.Tx) error {
		was := tx.Hosts.Get(next.Name)
		switch {
		case was == nil:
			return secgroup.NoHost(next.Name)
		case was.Disabled:
			return secgroup.DisabledHost(next.Name)
		case !was.Holds(shown):
			return secgroup.Superseded(next.Name)
		}
		h := next
		h.Joined, h.Former = was.Joined, shown
		if err := underlayFree(tx.Snapshot, &h); err != nil {
			return err
		}
		tx.Hosts.Put(&h)
		return nil
	})
}

// forgetTokens removes the tokens that nobody needs to be told about any more.
func (s *Service) forgetTokens(ctx context.Context) error {
	due := func(t *secgroup.JoinToken) bool {
		end := t.Expires
		if !t.Used.IsZero() {
			end = t.Used
		}
		return s.now().Sub(end) >= usedTokenLife
	}
	if !slices.ContainsFunc(slices.Collect(s.Read().JoinTokens.All()), due) {
		return nil
	}
	return s.write(ctx, installation, func(tx *model.Tx) error {
		for _, t := range slices.Collect(tx.JoinTokens.All()) {
			if due(t) {
				tx.JoinTokens.Delete(t.ID)
			}
		}
		return nil
	})
}
