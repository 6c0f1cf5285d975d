// SPDX-License-Identifier: Apache-2.0

package join

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// bounded runs a handler of the protocol within limits that hold for anybody: of
// time, of bytes, and of how many there are at once.
func (s *Server) bounded(do func(*http.Request) (*welcome, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline := time.Now().Add(requestTime) // of the network, not of what is signed
		turn := http.NewResponseController(w)
		if err := errors.Join(turn.SetReadDeadline(deadline), turn.SetWriteDeadline(deadline)); err != nil {
			s.answerRefusal(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		ctx, cancel := context.WithDeadline(r.Context(), deadline)
		defer cancel()
		answer, err := do(r.WithContext(ctx))
		if err == nil { // all of the request is here; the connection may go on with what is not bounded
			err = errors.Join(turn.SetReadDeadline(time.Time{}), turn.SetWriteDeadline(time.Time{}))
		}
		if err != nil {
			s.answerRefusal(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
}

// slot waits for one of the places in which certificates are signed. It is taken
// once the whole request is here: who is slow keeps nobody waiting.
func (s *Server) slot(ctx context.Context) (free func(), err error) {
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, secgroup.Errorf(ServerBusy, "The server is busy with others who join. Try again in a while.")
	}
}

func malformed(err error) error { return secgroup.Errorf(RequestMalformed, "Cannot do this: %v.", err) }

// join makes a machine a host.
func (s *Server) join(r *http.Request) (*welcome, error) {
	q, err := decode[joinRequest](r.Body, maxRequest)
	if err != nil {
		return nil, malformed(err)
	}
	if err := secgroup.CheckHostName(q.Name); err != nil {
		return nil, err
	}
	free, err := s.slot(r.Context())
	if err != nil {
		return nil, err
	}
	defer free()
	digest := sha256.Sum256(q.Secret)
	if err := s.registry.CheckJoinToken(q.Token, digest[:], q.Name); err != nil {
		// It may have been made by another server a moment ago.
		if err := s.registry.Fresh(r.Context()); err != nil {
			return nil, err
		}
		if err := s.registry.CheckJoinToken(q.Token, digest[:], q.Name); err != nil {
			return nil, err
		}
	}
	next, answer, err := s.sign(r.Context(), q.Name, q.Underlay, q.Request)
	if err != nil {
		return nil, err
	}
	next.Joined = next.Renewed
	if err := s.registry.AdmitHost(r.Context(), q.Token, digest[:], *next); err != nil {
		return nil, err
	}
	s.log.Info("a host joined", "host", q.Name, "underlay", q.Underlay, "remote", r.RemoteAddr, "token", q.Token)
	return answer, nil
}

// renew gives a host its next certificate.
func (s *Server) renew(r *http.Request) (*welcome, error) {
	h, err := s.allow(r.Context(), r.TLS)
	if err != nil {
		return nil, err
	}
	q, err := decode[renewRequest](r.Body, maxRequest)
	if err != nil {
		return nil, malformed(err)
	}
	free, err := s.slot(r.Context())
	if err != nil {
		return nil, err
	}
	defer free()
	next, answer, err := s.sign(r.Context(), h.Name, q.Underlay, q.Request)
	if err != nil {
		return nil, err
	}
	if err := s.registry.RenewHost(r.Context(), serialOf(r.TLS.VerifiedChains[0][0]), *next); err != nil {
		return nil, err
	}
	s.log.Debug("a host renewed its certificate", "host", h.Name, "expires", next.Expires)
	return answer, nil
}

// sign makes a host's next certificate with the newest authority, and returns it
// as its row and as the answer tell it. Nobody takes it before the row is written.
func (s *Server) sign(ctx context.Context, name string, underlay netip.Addr, request []byte) (*secgroup.Host, *welcome, error) {
	if err := checkUnderlay(underlay); err != nil {
		return nil, nil, malformed(err)
	}
	key, err := parseRequest(request)
	if err != nil {
		return nil, nil, malformed(err)
	}
	all, err := s.authorities(ctx)
	if err != nil {
		return nil, nil, err
	}
	a, now := all[len(all)-1], s.clock.Now().UTC()
	cert, err := a.signHost(name, key, now, s.life)
	if err != nil {
		return nil, nil, err
	}
	answer := &welcome{Host: name, Certificate: cert.Raw}
	for _, known := range all {
		answer.Authorities = append(answer.Authorities, known.cert.Raw)
	}
	return &secgroup.Host{
		Name: name, Underlay: underlay, Authority: a.id, Serial: serialOf(cert), Expires: cert.NotAfter, Renewed: now,
	}, answer, nil
}

// check tells whether a certificate would be taken. In a handshake there is no
// room to say why not, so a host that was refused asks here; who has the
// certificate knows the host it is of.
func (s *Server) check(r *http.Request) (*welcome, error) {
	q, err := decode[checkRequest](r.Body, maxRequest)
	if err != nil {
		return nil, malformed(err)
	}
	cert, err := x509.ParseCertificate(q.Certificate)
	if err != nil {
		return nil, malformed(errors.New("this is no certificate"))
	}
	all, err := s.authorities(r.Context())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, a := range all {
		pool.AddCert(a.cert)
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: cert.NotAfter})
	if err != nil {
		return nil, secgroup.Errorf(CertificateUnknown, "The certificate is not one of this installation's. If the host belongs to another one, ask that one's servers; otherwise join again with a new token.")
	}
	name, err := hostOf(cert)
	if err != nil {
		return nil, secgroup.Errorf(CertificateUnknown, "%v", err)
	}
	if now := s.clock.Now(); now.Before(cert.NotBefore) || !now.Before(cert.NotAfter) {
		return nil, s.expired(name, cert)
	}
	if _, err := s.welcome(r.Context(), name, cert); err != nil {
		return nil, err
	}
	return &welcome{Host: name}, nil
}

// answerRefusal is the one mapping from errors to what hosts see.
func (s *Server) answerRefusal(w http.ResponseWriter, r *http.Request, err error) {
	status, seen := http.StatusForbidden, &secgroup.Error{}
	switch {
	case !errors.As(err, &seen):
		// The cause may name what is none of a stranger's business: it is logged.
		s.log.Error("cannot serve a host", "path", r.URL.Path, "remote", r.RemoteAddr, "error", err)
		status, seen = http.StatusServiceUnavailable, secgroup.Errorf("InternalError", "The server cannot do this now. Its log says why; try again in a while.")
	case seen.Code == RequestMalformed:
		status = http.StatusBadRequest
	case seen.Code == ServerBusy:
		status = http.StatusServiceUnavailable
	case seen.Code == CertificateMissing:
		status = http.StatusUnauthorized
	}
	s.refuse(seen.Code, r.RemoteAddr, err)
	w.Header().Set("Connection", "close") // a host that has a newer certificate comes with it
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(refusal{seen.Code, seen.Message, s.clock.Now().UTC()})
}
