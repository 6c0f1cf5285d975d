// SPDX-License-Identifier: Apache-2.0

package join

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// The codes of refusals that this package makes.
const (
	CertificateExpired = "CertificateExpired" // or not valid yet
	CertificateUnknown = "CertificateUnknown" // of no authority of the installation
	CertificateMissing = "CertificateMissing"
	HandshakeFailed    = "HandshakeFailed"
	RequestMalformed   = "RequestMalformed"
	ServerBusy         = "ServerBusy"
	TooManyConnections = "TooManyConnections" // or one that stayed too long without showing who it is
)

const (
	handshakeTime = 10 * time.Second // for a handshake, or the head of a request
	requestTime   = 15 * time.Second // for a whole request to join
	lookupTime    = 5 * time.Second  // for what the store is asked in a handshake
	idleTime      = 2 * time.Minute
	maxHead       = 16 << 10 // bytes
)

var protocols = []string{"h2", "http/1.1"}

// ServerTLS returns the settings of a listener for hosts: TLS 1.3 with the
// certificate of the authority that a host asks for. A certificate that a host
// shows must be valid, be of the installation and be one that the host's row has;
// who shows none can only join.
func (s *Server) ServerTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: protocols, GetConfigForClient: s.configFor}
}

func (s *Server) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	ctx, cancel := context.WithTimeout(hello.Context(), lookupTime)
	defer cancel()
	all, err := s.authorities(ctx)
	if err != nil {
		return nil, err
	}
	show, pool := all[len(all)-1], x509.NewCertPool()
	for _, a := range all {
		pool.AddCert(a.cert)
		if serverName(a.id) == hello.ServerName {
			show = a
		}
	}
	cert, err := s.certificate(show)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: protocols, Time: s.clock.Now,
		Certificates: []tls.Certificate{*cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		SessionTicketsDisabled: true, // a resumed session would skip what the store says now
		VerifyConnection: func(c tls.ConnectionState) error {
			if len(c.PeerCertificates) == 0 {
				return nil
			}
			_, err := s.allow(context.Background(), &c)
			return err
		},
	}, nil
}

// certificate returns what is shown to hosts that trust the authority.
func (s *Server) certificate(a *authority) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if c := s.shown[a.id]; c != nil && now.Before(c.Leaf.NotAfter.Add(-serverLife/3)) && now.After(c.Leaf.NotBefore) {
		return c, nil
	}
	c, err := a.newServer(now)
	if err == nil {
		s.shown[a.id] = c
	}
	return c, err
}

// HTTP returns the server to run on the listener for hosts (ServeTLS with no
// files). It answers what is about joining, and passes everything else on to the
// handler once it comes from a host that is welcome.
func (s *Server) HTTP(stream http.Handler) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("POST "+joinPath, s.bounded(s.join))
	mux.Handle("POST "+renewPath, s.bounded(s.renew))
	mux.Handle("POST "+checkPath, s.bounded(s.check))
	mux.Handle("/", s.Require(stream))
	present := newCrowd(s.crowd, func(remote string, err error) { s.refuse(TooManyConnections, remote, err) })
	return &http.Server{
		Handler: mux, TLSConfig: s.ServerTLS(), ConnState: func(conn net.Conn, state http.ConnState) { s.note(present, conn, state) },
		ReadHeaderTimeout: handshakeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(errorLog{s.log.Handler()}, slog.LevelWarn),
	}
}

// errorLog is what net/http has to say, without the handshakes that failed: refuse
// logs those, and not all, since anybody can cause them.
type errorLog struct{ slog.Handler }

func (h errorLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "http: TLS handshake error") {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// note keeps who is present true to the connections, and counts those that end in
// their handshake.
func (s *Server) note(present *crowd, conn net.Conn, state http.ConnState) {
	c, ok := conn.(*tls.Conn)
	if !ok {
		return
	}
	switch state {
	case http.StateNew:
		present.come(conn)
		return
	case http.StateActive:
		present.prove(c)
		return
	case http.StateClosed:
	default:
		return
	}
	if !present.leave(conn) || c.ConnectionState().HandshakeComplete {
		return // it was ended, which is counted; or it ends as it should
	}
	err := c.HandshakeContext(context.Background()) // it failed, and says so again
	if err == nil || errors.Is(err, io.EOF) {
		return // a port scan, or a check whether the port is open
	}
	s.refuse(codeOf(err), conn.RemoteAddr().String(), err)
}

// codeOf returns why a handshake failed, as it is counted.
func codeOf(err error) string {
	var refused *secgroup.Error
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &refused):
		return refused.Code
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return CertificateExpired
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return CertificateUnknown
	}
	return HandshakeFailed
}
