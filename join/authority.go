// SPDX-License-Identifier: Apache-2.0

package join

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	serverLife    = 7 * 24 * time.Hour
	// backdated is how far the clock of a host may be behind the server's.
	backdated = 5 * time.Minute
)

// authority is an authority that signs.
type authority struct {
	id   string
	hash [sha256.Size]byte
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// authorityID returns the id of an authority by its certificate.
func authorityID(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:8])
}

// newAuthority makes an authority.
func newAuthority(now time.Time) (*secgroup.Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "Hedgeward hosts"},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	sealed, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	return &secgroup.Authority{ID: authorityID(der), Certificate: der, Key: sealed, Created: now.UTC()}, nil
}

// openAuthority reads a stored authority.
func openAuthority(row *secgroup.Authority) (*authority, error) {
	a := &authority{id: row.ID, hash: sha256.Sum256(row.Certificate)}
	var err error
	if a.cert, err = x509.ParseCertificate(row.Certificate); err != nil {
		return nil, fmt.Errorf("read authority %s: %w", row.ID, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(row.Key)
	if err != nil {
		return nil, fmt.Errorf("read the key of authority %s: %w", row.ID, err)
	}
	var ok bool
	if a.key, ok = key.(*ecdsa.PrivateKey); !ok || !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return nil, fmt.Errorf("read the key of authority %s: it is another's", row.ID)
	}
	return a, nil
}

// signHost returns a certificate with which its holder is the host of that name,
// as a client and nothing else.
func (a *authority) signHost(name string, key *ecdsa.PublicKey, now time.Time, life time.Duration) (*x509.Certificate, error) {
	return a.sign(&x509.Certificate{
		URIs: []*url.URL{hostURI(name)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(life),
	}, key)
}

// newServer returns what a server shows to hosts that trust this authority. The
// authority's own certificate is part of it: a machine that joins knows only its
// hash.
func (a *authority) newServer(now time.Time) (*tls.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	cert, err := a.sign(&x509.Certificate{
		DNSNames: []string{serverName(a.id)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(serverLife),
	}, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, a.cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

func (a *authority) sign(template *x509.Certificate, key *ecdsa.PublicKey) (*x509.Certificate, error) {
	template.SerialNumber, template.KeyUsage, template.BasicConstraintsValid = newSerial(), x509.KeyUsageDigitalSignature, true
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign with authority %s: %w", a.id, err)
	}
	return x509.ParseCertificate(der)
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// newSerial returns 128 random bits, the first not zero.
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] |= 0x40
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// newRequest returns a certificate request for a key. It asks for nothing: who
// the host is, and what it may, the server says.
func newRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return der, nil
}

var errRequest = errors.New("the certificate request is malformed")

// parseRequest returns the key that a host proves to have. A request that asks
// for names or uses is refused and not cut down: nobody who means well sends one.
func parseRequest(der []byte) (*ecdsa.PublicKey, error) {
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, errRequest
	}
	key, ok := r.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || key.Curve != elliptic.P256():
		return nil, fmt.Errorf("%w: the key must be of the curve P-256", errRequest)
	case len(r.Subject.Names) > 0 || len(r.Extensions) > 0:
		return nil, fmt.Errorf("%w: it asks for names or uses, which are the server's to give", errRequest)
	case r.CheckSignature() != nil:
		return nil, fmt.Errorf("%w: it is not signed with its key", errRequest)
	}
	return key, nil
}
