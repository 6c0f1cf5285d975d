// SPDX-License-Identifier: Apache-2.0

// Package testetcd runs a real etcd cluster inside a test: members with TLS on
// every connection, on the loopback interface, that can be stopped and started
// again. Only tests import it.
package testetcd

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Cluster is a running cluster.
type Cluster struct {
	Certs string // folder: ca.pem, member.pem, member-key.pem; clients use the same

	t       testing.TB
	members []*member
	change  func(*embed.Config)
}

type member struct {
	dir          string
	peer, client url.URL
	etcd         *embed.Etcd // nil while stopped
}

// Start runs a cluster of n members that ends with the test. change, if not nil,
// has the last word on the configuration of each.
func Start(t testing.TB, n int, change func(*embed.Config)) *Cluster {
	t.Helper()
	c := &Cluster{Certs: t.TempDir(), t: t, change: change}
	if err := WriteCerts(c.Certs, net.IPv4(127, 0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	for range n {
		c.members = append(c.members, &member{dir: t.TempDir(), peer: free(t), client: free(t)})
	}
	c.StartMembers(c.all()...)
	t.Cleanup(func() { c.StopMembers(c.all()...) })
	return c
}

func (c *Cluster) all() (all []int) {
	for i := range c.members {
		all = append(all, i)
	}
	return all
}

// Endpoints returns what clients are told.
func (c *Cluster) Endpoints() (all []string) {
	for _, m := range c.members {
		all = append(all, m.client.String())
	}
	return all
}

// File returns the path of one of the files in Certs.
func (c *Cluster) File(name string) string { return filepath.Join(c.Certs, name) }

// StartMembers starts members that do not run, and returns once all of them
// answer: in a cluster without a majority that is never.
func (c *Cluster) StartMembers(which ...int) {
	c.t.Helper()
	for _, i := range which {
		m := c.members[i]
		var err error
		if m.etcd, err = embed.StartEtcd(c.config(i)); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, i := range which {
		select {
		case <-c.members[i].etcd.Server.ReadyNotify():
		case <-time.After(30 * time.Second):
			c.t.Fatalf("etcd member %d does not become ready", i)
		}
	}
}

// StopMembers stops members. Their data stay.
func (c *Cluster) StopMembers(which ...int) {
	for _, i := range which {
		if m := c.members[i]; m.etcd != nil {
			m.etcd.Close()
			m.etcd = nil
		}
	}
}

func (c *Cluster) config(i int) *embed.Config {
	m := c.members[i]
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = fmt.Sprint("m", i), m.dir
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{m.peer}, []url.URL{m.peer}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{m.client}, []url.URL{m.client}
	var all []string
	for j, o := range c.members {
		all = append(all, fmt.Sprintf("m%d=%s", j, o.peer.String()))
	}
	cfg.InitialCluster = strings.Join(all, ",")
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.UnsafeNoFsync = true // the machine does not go down in a test
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	for _, f := range []struct{ cert, key, ca *string }{
		{&cfg.PeerTLSInfo.CertFile, &cfg.PeerTLSInfo.KeyFile, &cfg.PeerTLSInfo.TrustedCAFile},
		{&cfg.ClientTLSInfo.CertFile, &cfg.ClientTLSInfo.KeyFile, &cfg.ClientTLSInfo.TrustedCAFile},
	} {
		*f.cert, *f.key, *f.ca = c.File("member.pem"), c.File("member-key.pem"), c.File("ca.pem")
	}
	cfg.PeerTLSInfo.ClientCertAuth, cfg.ClientTLSInfo.ClientCertAuth = true, true
	if c.change != nil {
		c.change(cfg)
	}
	return cfg
}

// free returns an address that nobody listens at.
func free(t testing.TB) url.URL {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return url.URL{Scheme: "https", Host: l.Addr().String()}
}
