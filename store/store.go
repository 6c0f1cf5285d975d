// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Store is a client of etcd. It is safe for concurrent use.
type Store struct {
	client *clientv3.Client
	server io.Closer // nil for an external cluster
	failed <-chan error
	base   int64 // see baseKey
}

// Shared reports whether other processes may write to the store as well. An
// embedded one is reached by this process alone.
func (s *Store) Shared() bool { return s.server == nil }

// Entry is one key with its value.
type Entry struct {
	Key      string
	Value    []byte // nil in a Batch: the key was deleted
	Revision int64  // of the last change to this key
}

// Guard demands that Key was last changed at Revision; 0 demands that it does
// not exist.
type Guard struct {
	Key      string
	Revision int64
}

// Write sets Key to Value; a nil Value deletes it.
type Write struct {
	Key   string
	Value []byte
}

// Batch is everything that one commit changed.
type Batch struct {
	Revision int64
	Entries  []Entry
}

// Commit applies all writes if all guards hold, and returns the revision at
// which it did. The writes are durable when it returns. A key may occur once.
//
// Errors: ErrConflict, ErrFull, ErrTooLarge (nothing was written); any other error
// leaves the outcome unknown: the writes may be made even after it returned.
func (s *Store) Commit(ctx context.Context, guards []Guard, writes []Write) (int64, error) {
	cmps := make([]clientv3.Cmp, len(guards))
	for i, g := range guards {
		cmps[i] = clientv3.Compare(clientv3.ModRevision(g.Key), "=", s.in(g.Revision))
	}
	ops := make([]clientv3.Op, len(writes))
	for i, w := range writes {
		if w.Value == nil {
			ops[i] = clientv3.OpDelete(w.Key)
		} else {
			ops[i] = clientv3.OpPut(w.Key, string(w.Value))
		}
	}
	resp, err := s.client.Txn(ctx).If(cmps...).Then(ops...).Commit()
	if err != nil {
		return 0, fmt.Errorf("commit %d writes: %w", len(writes), known(err))
	}
	if !resp.Succeeded {
		return 0, ErrConflict
	}
	return s.out(resp.Header.Revision), nil
}

// Load returns every entry under prefix and the revision at which it was read.
func (s *Store) Load(ctx context.Context, prefix string) ([]Entry, int64, error) {
	resp, err := s.client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", prefix, err)
	}
	entries := make([]Entry, len(resp.Kvs))
	for i, kv := range resp.Kvs {
		entries[i] = Entry{Key: string(kv.Key), Value: kv.Value, Revision: s.out(kv.ModRevision)}
	}
	return entries, s.out(resp.Header.Revision), nil
}

// Modified returns the revision at which a key was changed last, 0 if there is
// none, agreed by a majority: it tells of every write that was answered before.
func (s *Store) Modified(ctx context.Context, key string) (int64, error) {
	resp, err := s.client.Get(ctx, key, clientv3.WithKeysOnly())
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", key, err)
	}
	if len(resp.Kvs) == 0 {
		return 0, nil
	}
	return s.out(resp.Kvs[0].ModRevision), nil
}

// Revision returns the store's newest revision, agreed by a majority. Others that
// use the cluster move it too.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	resp, err := s.client.Get(ctx, "\x00", clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("read the store's revision: %w", err)
	}
	return s.out(resp.Header.Revision), nil
}

// Name returns what tells this store from others: revisions compare within one
// only. A store that was copied or restored has another name than before.
func (s *Store) Name(ctx context.Context) (string, error) {
	resp, err := s.client.Get(ctx, "\x00", clientv3.WithCountOnly())
	if err != nil {
		return "", fmt.Errorf("read the store's name: %w", err)
	}
	return strconv.FormatUint(resp.Header.ClusterId, 16) + "." + strconv.FormatInt(s.base, 10), nil
}

// Watch calls apply for every commit under prefix from revision from on, in
// order, each commit once and whole. It returns when ctx ends, when apply fails,
// with ErrAway when the store does not answer (then the caller watches again from
// where it is), with ErrCompacted when the store can no longer tell (then it loads
// again).
func (s *Store) Watch(ctx context.Context, prefix string, from int64, apply func(Batch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for resp := range s.client.Watch(clientv3.WithRequireLeader(ctx), prefix, clientv3.WithPrefix(), clientv3.WithRev(s.in(from))) {
		if err := resp.Err(); err != nil {
			if err = known(err); !errors.Is(err, ErrCompacted) {
				err = fmt.Errorf("%w (%v)", ErrAway, err)
			}
			return fmt.Errorf("watch %s: %w", prefix, err)
		}
		for len(resp.Events) > 0 {
			at := resp.Events[0].Kv.ModRevision
			batch := Batch{Revision: s.out(at)}
			n := 0
			for ; n < len(resp.Events) && resp.Events[n].Kv.ModRevision == at; n++ {
				kv := resp.Events[n].Kv
				e := Entry{Key: string(kv.Key), Revision: batch.Revision}
				if resp.Events[n].Type == clientv3.EventTypePut {
					e.Value = kv.Value
				}
				batch.Entries = append(batch.Entries, e)
			}
			resp.Events = resp.Events[n:]
			if err := apply(batch); err != nil {
				return err
			}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return fmt.Errorf("watch %s: %w", prefix, ErrAway)
}

// Failed yields the error with which an embedded server stopped by itself.
func (s *Store) Failed() <-chan error { return s.failed }

// Close lets go of the store and stops an embedded server.
func (s *Store) Close() error {
	err := s.client.Close()
	if errors.Is(err, context.Canceled) {
		err = nil // the client's way of saying that it is closed
	}
	if s.server != nil {
		err = errors.Join(err, s.server.Close())
	}
	return err
}
