// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
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
		c.members = append(c.members, m)
		addresses = append(addresses, net.ParseIP(m.address))
	}
	if err := writeCerts(c.certs, addresses); err != nil {
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

// writeCerts writes a CA and one certificate for every address.
func writeCerts(dir string, addresses []net.IP) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "faults"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "member"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: addresses,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name, kind string
		der        []byte
	}{{"ca.pem", "CERTIFICATE", caDER}, {"member.pem", "CERTIFICATE", leafDER}, {"member-key.pem", "EC PRIVATE KEY", keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, file.name), pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der}), 0o600); err != nil {
			return err
		}
	}
	return nil
}
