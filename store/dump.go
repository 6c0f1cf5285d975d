// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// baseKey holds what is added to etcd's revisions. A store that was copied or
// restored begins to count above every revision that anybody has seen of it, so
// that a later revision is a larger one also across etcd clusters.
const baseKey = "/hedgeward/base"

// dumpPage is how many keys are read at once.
const dumpPage = 1000

// readBase returns the base that the store counts from, 0 for none.
func (s *Store) readBase(ctx context.Context) (int64, error) {
	resp, err := s.client.Get(ctx, baseKey)
	if err != nil {
		return 0, fmt.Errorf("read the store's base revision: %w", err)
	}
	if len(resp.Kvs) == 0 {
		return 0, nil
	}
	base, err := strconv.ParseInt(string(resp.Kvs[0].Value), 10, 64)
	if err != nil || base < 0 {
		return 0, fmt.Errorf("read the store's base revision: %s holds %q", baseKey, resp.Kvs[0].Value)
	}
	return base, nil
}

// Base returns the write that makes a store count on from a revision. It takes
// effect when the store is opened next.
func Base(revision int64) Write { return Write{baseKey, []byte(strconv.FormatInt(revision, 10))} }

// Dump calls each for every entry under prefix, in the order of the keys, as they
// were at one revision, which it returns. Keys that live by a lease, which say who
// is there now, and the base are left out.
func (s *Store) Dump(ctx context.Context, prefix string, each func(Entry) error) (int64, error) {
	var at int64
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for {
		resp, err := s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(dumpPage), clientv3.WithRev(at))
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", prefix, known(err))
		}
		if at == 0 {
			at = resp.Header.Revision
		}
		for _, kv := range resp.Kvs {
			from = string(kv.Key) + "\x00"
			if kv.Lease != 0 || string(kv.Key) == baseKey {
				continue
			}
			if err := each(Entry{Key: string(kv.Key), Value: kv.Value, Revision: s.out(kv.ModRevision)}); err != nil {
				return 0, err
			}
		}
		if !resp.More {
			return s.out(at), nil
		}
	}
}

// Clear removes every key under prefix.
func (s *Store) Clear(ctx context.Context, prefix string) error {
	if prefix == "" {
		return errors.New("clear the store: no prefix")
	}
	if _, err := s.client.Delete(ctx, prefix, clientv3.WithPrefix()); err != nil {
		return fmt.Errorf("clear %s: %w", prefix, known(err))
	}
	return nil
}

// out returns a revision of etcd's as the store counts it.
func (s *Store) out(revision int64) int64 { return revision + s.base }

// in is the way back; 0, which means never, stays.
func (s *Store) in(revision int64) int64 {
	if revision == 0 {
		return 0
	}
	return revision - s.base
}
