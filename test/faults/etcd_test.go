// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/hedgeward/hedgeward/internal/testetcd"
)

// cluster is an etcd cluster of three members with TLS on every connection.
type cluster struct {
	members []*node
	certs   string // folder: ca.pem, member.pem, member-key.pem; clients use the same
	quota   int64
}

func newCluster(t testing.TB, w *wire, quota int64) *cluster {
	t.Helper()
	c := &cluster{certs: t.TempDir(), quota: quota}
	var addresses []net.IP
	for i := range 3 {
		m := w.node(fmt.Sprintf("etcd%d", i))
		m.mountDisk(t, "etcd")
		c.members = append(c.members, m)
		addresses = append(addresses, net.ParseIP(m.address))
	}
	if err := testetcd.WriteCerts(c.certs, addresses...); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, len(c.members))
	for _, m := range c.members {
		go func() { done <- c.launch(m) }()
	}
	for range c.members {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// launch runs a member, new or again.
func (c *cluster) launch(m *node) error {
	var all []string
	for _, o := range c.members {
		all = append(all, fmt.Sprintf("%s=https://%s:2380", o.name, o.address))
	}
	return m.launch("ready", filepath.Join(bin, "etcdmember"), "--name", m.name, "--dir", filepath.Join(m.dir, "etcd"), "--address", m.address,
		"--cluster", strings.Join(all, ","), "--certs", c.certs, "--quota", fmt.Sprint(c.quota))
}

// endpoints returns what clients are told.
func (c *cluster) endpoints() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, fmt.Sprintf("https://%s:2379", m.address))
	}
	return all
}

// client returns a client of some members, of all when none is named, that speaks
// from a node.
func (c *cluster) client(t testing.TB, from *node, of ...*node) *clientv3.Client {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.certs, "member.pem"), filepath.Join(c.certs, "member-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(c.certs, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	endpoints := c.endpoints()
	if len(of) > 0 {
		endpoints = nil
		for _, m := range of {
			endpoints = append(endpoints, fmt.Sprintf("https://%s:2379", m.address))
		}
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, Logger: zap.NewNop(), TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return from.dial(ctx, "tcp", address) })},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// leader returns the member that leads, nil while there is none.
func (c *cluster) leader(ctx context.Context, client *clientv3.Client) *node {
	for _, m := range c.members {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		status, err := client.Status(ctx, fmt.Sprintf("https://%s:2379", m.address))
		cancel()
		if err == nil && status.Leader == status.Header.MemberId {
			return m
		}
	}
	return nil
}
