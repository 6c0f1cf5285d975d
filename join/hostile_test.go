// SPDX-License-Identifier: Apache-2.0

package join_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/secgroup"
)

// skewed is a clock that is off.
type skewed struct {
	*clock.Fake
	by time.Duration
}

func (s skewed) Now() time.Time { return s.Fake.Now().Add(s.by) }

// TestTokenWorksOnce, also for 50 machines that use it at the same time.
func TestTokenWorksOnce(t *testing.T) {
	r := newRig(t)
	token := r.token(join.TokenSpec{})
	const joiners = 50
	errs := make([]error, joiners)
	var all sync.WaitGroup
	for n := range joiners {
		q := r.request(fmt.Sprint("rack-", n), token)
		all.Go(func() { _, errs[n] = join.Join(t.Context(), q) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		refusedWith(t, err, secgroup.JoinTokenUsed)
	}
	if hosts := len(r.control.Hosts()); won != 1 || hosts != 1 {
		t.Errorf("%d of %d joined, %d hosts", won, joiners, hosts)
	}
	if got := r.count(secgroup.JoinTokenUsed); got != joiners-1 {
		t.Errorf("%d refusals are counted, want %d", got, joiners-1)
	}
	_, err := join.Join(t.Context(), r.request("rack-99", token))
	refusedWith(t, err, secgroup.JoinTokenUsed)
}

// TestNameIsGivenOnce: with a token each, one of many gets the name, and the
// others keep their tokens.
func TestNameIsGivenOnce(t *testing.T) {
	r := newRig(t)
	const joiners = 20
	tokens, errs := make([]join.Token, joiners), make([]error, joiners)
	var all sync.WaitGroup
	for n := range joiners {
		tokens[n] = r.token(join.TokenSpec{})
		q := r.request("rack-1", tokens[n])
		all.Go(func() { _, errs[n] = join.Join(t.Context(), q) })
	}
	all.Wait()
	won := 0
	for n, err := range errs {
		if err == nil {
			won++
			continue
		}
		refusedWith(t, err, secgroup.HostNameTaken)
		if _, err := join.Join(t.Context(), r.request(fmt.Sprint("rack-", 2+n), tokens[n])); err != nil {
			t.Errorf("the token of a machine that was refused for its name: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d machines have one name", won)
	}
}

// TestWrongTokens: each is refused with its own reason, counted, and leaves no
// host behind.
func TestWrongTokens(t *testing.T) {
	r := newRig(t)
	wrongSecret := r.token(join.TokenSpec{})
	wrongSecret.Secret[0] ^= 1
	wrongID := r.token(join.TokenSpec{})
	wrongID.ID = "0123456789abcdef"
	deleted := r.token(join.TokenSpec{})
	if err := r.control.DeleteJoinToken(t.Context(), deleted.ID); err != nil {
		t.Fatal(err)
	}
	expired, other := r.token(join.TokenSpec{Life: time.Minute}), r.token(join.TokenSpec{Name: "rack-2"})
	r.clock.Advance(time.Minute)
	for _, c := range []struct {
		name, code string
		token      join.Token
	}{
		{"wrong secret", secgroup.JoinTokenUnknown, wrongSecret},
		{"wrong id", secgroup.JoinTokenUnknown, wrongID},
		{"deleted", secgroup.JoinTokenUnknown, deleted},
		{"expired", secgroup.JoinTokenExpired, expired},
		{"another host's", secgroup.JoinTokenMismatch, other},
	} {
		before := r.count(c.code)
		_, err := join.Join(t.Context(), r.request("rack-1", c.token))
		t.Run(c.name, func(t *testing.T) { refusedWith(t, err, c.code) })
		if r.count(c.code) != before+1 {
			t.Errorf("%s: counted %d times", c.name, r.count(c.code)-before)
		}
	}
	if n := len(r.control.Hosts()); n != 0 {
		t.Errorf("%d hosts", n)
	}
}

// TestSecretGoesToNoImpostor: whoever is not of the token's authority ends the
// handshake empty-handed, even with a certificate for the right name, and even
// when it shows the right authority's certificate without its key.
func TestSecretGoesToNoImpostor(t *testing.T) {
	r := newRig(t)
	other := newRig(t) // another installation, with an authority of its own
	token := r.token(join.TokenSpec{})
	_, err := join.Join(t.Context(), join.Request{
		Servers: []string{other.url}, Token: token, Name: "rack-1", Dir: t.TempDir(), Clock: r.clock, Log: r.request("x", token).Log,
	})
	if err == nil || !strings.Contains(err.Error(), "the token was not sent") {
		t.Errorf("another installation: %v", err)
	}

	// The certificates that the right server shows, in front of another key.
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), &tls.Config{InsecureSkipVerify: true, Time: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	authority := conn.ConnectionState().PeerCertificates[1]
	conn.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: authority.SerialNumber, DNSNames: []string{fmt.Sprintf("%x.authority.hedgeward", token.Authority[:8])},
		NotBefore: start.Add(-time.Hour), NotAfter: start.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parent := &x509.Certificate{RawSubject: authority.RawSubject, PublicKey: key.Public()}
	leaf, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf, authority.Raw}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			heard <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		heard <- int(n)
	}()
	q := r.request("rack-1", token)
	q.Servers = []string{"https://" + l.Addr().String()}
	if _, err := join.Join(t.Context(), q); err == nil {
		t.Error("joined with an impostor")
	}
	if n := <-heard; n != 0 {
		t.Errorf("the impostor heard %d bytes", n)
	}
	if _, err := join.Join(t.Context(), r.request("rack-1", token)); err != nil {
		t.Errorf("the token was used up: %v", err)
	}
}

// post says something to the server's listener without a certificate, or with one.
func (r *rig) post(path string, id *join.Identity, body any) (status int, code string) {
	r.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Time: r.clock.Now}, DisableKeepAlives: true}
	if id != nil {
		t = &http.Transport{DialTLSContext: id.DialTLS, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	}
	resp, err := (&http.Client{Transport: t}).Post(r.url+path, "application/json", bytes.NewReader(b))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var said struct{ Code string }
	json.NewDecoder(resp.Body).Decode(&said)
	return resp.StatusCode, said.Code
}

// TestRequestsThatAskForMoreAreRefused: a request for another host's name, for a
// server's use, for an authority's rights, or without its key.
func TestRequestsThatAskForMoreAreRefused(t *testing.T) {
	r := newRig(t)
	victim := r.host("rack-1")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	request := func(template x509.CertificateRequest, key any) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	rack1 := &url.URL{Scheme: "hedgeward", Host: "host", Path: "/rack-1"}
	unsigned := request(x509.CertificateRequest{}, key)
	unsigned[len(unsigned)-1] ^= 1
	for name, der := range map[string][]byte{
		"another host's name":     request(x509.CertificateRequest{URIs: []*url.URL{rack1}}, key),
		"another host as subject": request(x509.CertificateRequest{Subject: pkix.Name{CommonName: "rack-1"}}, key),
		"a server's name":         request(x509.CertificateRequest{DNSNames: []string{"anything.authority.hedgeward"}}, key),
		"a server's use": request(x509.CertificateRequest{ExtraExtensions: []pkix.Extension{
			{Id: []int{2, 5, 29, 37}, Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01}},
		}}, key),
		"an authority's rights": request(x509.CertificateRequest{ExtraExtensions: []pkix.Extension{
			{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}},
		}}, key),
		"another kind of key": request(x509.CertificateRequest{}, weak),
		"not its key":         unsigned,
		"nothing":             nil,
	} {
		token := r.token(join.TokenSpec{})
		body := map[string]any{"token": token.ID, "secret": token.Secret[:], "name": "rack-2", "request": der}
		if status, code := r.post("/join/v1/host", nil, body); status != http.StatusBadRequest || code != join.RequestMalformed {
			t.Errorf("join with %s: %d %s", name, status, code)
		}
		if status, code := r.post("/join/v1/renew", victim, map[string]any{"request": der}); status != http.StatusBadRequest || code != join.RequestMalformed {
			t.Errorf("renew with %s: %d %s", name, status, code)
		}
	}
	if n := len(r.control.Hosts()); n != 1 {
		t.Errorf("%d hosts", n)
	}
}

// TestCertificateOfAHostIsNoServers: hosts believe no other host that plays server.
func TestCertificateOfAHostIsNoServers(t *testing.T) {
	r := newRig(t)
	evil, victim := r.host("evil"), r.host("victim")
	own := evil.ClientTLS()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: own.Certificates, Time: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).HandshakeContext(context.Background())
			c.Close()
		}
	}()
	if c, err := victim.DialTLS(t.Context(), "tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("a host takes another host for a server")
	}
}

// TestForeignCertificates: of another installation, of nobody, and none.
func TestForeignCertificates(t *testing.T) {
	r, other := newRig(t), newRig(t)
	stranger := other.host("rack-1")
	r.host("rack-1")
	cfg := &tls.Config{InsecureSkipVerify: true, Time: r.clock.Now, Certificates: stranger.ClientTLS().Certificates}
	resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}).Get(r.url + "/")
	if err == nil {
		resp.Body.Close()
		t.Error("a host of another installation is taken")
	}
	if r.count(join.CertificateUnknown) != 1 {
		t.Errorf("counted %d times", r.count(join.CertificateUnknown))
	}
	if status, code := r.post("/join/v1/check", nil, map[string]any{"certificate": cfg.Certificates[0].Certificate[0]}); status != http.StatusForbidden || code != join.CertificateUnknown {
		t.Errorf("asked about it: %d %s", status, code)
	}
	for _, path := range []string{"/", "/anything", "/join/v1/renew"} {
		if status, code := r.post(path, nil, nil); status != http.StatusUnauthorized || code != join.CertificateMissing {
			t.Errorf("%s without a certificate: %d %s", path, status, code)
		}
	}
	select {
	case name := <-r.streamed:
		t.Errorf("a request of %s reached the stream", name)
	default:
	}
}

// TestMessagesAreBounded: neither a large one nor one that never ends keeps a
// server busy, and others join meanwhile.
func TestMessagesAreBounded(t *testing.T) {
	r := newRig(t)
	if status, code := r.post("/join/v1/host", nil, map[string]any{"name": strings.Repeat("x", 1<<20)}); status != http.StatusBadRequest || code != join.RequestMalformed {
		t.Errorf("a megabyte: %d %s", status, code)
	}
	cfg := &tls.Config{InsecureSkipVerify: true, Time: r.clock.Now}
	var slow []net.Conn
	for range 64 { // more than there are slots; each has begun a body and does not go on
		c, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), cfg)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /join/v1/host HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
		slow = append(slow, c)
	}
	r.host("rack-1")
	for _, c := range slow {
		c.Close()
	}
}

// TestCopiedIdentityIsFound: of two machines with one identity, the second that
// renews puts the first one out, who is told what may have happened.
func TestCopiedIdentityIsFound(t *testing.T) {
	r := newRig(t)
	q := r.request("rack-1", r.token(join.TokenSpec{}))
	first, err := join.Join(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	second, err := join.LoadIdentity(q.Dir, r.clock, q.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []*join.Identity{first, second} {
		if err := id.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	err = first.Renew(t.Context())
	refusedWith(t, err, secgroup.CertificateSuperseded)
	if !strings.Contains(err.Error(), "two machines use it") {
		t.Errorf("it says: %v", err)
	}
}
