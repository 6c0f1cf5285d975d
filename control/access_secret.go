// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"sync"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// processSeal is the seal of services that were given none.
var processSeal = sync.OnceValue(access.RandomSeal)

// purposes of what is sealed; each opens for its own alone.
const (
	keyPurpose     = "access key "
	sessionPurpose = "session "
	refusalPurpose = "authorization failure"
)

// sealed returns the key as it is stored.
func (s *Service) sealed(k secgroup.AccessKey) *secgroup.AccessKey {
	k.Sealed, k.Secret = s.seal.Close(keyPurpose+k.ID, []byte(k.Secret)), ""
	return &k
}

// opened returns a stored key with its secret.
func (s *Service) opened(k *secgroup.AccessKey) (*secgroup.AccessKey, error) {
	if k.Secret != "" { // of an older store, not sealed yet
		return k, nil
	}
	plain, err := s.seal.Open(keyPurpose+k.ID, k.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open the secret of access key %s: %w; use the key file (secret.key) that the store was used with, the same on every server", k.ID, err)
	}
	open := *k
	open.Secret = string(plain)
	return &open, nil
}

// sealPlain seals the secrets that an older version stored as they are
// (docs/spec/ec2-api.md section 11.5).
func (s *Service) sealPlain(tx *model.Tx) {
	var plain []*secgroup.AccessKey
	for k := range tx.AccessKeys.All() {
		if k.Secret != "" {
			plain = append(plain, k)
		}
	}
	for _, k := range plain {
		tx.AccessKeys.Put(s.sealed(*k))
	}
}

// AccessKey returns the key of that id with its secret, nil when it is unknown,
// not in use or cannot be opened.
func (s *Service) AccessKey(id string) *secgroup.AccessKey {
	k := s.Read().AccessKeys.Get(id)
	if k == nil || k.Disabled {
		return nil
	}
	open, err := s.opened(k)
	if err != nil {
		s.log.Error("an access key cannot be used", "error", err)
		return nil
	}
	return open
}
