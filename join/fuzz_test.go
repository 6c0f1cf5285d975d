// SPDX-License-Identifier: Apache-2.0

package join

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var fuzzNow = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// FuzzToken: what is taken for a token is written as it was read.
func FuzzToken(f *testing.F) {
	f.Add(newToken([32]byte{1}).String())
	f.Add(tokenForm + ".0123456789abcdef..")
	f.Add(" \n")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			if token != (Token{}) {
				t.Error("a refused token is not empty")
			}
			return
		}
		if token.String() != strings.TrimSpace(text) {
			t.Errorf("%q is read as %q", text, token)
		}
	})
}

// FuzzRequest: a request that is taken asks for nothing but a signature on a key.
func FuzzRequest(f *testing.F) {
	key, err := newKey()
	if err != nil {
		f.Fatal(err)
	}
	der, err := newRequest(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		key, err := parseRequest(der)
		if err != nil {
			if key != nil {
				t.Error("a refused request has a key")
			}
			return
		}
		r, err := x509.ParseCertificateRequest(der)
		if err != nil || len(r.URIs)+len(r.DNSNames)+len(r.Extensions)+len(r.Subject.Names) > 0 || !key.Equal(r.PublicKey) {
			t.Errorf("took %+v, %v", r, err)
		}
	})
}

// FuzzIdentity: an identity that is taken is of one host, with its own key, signed
// by whom it believes.
func FuzzIdentity(f *testing.F) {
	row, err := newAuthority(fuzzNow)
	if err != nil {
		f.Fatal(err)
	}
	a, err := openAuthority(row)
	if err != nil {
		f.Fatal(err)
	}
	key, err := newKey()
	if err != nil {
		f.Fatal(err)
	}
	cert, err := a.signHost("rack-1", &key.PublicKey, fuzzNow, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	own, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	whole, err := json.Marshal(stored{Servers: []string{"https://192.0.2.1:4567"}, Certificate: cert.Raw, Key: own, Authorities: [][]byte{a.cert.Raw}})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := parseIdentity(whole); err != nil {
		f.Fatalf("a right identity: %v", err)
	}
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte("https"), []byte("http"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseIdentity(b)
		if err != nil {
			return
		}
		if c.host == "" || c.cert.Leaf == nil || c.cert.PrivateKey == nil || c.name == "" || len(c.from.Servers) == 0 {
			t.Errorf("took %+v", c)
		}
	})
}

// FuzzMessage: no message makes a reader go on beyond its limit or panic.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"name":"rack-1","underlay":"192.0.2.1","request":"AA=="}`))
	f.Add([]byte(`{"certificate":null,"authorities":[""]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := decode[joinRequest](bytes.NewReader(b), 128)
		if err == nil && (len(b) > 128 || q == nil) {
			t.Errorf("took %d bytes", len(b))
		}
		if said, err := decode[welcome](bytes.NewReader(b), 1<<10); err == nil {
			if next, err := said.identity(stored{Servers: []string{"https://a"}}, "rack-1", nil); err == nil {
				t.Errorf("an identity without a key: %+v", next)
			}
		}
	})
}
