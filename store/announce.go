// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// announceLife is how long what a process announced outlives it, in seconds.
const announceLife = 10

// Announce keeps a value under a key as long as ctx and the process live; then it
// goes. next returns the value to write from now on and blocks until there is
// one. Keys should be outside of what a model follows: values are no state, and
// gone with the process. It returns when ctx ends or the store cannot be written;
// call it again then.
func (s *Store) Announce(ctx context.Context, key string, next func(context.Context) ([]byte, error)) error {
	lease, err := s.client.Grant(ctx, announceLife)
	if err != nil {
		return fmt.Errorf("announce %s: %w", key, err)
	}
	// The session outlives ctx, to take the value back at once.
	session, err := concurrency.NewSession(s.client, concurrency.WithLease(lease.ID),
		concurrency.WithTTL(announceLife), concurrency.WithContext(context.WithoutCancel(ctx)))
	if err != nil {
		return fmt.Errorf("announce %s: %w", key, err)
	}
	defer session.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(session.Ctx(), func() { cancel(fmt.Errorf("announce %s: %w", key, ErrAway)) })()
	for {
		value, err := next(ctx)
		if err != nil {
			return context.Cause(ctx)
		}
		if _, err := s.client.Put(ctx, key, string(value), clientv3.WithLease(session.Lease())); err != nil {
			return fmt.Errorf("announce %s: %w", key, known(err))
		}
	}
}
