// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	static "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/internal/testetcd"
	"github.com/hedgeward/hedgeward/secgroup"
)

// replica is one `hedgeward server` of several, in this process.
type replica struct {
	*ec2.Client // of the first account, over HTTPS
	in          *installation
	url         string
	stop        func()     // as SIGTERM does
	ended       chan error // of serve, once
}

// sealFile makes the key file that replicas share.
func sealFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "seal.key")
	if err := makeKeyFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// replicaOptions are what a replica on a cluster is started with.
func replicaOptions(c *testetcd.Cluster, seal string) serverOptions {
	return serverOptions{
		serving: serving{listen: "127.0.0.1:0", region: "us-east-1", public: control.DefaultPublicPool, logLevel: slog.LevelError},
		cluster: cluster{endpoints: c.Endpoints(), cert: c.File("member.pem"), key: c.File("member-key.pem"), ca: c.File("ca.pem"), prefix: "/shared"},
		tlsCert: c.File("member.pem"), tlsKey: c.File("member-key.pem"), sealKey: seal,
	}
}

// startReplica returns a replica that is ready.
func startReplica(t *testing.T, c *testetcd.Cluster, o serverOptions) *replica {
	t.Helper()
	r, err := launchReplica(t, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// launchReplica is startReplica for any goroutine.
func launchReplica(t *testing.T, c *testetcd.Cluster, o serverOptions) (*replica, error) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	api, err := o.listenAPI(log)
	if err != nil {
		return nil, err
	}
	in, err := o.assemble(t.Context(), &state{dir: t.TempDir()}, log)
	if err != nil {
		return nil, errors.Join(err, api.Close())
	}
	in.profile = o.endpointOf(api)
	ctx, cancel := context.WithCancel(context.Background())
	r := &replica{in: in, url: in.profile, stop: cancel, ended: make(chan error, 1)}
	ready, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		r.ended <- in.serve(ctx, api, func() { close(ready) })
	}()
	t.Cleanup(func() { cancel(); <-over })
	select {
	case <-ready:
	case <-over:
		return nil, <-r.ended
	case <-time.After(30 * time.Second):
		return nil, errors.New("the replica does not become ready")
	}
	r.Client, err = r.as(c, in.key)
	return r, err
}

// as returns a client with an access key. It never tries again by itself.
func (r *replica) as(c *testetcd.Cluster, key *secgroup.AccessKey) (*ec2.Client, error) {
	ca, err := os.ReadFile(c.File("ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return ec2.New(ec2.Options{
		Region: "us-east-1", BaseEndpoint: &r.url, RetryMaxAttempts: 1,
		HTTPClient:  &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 32}},
		Credentials: aws.NewCredentialsCache(static.NewStaticCredentialsProvider(key.ID, key.Secret, "")),
	}), nil
}
