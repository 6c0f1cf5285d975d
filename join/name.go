// SPDX-License-Identifier: Apache-2.0

package join

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/secgroup"
)

// ErrNoCertificate reports that whoever is at the other end of a connection has
// not shown the certificate of a host.
var ErrNoCertificate = errors.New("no certificate of a host was shown: join first, with hedgeward-agent join")

// HostOf returns the name of the host at the other end of a connection that a
// Server accepted. It says who that is, not whether it is still welcome: Server
// sees to that before a handler runs, and Hold while one does.
//
// Errors: ErrNoCertificate; a certificate that was not verified or is no host's.
func HostOf(c *tls.ConnectionState) (string, error) {
	if c == nil || len(c.VerifiedChains) == 0 || len(c.VerifiedChains[0]) == 0 {
		return "", ErrNoCertificate
	}
	return hostOf(c.VerifiedChains[0][0])
}

// hostOf returns the name in a certificate.
func hostOf(cert *x509.Certificate) (string, error) {
	if len(cert.URIs) != 1 || len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.EmailAddresses) > 0 ||
		!slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
		return "", fmt.Errorf("the certificate %s is not a host's", serialOf(cert))
	}
	name, ok := strings.CutPrefix(cert.URIs[0].String(), hostURIs)
	if !ok || secgroup.CheckHostName(name) != nil {
		return "", fmt.Errorf("the certificate %s names no host: %s", serialOf(cert), cert.URIs[0])
	}
	return name, nil
}

// hostURIs is how the name of every host begins in its certificate.
const hostURIs = "hedgeward://host/"

func hostURI(name string) *url.URL {
	return &url.URL{Scheme: "hedgeward", Host: "host", Path: "/" + name}
}

// serialOf returns a certificate's serial number as rows have it.
func serialOf(cert *x509.Certificate) string { return fmt.Sprintf("%x", cert.SerialNumber) }

// serverName is the name that servers have in certificates of an authority. A
// host asks for it in the handshake, so servers know which authority it trusts,
// whatever address it found them at.
func serverName(authority string) string { return authority + ".authority.hedgeward" }
