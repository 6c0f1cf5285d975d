// SPDX-License-Identifier: Apache-2.0

package join

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Request is what a machine joins with. All fields but Underlay must be set.
type Request struct {
	Servers  []string // https URLs of the servers' listeners for hosts; one that answers is enough
	Token    Token
	Name     string     // of the host
	Underlay netip.Addr // where other hosts reach it; zero: nowhere
	Dir      string     // state folder
	Clock    clock.Clock
	Log      *slog.Logger
}

// Join makes this machine a host and keeps its identity in the state folder,
// where it replaces an earlier one. The secret of the token is said to nobody but
// a server of the authority that the token names; the key never leaves the
// machine.
//
// Errors: *Refused; no server that answers, or none of the right authority.
func Join(ctx context.Context, q Request) (*Identity, error) {
	if err := secgroup.CheckHostName(q.Name); err != nil {
		return nil, err
	}
	if len(q.Servers) == 0 {
		return nil, errors.New("name a server: --server https://HOST:PORT")
	}
	for _, server := range q.Servers {
		if err := checkServer(server); err != nil {
			return nil, err
		}
	}
	if err := checkUnderlay(q.Underlay); err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	request, err := newRequest(key)
	if err != nil {
		return nil, err
	}
	client := newClient(func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialTLS(ctx, network, address, q.Token.clientTLS(q.Clock))
	})
	defer client.CloseIdleConnections()
	said, err := ask(ctx, client, q.Servers, joinPath, joinRequest{
		Token: q.Token.ID, Secret: q.Token.Secret[:], Name: q.Name, Underlay: q.Underlay, Request: request,
	})
	if err != nil {
		return nil, fmt.Errorf("join as %s: %w", q.Name, err)
	}
	next, err := said.identity(stored{Servers: q.Servers, Underlay: q.Underlay}, q.Name, key)
	if err != nil {
		return nil, fmt.Errorf("join as %s: %w", q.Name, err)
	}
	id := newIdentity(q.Dir, next, q.Clock, q.Log)
	return id, id.replace(next)
}

// clientTLS returns the settings of a connection that ends, before anything is
// said, unless the other end proves to be a server of the token's authority.
func (t Token) clientTLS(c clock.Clock) *tls.Config {
	name := serverName(fmt.Sprintf("%x", t.Authority[:8]))
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: protocols, ServerName: name, Time: c.Now,
		// The authority is known by its hash alone, so there are no roots to give
		// beforehand. VerifyConnection does all that is usually done, with the one
		// certificate of that hash as the root, before the handshake ends.
		InsecureSkipVerify: true,
		VerifyConnection: func(conn tls.ConnectionState) error {
			roots, found := x509.NewCertPool(), false
			for _, cert := range conn.PeerCertificates {
				if sha256.Sum256(cert.Raw) == t.Authority && cert.IsCA {
					roots.AddCert(cert)
					found = true
				}
			}
			if !found {
				return fmt.Errorf("this is no server of the installation that the token is of: check the address, and whether something is in between (the token was not sent)")
			}
			_, err := conn.PeerCertificates[0].Verify(x509.VerifyOptions{
				Roots: roots, DNSName: name, CurrentTime: c.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			})
			return explainClock(err, c)
		},
	}
}

// explainClock says so when a certificate is refused because of a clock.
func explainClock(err error, c clock.Clock) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return fmt.Errorf("the server's certificate is valid from %s to %s, and it is %s by this machine's clock: set the clock of this machine or of the server",
			invalid.Cert.NotBefore.Format(time.RFC3339), invalid.Cert.NotAfter.Format(time.RFC3339), c.Now().UTC().Format(time.RFC3339))
	}
	return err
}

// ClientTLS returns the settings of one connection to a server, with the newest
// certificate. Settings are not for keeping: see DialTLS.
func (i *Identity) ClientTLS() *tls.Config {
	now := i.current()
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: protocols, ServerName: now.name, Time: i.clock.Now,
		RootCAs: now.roots, Certificates: []tls.Certificate{now.cert},
	}
}

// DialTLS connects to a server as the host. It is made for
// http.Transport.DialTLSContext, with ForceAttemptHTTP2, so that every connection
// has the newest certificate and believes the newest authorities.
func (i *Identity) DialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dialTLS(ctx, network, address, i.ClientTLS())
	return conn, explainClock(err, i.clock)
}

func dialTLS(ctx context.Context, network, address string, cfg *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	return (&tls.Dialer{Config: cfg}).DialContext(ctx, network, address)
}

// newClient returns a client for the protocol's few short requests.
func newClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialTLSContext: dial, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHead},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // what is said is for this server
		Timeout:       2 * requestTime,
	}
}

// ask says something to the first of the servers that answers. A refusal is an
// answer.
func ask(ctx context.Context, client *http.Client, servers []string, path string, what any) (*welcome, error) {
	var failed []error
	for _, server := range servers {
		answer, err := askOne(ctx, client, strings.TrimSuffix(server, "/")+path, what)
		var refused *Refused
		if err == nil || errors.As(err, &refused) && refused.Code != ServerBusy {
			return answer, err
		}
		failed = append(failed, fmt.Errorf("%s: %w", server, err))
	}
	return nil, errors.Join(failed...)
}

func askOne(ctx context.Context, client *http.Client, url string, what any) (*welcome, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return decode[welcome](resp.Body, maxAnswer)
	}
	said, err := decode[refusal](resp.Body, maxAnswer)
	if err != nil || said.Code == "" {
		return nil, fmt.Errorf("the server answers %s; is it a listener for hosts?", resp.Status)
	}
	return nil, &Refused{said.Code, said.Message}
}

// identity returns what an answer makes of the host, if it is right: of the name
// and the key that were asked for.
func (w *welcome) identity(from stored, name string, key any) (*credentials, error) {
	var err error
	if from.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, err
	}
	from.Certificate, from.Authorities = w.Certificate, w.Authorities
	next, err := from.read()
	if err != nil {
		return nil, fmt.Errorf("the server's answer cannot be used: %w", err)
	}
	if next.host != name {
		return nil, fmt.Errorf("the server's answer cannot be used: it makes this host %s, not %s", next.host, name)
	}
	return next, nil
}
