// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// replicas are servers on one etcd cluster, or one server with its own store.
type replicas struct {
	etcd  *cluster // nil: the server's own
	nodes []*node
	seal  string // file with the key that they share
	more  []string
}

func newReplicas(t testing.TB, w *wire, etcd *cluster, count int, more ...string) *replicas {
	t.Helper()
	r := &replicas{etcd: etcd, seal: filepath.Join(t.TempDir(), "seal"), more: more}
	w.node("keys").run("hedgeward", "seal-key", r.seal)
	for i := range count {
		n := w.node("server" + string(rune('0'+i)))
		r.nodes = append(r.nodes, n)
		if err := r.launch(n); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// launch runs a server, new or again.
func (r *replicas) launch(n *node) error {
	args := []string{"server", "--state", filepath.Join(n.dir, "state"), "--listen", n.address + ":4566", "--plain-http", "--drain", "0s"}
	if r.etcd != nil {
		args = append(args, "--seal-key", r.seal,
			"--etcd-endpoints", strings.Join(r.etcd.endpoints(), ","), "--etcd-ca", filepath.Join(r.etcd.certs, "ca.pem"),
			"--etcd-cert", filepath.Join(r.etcd.certs, "member.pem"), "--etcd-key", filepath.Join(r.etcd.certs, "member-key.pem"))
	}
	return n.launch("Hedgeward is ready", filepath.Join(n.bin, "hedgeward"), append(args, r.more...)...)
}

// client returns a client of one replica that speaks from a node. It never tries
// a call again: what it is told is all that it knows.
func (r *replicas) client(t testing.TB, replica, from *node) *ec2.Client {
	t.Helper()
	return r.clientAt(t, "http://"+replica.address+":4566", from)
}

func (r *replicas) clientAt(t testing.TB, endpoint string, from *node) *ec2.Client {
	t.Helper()
	state := filepath.Join(r.nodes[0].dir, "state")
	cfg, err := config.LoadDefaultConfig(context.Background(),
		config.WithSharedConfigProfile("hedgeward"),
		config.WithSharedConfigFiles([]string{filepath.Join(state, "aws", "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(state, "aws", "credentials")}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return ec2.NewFromConfig(cfg, func(o *ec2.Options) {
		o.BaseEndpoint = &endpoint
		o.RetryMaxAttempts = 1
		o.HTTPClient = &http.Client{Timeout: 20 * time.Second, Transport: detached{&http.Transport{DialContext: from.dial, MaxIdleConnsPerHost: 8}}}
	})
}

// detached sends requests whose bodies are nobody else's. The SDK closes a body as
// soon as the answer begins, when the transport may still be about to see its end, and
// then the transport takes the connection for broken and the answer is lost.
type detached struct{ *http.Transport }

func (d detached) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.Body == nil {
		return d.Transport.RoundTrip(q)
	}
	b, err := io.ReadAll(q.Body)
	if err := errors.Join(err, q.Body.Close()); err != nil {
		return nil, err
	}
	q = q.Clone(q.Context())
	q.Body = io.NopCloser(bytes.NewReader(b))
	return d.Transport.RoundTrip(q)
}
