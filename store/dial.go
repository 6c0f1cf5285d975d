// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.uber.org/zap"
)

// Cluster says where an etcd cluster is and how it is reached.
type Cluster struct {
	Endpoints []string    // URLs of its members, http or https
	TLS       *tls.Config // nil: for https, what the system trusts and no client certificate
	Prefix    string      // before every key, so that others can use the cluster too; "" for none
}

const (
	// A member that has not answered for aliveEvery is asked whether it is there,
	// and left for another after aliveWithin. gRPC asks no more often than that.
	aliveEvery  = 10 * time.Second
	aliveWithin = 3 * time.Second
	// maxMessage bounds what is sent in one commit, in bytes. The cluster has a
	// bound of its own, --max-request-bytes.
	maxMessage = 64 << 20
)

// Dial returns a Store on an etcd cluster that exists already. It fails if the
// cluster does not answer before ctx ends; afterwards the Store finds its way
// back to it by itself, through whichever member answers.
func Dial(ctx context.Context, c Cluster) (*Store, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: c.Endpoints, TLS: c.TLS, Logger: zap.NewNop(),
		DialTimeout: 5 * time.Second, DialKeepAliveTime: aliveEvery, DialKeepAliveTimeout: aliveWithin,
		MaxCallSendMsgSize: maxMessage,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd at %v: %w", c.Endpoints, err)
	}
	if c.Prefix != "" {
		client.KV = namespace.NewKV(client.KV, c.Prefix)
		client.Watcher = namespace.NewWatcher(client.Watcher, c.Prefix)
		client.Lease = namespace.NewLease(client.Lease, c.Prefix)
	}
	s := &Store{client: client}
	if s.base, err = s.readBase(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to etcd at %v: %w", c.Endpoints, err), client.Close())
	}
	return s, nil
}
