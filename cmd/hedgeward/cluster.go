// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"

	"github.com/spf13/pflag"

	"github.com/hedgeward/hedgeward/store"
)

// cluster are the flags that say which etcd holds the store. The zero value is
// the embedded one in the state folder.
type cluster struct {
	endpoints     []string
	cert, key, ca string
	prefix        string
	plain         bool
}

func (c *cluster) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&c.endpoints, "etcd-endpoints", nil, "URLs of the members of an etcd cluster, separated by commas; none: etcd inside this process, in the state folder")
	f.StringVar(&c.cert, "etcd-cert", "", "file with the client certificate for etcd; read anew for every connection")
	f.StringVar(&c.key, "etcd-key", "", "file with the key of --etcd-cert")
	f.StringVar(&c.ca, "etcd-ca", "", "file with the certificates that etcd's are checked with; by default those that the system trusts")
	f.StringVar(&c.prefix, "etcd-prefix", "", "what every key in etcd begins with, such as /staging, so that installations can share a cluster")
	f.BoolVar(&c.plain, "etcd-plain", false, "allow connections to etcd on other machines without TLS: whoever is between reads and changes everything")
}

// external reports whether the store is outside this process.
func (c *cluster) external() bool { return len(c.endpoints) > 0 }

// open returns the store. The caller holds the state's lock.
func (c *cluster) open(ctx context.Context, st *state, log *slog.Logger) (*store.Store, error) {
	if !c.external() {
		if c.cert != "" || c.key != "" || c.ca != "" || c.prefix != "" {
			return nil, errors.New("say which etcd the other --etcd flags are about: --etcd-endpoints https://HOST:2379,…")
		}
		return store.Embedded(ctx, st.store())
	}
	for _, e := range c.endpoints {
		if err := c.check(e); err != nil {
			return nil, err
		}
	}
	secure, err := c.tls(log)
	if err != nil {
		return nil, err
	}
	return store.Dial(ctx, store.Cluster{Endpoints: c.endpoints, TLS: secure, Prefix: c.prefix})
}

// check refuses endpoints that are none, or that would carry secrets in the clear.
func (c *cluster) check(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--etcd-endpoints: %q is not a URL like https://etcd1:2379", endpoint)
	}
	if u.Scheme == "http" && !c.plain && !isLoopback(u.Host) {
		return fmt.Errorf("--etcd-endpoints: %s has no TLS; use https, or say --etcd-plain if the network between is yours alone", endpoint)
	}
	return nil
}

// isLoopback reports whether a host, with or without a port, is this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// tls returns how connections to etcd are secured, nil for the default.
func (c *cluster) tls(log *slog.Logger) (*tls.Config, error) {
	if c.cert == "" && c.key == "" && c.ca == "" {
		return nil, nil
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.cert != "" || c.key != "" {
		pair, err := openKeyPair(c.cert, c.key, log)
		if err != nil {
			return nil, fmt.Errorf("--etcd-cert and --etcd-key: %w", err)
		}
		secure.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.newest(), nil }
	}
	if c.ca != "" {
		text, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("--etcd-ca: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--etcd-ca: %s holds no certificate in PEM", c.ca)
		}
	}
	return secure, nil
}
