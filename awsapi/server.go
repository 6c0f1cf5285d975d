// SPDX-License-Identifier: Apache-2.0

// Package awsapi is the HTTP edge: it authenticates a request, finds its service
// and operation, decodes, enforces the order of checks, and turns results and
// refusals into answers (docs/spec/ec2-api.md section 1). Services are values
// made of a generated model, a protocol and typed operations; their packages are
// below this one.
//
// It holds no domain rules. There is no anonymous mode.
package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/sigv4"
	"github.com/hedgeward/hedgeward/control"
)

const (
	maxBody    = 2 << 20  // bytes; the specification asks for one MiB at least
	maxHeaders = 64 << 10 // bytes
	maxGuess   = 64 << 10 // bytes of an unauthenticated body that are looked at

	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second // from the end of the headers: the call's own time is in it
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 5 * time.Second
)

// Credentials knows the access keys.
type Credentials interface {
	// Lookup returns the secret of an access key and whose it is; ok is false
	// for keys that are unknown or not in use.
	Lookup(ctx context.Context, accessKey string) (secret string, caller Caller, ok bool)
}

// Sessions knows temporary credentials.
type Sessions interface {
	// OpenSession returns the secret of a session's key and whose it is; ok is
	// false when the token is not the key's, or the session was ended. One whose
	// time is over is returned: the server looks at that last.
	OpenSession(accessKey, token string) (secret string, who control.Actor, ok bool)
}

// Authorizer decides what a caller may do.
type Authorizer interface {
	// Authorize returns nil when the call is allowed. A refusal is a
	// *secgroup.Error, for EC2 with code UnauthorizedOperation. in is the
	// decoded request, syntactically valid.
	Authorize(ctx context.Context, c *Call, in any) error
}

// AllowAll lets every authenticated caller do everything in its own account.
type AllowAll struct{}

// Authorize implements Authorizer.
func (AllowAll) Authorize(context.Context, *Call, any) error { return nil }

// Config is what a Server works with. Every field but Fresh, Sessions, Audit,
// Called, Throttle and Window must be set.
type Config struct {
	Services    []*Service
	Credentials Credentials
	Sessions    Sessions // nil: there are none
	// Fresh returns once all that is read holds what was answered before the call,
	// by this server or another; the error is one for clients. It comes before
	// authentication, because keys change too. nil: there is no other server.
	Fresh      func(context.Context) error
	Authorizer Authorizer
	Regions    func(region string) bool // reports whether the installation has the Region
	Now        func() time.Time         // against which signatures are held
	Log        *slog.Logger             // one record per request
	Audit      Auditor                  // nil: nothing is kept
	Called     func(Answered)           // is told of every answered call; nil: nobody is
	Throttle   Rates                    // none: how often each account may call
	Window     time.Duration            // sigv4.Window: how far signatures may be from Now
}

// Server answers API calls. It is an http.Handler, safe for concurrent use.
type Server struct {
	Config
	services map[string]*Service
	throttle *throttle
}

// New returns a server. The first service lends its protocol to answers to
// requests that do not say what they are for.
func New(c Config) (*Server, error) {
	switch {
	case len(c.Services) == 0:
		return nil, errors.New("new API server: no services")
	case c.Credentials == nil || c.Authorizer == nil || c.Regions == nil || c.Now == nil || c.Log == nil:
		return nil, errors.New("new API server: a field of Config is not set")
	}
	s := &Server{Config: c, services: make(map[string]*Service, len(c.Services)), throttle: newThrottle(c.Throttle, c.Now)}
	for _, service := range c.Services {
		if s.services[service.Name()] != nil {
			return nil, fmt.Errorf("new API server: service %s comes twice", service.Name())
		}
		s.services[service.Name()] = service
	}
	return s, nil
}

// Serve answers requests that arrive at l until ctx ends, then lets running
// ones finish for a short while. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	hs := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaders,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1) // one error, from the only sender
	go func() { failed <- hs.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve API at %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := hs.Shutdown(drain)
	if err != nil {
		err = errors.Join(err, hs.Close())
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	if err != nil {
		return fmt.Errorf("stop API at %s: %w", l.Addr(), err)
	}
	return nil
}

// readBody returns the body of a request, as long as it is not too large.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &refusal{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("The request is larger than %d bytes.", maxBody)}
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, "InvalidRequest", "The request ended before its body did."}
	}
	return body, nil
}

// lookup carries one request's look at the credentials through the verifier.
type lookup struct {
	ctx      context.Context
	from     Credentials
	sessions Sessions
	token    string // that the request bears, unproven; "" for none
	caller   Caller
}

// Secret implements sigv4.Secrets. A session's key is nothing without its token,
// and a token is no part of any other key.
func (l *lookup) Secret(accessKey string) (string, bool) {
	if l.token == "" {
		secret, caller, ok := l.from.Lookup(l.ctx, accessKey)
		l.caller = caller
		return secret, ok
	}
	if l.sessions == nil {
		return "", false
	}
	secret, who, ok := l.sessions.OpenSession(accessKey, l.token)
	l.caller = Caller{Account: who.Account, User: who.User, UserID: who.UserID, ARN: who.ARN, Session: who.Session}
	return secret, ok
}

// tokenOf returns the session token that a request bears in its header or its
// query string. The verifier sees to it that there is one at most and that it is
// signed.
func tokenOf(r *http.Request) string {
	if token := r.Header.Get("X-Amz-Security-Token"); token != "" {
		return token
	}
	return r.URL.Query().Get("X-Amz-Security-Token")
}

// authenticate returns the service and the caller of a request, or a refusal
// and the service in whose words to put it.
func (s *Server) authenticate(r *http.Request, body []byte) (*Service, Caller, *sigv4.Error) {
	l := &lookup{ctx: r.Context(), from: s.Credentials, sessions: s.Sessions, token: tokenOf(r)}
	id, err := sigv4.New(l, s.Now, s.Window).Verify(r, body)
	if err != nil {
		e := new(sigv4.Error)
		if !errors.As(err, &e) {
			e = &sigv4.Error{Reason: sigv4.Malformed, Detail: err.Error()}
		}
		return s.guess(r, body, e.Service), Caller{}, e
	}
	service := s.services[id.Service]
	switch {
	case service == nil:
		return s.guess(r, body, ""), Caller{}, &sigv4.Error{Reason: sigv4.Mismatch, Detail: "no service " + id.Service + " here"}
	case !s.Regions(id.Region):
		return service, Caller{}, &sigv4.Error{Reason: sigv4.Mismatch, Detail: "no Region " + id.Region + " here"}
	case id.Token != l.token: // the one that was looked up is not the one that is signed
		return service, Caller{}, &sigv4.Error{Reason: sigv4.UnknownKey, Detail: "session token with key " + id.AccessKey}
	case l.caller.Session != nil && !s.Now().Before(l.caller.Session.Expires):
		return service, Caller{}, &sigv4.Error{Reason: sigv4.TokenExpired, Detail: "session of key " + id.AccessKey}
	}
	caller := l.caller
	caller.Region, caller.AccessKey = id.Region, id.AccessKey
	return service, caller, nil
}
