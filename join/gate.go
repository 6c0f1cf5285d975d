// SPDX-License-Identifier: Apache-2.0

package join

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// allow returns the host whose certificate was shown on a connection, if it is
// welcome now. Its refusals are *secgroup.Error.
func (s *Server) allow(ctx context.Context, c *tls.ConnectionState) (*secgroup.Host, error) {
	name, err := HostOf(c)
	if err != nil {
		return nil, secgroup.Errorf(CertificateMissing, "%v", err)
	}
	return s.welcome(ctx, name, c.VerifiedChains[0][0])
}

// welcome returns the host of a verified certificate, if that is one of its two
// and the host is enabled.
func (s *Server) welcome(ctx context.Context, name string, cert *x509.Certificate) (*secgroup.Host, error) {
	h, err := s.judge(name, cert)
	if err == nil || h != nil && h.Disabled {
		return h, err
	}
	// Another server may have signed it a moment ago.
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if err := s.registry.Fresh(ctx); err != nil {
		return nil, err
	}
	return s.judge(name, cert)
}

func (s *Server) judge(name string, cert *x509.Certificate) (*secgroup.Host, error) {
	h := s.registry.Host(name)
	switch {
	case h == nil:
		return nil, secgroup.NoHost(name)
	case h.Disabled:
		return h, secgroup.DisabledHost(name)
	case !h.Holds(serialOf(cert)):
		return h, secgroup.Superseded(name)
	case !s.clock.Now().Before(cert.NotAfter): // of a connection that has been open for long
		return h, s.expired(name, cert)
	}
	return h, nil
}

// expired is the refusal of a certificate outside its time. It names both clocks'
// part in that.
func (s *Server) expired(name string, cert *x509.Certificate) *secgroup.Error {
	return secgroup.Errorf(CertificateExpired,
		"The certificate of the host %s is valid from %s to %s, and it is %s by the server's clock. If that is wrong, set the clock; if the host was away for long, make a token with --name %[1]s --rejoin and join again.",
		name, cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339), s.clock.Now().UTC().Format(time.RFC3339))
}

// Require passes requests of welcome hosts on, and refuses all others. HostOf
// tells the handler which one it is.
func (s *Server) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.allow(r.Context(), r.TLS); err != nil {
			s.answerRefusal(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hold is one live stream of a host.
type hold struct {
	name string
	cert *x509.Certificate
	end  context.CancelCauseFunc
}

// Hold is for handlers that go on for long. It returns the name of the host and a
// context that ends when the host is disabled or removed, when its certificate is
// superseded or expires (the cause says which), when ctx ends, or with release,
// which must be called. Run tells it.
func (s *Server) Hold(ctx context.Context, c *tls.ConnectionState) (host string, held context.Context, release func(), err error) {
	host, err = HostOf(c)
	if err != nil {
		return "", nil, nil, err
	}
	held, end := context.WithCancelCause(ctx)
	h := &hold{host, c.VerifiedChains[0][0], end}
	s.mu.Lock()
	s.held[h] = struct{}{}
	s.mu.Unlock()
	release = func() {
		s.mu.Lock()
		delete(s.held, h)
		s.mu.Unlock()
		end(context.Canceled)
	}
	if _, err := s.allow(ctx, c); err != nil { // after it is held: no change falls in between
		release()
		return "", nil, nil, err
	}
	return host, held, release, nil
}

// checkEvery is how often held streams are looked at for certificates that have
// expired.
const checkEvery = 5 * time.Second

// Run ends what Hold gave out when its time has come, until ctx ends, and returns
// its cause. Call it once.
func (s *Server) Run(ctx context.Context) error {
	followed := make(chan error, 1)
	changed := make(chan []string)
	go func() {
		followed <- s.registry.WatchHosts(ctx, func(names []string) {
			select {
			case changed <- names:
			case <-ctx.Done():
			}
		})
	}()
	tick := s.clock.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case names := <-changed:
			s.review(func(h *hold) bool { _, among := slices.BinarySearch(names, h.name); return among })
		case <-tick.C:
			now := s.clock.Now() // the tick may be an old one
			s.review(func(h *hold) bool { return !now.Before(h.cert.NotAfter) })
		case err := <-followed:
			return err
		}
	}
}

// review ends those of the chosen streams whose hosts are no longer welcome.
func (s *Server) review(chosen func(*hold) bool) {
	s.mu.Lock()
	var look []*hold
	for h := range s.held {
		if chosen(h) {
			look = append(look, h)
		}
	}
	s.mu.Unlock()
	for _, h := range look {
		if _, err := s.judge(h.name, h.cert); err != nil {
			s.refuse(codeOf(err), h.name, err)
			h.end(err)
		}
	}
}
