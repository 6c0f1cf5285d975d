// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// keyPair is a certificate with its key in two files, read anew when they
// change: certificates are renewed without a restart.
type keyPair struct {
	cert, key string // paths
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	seen   [2]fileState // of the files when they were read last, well or not
}

// fileState is what a file looks like from outside.
type fileState struct {
	size  int64
	moved time.Time
}

// openKeyPair reads a certificate and its key, in PEM.
func openKeyPair(cert, key string, log *slog.Logger) (*keyPair, error) {
	if cert == "" || key == "" {
		return nil, errors.New("a certificate and its key go together: give both files")
	}
	p := &keyPair{cert: cert, key: key, log: log}
	seen, err := p.look()
	if err != nil {
		return nil, err
	}
	p.seen = seen
	return p, p.read()
}

// look returns how the files are now.
func (p *keyPair) look() (seen [2]fileState, err error) {
	for i, path := range []string{p.cert, p.key} {
		info, err := os.Stat(path)
		if err != nil {
			return seen, err
		}
		seen[i] = fileState{info.Size(), info.ModTime()}
	}
	return seen, nil
}

func (p *keyPair) read() error {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("read %s and %s: %w", p.cert, p.key, err)
	}
	p.loaded = &pair
	return nil
}

// newest returns the certificate that the files hold. While they hold none, as in
// the middle of being replaced, it returns the one before.
func (p *keyPair) newest() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, err := p.look()
	if err == nil && seen != p.seen {
		p.seen = seen
		if err = p.read(); err == nil {
			p.log.Info("a certificate was read anew", "file", p.cert)
		}
	}
	if err != nil {
		p.log.Error("a certificate cannot be read anew; the one before stays in use", "file", p.cert, "error", err)
	}
	return p.loaded
}

// serverTLS is how the API is served. Clients of AWS speak HTTP/1.1 to EC2, and
// that is what they find here.
func (p *keyPair) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.newest(), nil },
	}
}
