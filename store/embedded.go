// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// maxTxnOps bounds the writes of one commit; the committer stays below it.
	maxTxnOps = 16384
	// keepRevisions is how much history a watcher may fall behind by.
	keepRevisions = "10000"
	// treeInterval is how often etcd writes its tree. What makes an answered write
	// durable is its log, on disk before the answer; commits wait while the tree is
	// written, so that is not done ten times a second, etcd's default.
	treeInterval = time.Second
)

// Embedded starts etcd inside this process on the data in dir, without any
// listener: only the returned Store can reach it. The folder is created with
// mode 0700.
//
// A single member elects itself after one election timeout, so the ticks are
// short: nothing else depends on them.
func Embedded(ctx context.Context, dir string) (*Store, error) {
	if err := writable(dir); err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Name = "hedgeward"
	cfg.Dir = dir
	cfg.ListenClientUrls, cfg.ListenPeerUrls = nil, nil
	nowhere := url.URL{Scheme: "http", Host: "127.0.0.1:1"} // named, never dialled: one member
	cfg.AdvertiseClientUrls, cfg.AdvertisePeerUrls = []url.URL{nowhere}, []url.URL{nowhere}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 10, 50
	cfg.MaxTxnOps = maxTxnOps
	cfg.MaxRequestBytes = 64 << 20
	cfg.QuotaBackendBytes = 8 << 30
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = "revision", keepRevisions
	cfg.BackendBatchInterval = treeInterval
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(lastWords(dir))
	cfg.WarningApplyDuration = time.Minute

	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start the embedded store in %s: %w", dir, err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		etcd.Close()
		return nil, fmt.Errorf("start the embedded store in %s: %w", dir, err)
	case <-ctx.Done():
		etcd.Close()
		return nil, fmt.Errorf("start the embedded store in %s: %w", dir, context.Cause(ctx))
	}
	s := &Store{client: v3client.New(etcd.Server), server: closer(etcd.Close), failed: etcd.Err()}
	if s.base, err = s.readBase(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// writable makes dir and proves that files can be made in it, because etcd
// itself reports an unwritable folder with a panic.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state folder: %w; choose another with --state", err)
	}
	probe := filepath.Join(dir, ".writable")
	if err := os.WriteFile(probe, []byte("x"), 0o600); err != nil {
		return fmt.Errorf("state folder %s cannot be written: %w; free space or choose another with --state", dir, err)
	}
	return os.Remove(probe)
}

// lastWords returns a logger that is silent until etcd can no longer keep its
// promises, which it says by ending the process: a disk that is full or gone,
// damaged files. Then the operator is told what it was and what to do.
func lastWords(dir string) *zap.Logger {
	hook := dying{dir}
	return zap.NewNop().WithOptions(zap.WithFatalHook(hook), zap.WithPanicHook(hook))
}

type dying struct{ dir string }

// OnWrite implements zapcore.CheckWriteHook.
func (d dying) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	cause := e.Message
	if err, ok := enc.Fields["error"]; ok {
		cause = fmt.Sprintf("%s: %v", cause, err)
	}
	fmt.Fprintf(os.Stderr, "hedgeward: the store in %s cannot go on: %s.\n"+
		"Everything that was answered is kept, and what is in force stays in force. Make room or repair the disk, then start again.\n", d.dir, cause)
	os.Exit(1)
}

type closer func()

func (c closer) Close() error { c(); return nil }
