// SPDX-License-Identifier: Apache-2.0

// Package sigv4 verifies Signature Version 4, in the Authorization header and in
// the query string (docs/spec/ec2-api.md section 1.4). What it lets through was
// signed with the secret of the named key, over this body, now.
//
// It finds out who signed, not what they may do, and knows no service's way to
// word a refusal.
package sigv4

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Window is how far a signature's time may be from ours, unless a Verifier says
// otherwise.
const Window = 5 * time.Minute

// LongestExpiry is the most that a presigned request may ask for.
const LongestExpiry = 7 * 24 * time.Hour

// Secrets knows the secrets of access keys.
type Secrets interface {
	// Secret returns the secret of the key and whether the key may be used.
	Secret(accessKey string) (secret string, ok bool)
}

// Reason says why a request was not accepted.
type Reason uint8

const (
	Malformed    Reason = iota // there is a signature, but not in the form it must have
	Missing                    // not signed at all
	UnknownKey                 // no such key, or a key not in use
	Mismatch                   // the signature is not that of this request
	BodyHash                   // the hash that was sent is not that of the body, or the body is not covered
	Expired                    // right, but not now
	TokenExpired               // right, but the session that it is signed with is over
)

func (r Reason) String() string {
	return [...]string{"malformed", "missing", "unknown key", "mismatch", "body hash", "expired", "token expired"}[r]
}

// Error is a refusal. Detail is for the log and holds no secret; what the client
// is told is the service's business.
type Error struct {
	Reason  Reason
	Detail  string
	Service string // that the request claims to be for, to choose a wording by; unproven, "" when illegible
}

func (e *Error) Error() string { return "signature " + e.Reason.String() + ": " + e.Detail }

func fault(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Identity is what a good signature proves.
type Identity struct {
	Scope
	Presigned bool
	Token     string // session token that came with it, covered by the signature; "" for none
}

// Verifier checks signatures. It is immutable and safe for concurrent use.
type Verifier struct {
	secrets Secrets
	now     func() time.Time
	window  time.Duration
}

// New returns a Verifier that knows keys from secrets and the time from now, and
// lets signatures be window away from it; zero means Window.
func New(secrets Secrets, now func() time.Time, window time.Duration) *Verifier {
	return &Verifier{secrets: secrets, now: now, window: cmp.Or(window, Window)}
}

// Verify checks the signature of a request that an HTTP server received, whose
// body was read to its end. The error is an *Error. Time is looked at last:
// only who holds the secret learns that a signature is old.
func (v *Verifier) Verify(r *http.Request, body []byte) (*Identity, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault(Malformed, "the query string cannot be decoded")
	}
	s, err := authentication(r, query)
	if err == nil {
		err = v.check(r, query, body, s)
	}
	if err != nil {
		if refusal := new(Error); s != nil && errors.As(err, &refusal) {
			refusal.Service = s.Service
		}
		return nil, err
	}
	return &Identity{Scope: s.Scope, Presigned: s.presigned, Token: s.token}, nil
}

// check holds a parsed signature against the request it came with.
func (v *Verifier) check(r *http.Request, query url.Values, body []byte, s *signed) error {
	if err := coversAmz(r, s); err != nil {
		return err
	}
	payload, err := payloadHash(r, query, body)
	if err != nil {
		return err
	}
	canonical, err := canonicalRequest(r, s, query, payload)
	if err != nil {
		return err
	}
	secret, known := v.secrets.Secret(s.AccessKey)
	want := signature(secret, s, canonical) // also for unknown keys: same work
	equal := subtle.ConstantTimeCompare([]byte(want), []byte(s.signature)) == 1
	switch {
	case !known || secret == "":
		return fault(UnknownKey, "access key %s is not known", s.AccessKey)
	case !equal:
		return fault(Mismatch, "the signature with access key %s is not that of the request", s.AccessKey)
	}
	return v.timely(s)
}

// authentication finds and parses the signature of a request. With an error it
// may return the part that could be read.
func authentication(r *http.Request, query url.Values) (*signed, error) {
	header := r.Header.Values("Authorization")
	inQuery := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature") || query.Has("X-Amz-Credential")
	switch {
	case len(header) == 0 && !inQuery:
		return nil, fault(Missing, "the request is not signed")
	case len(header) > 1 || len(header) == 1 && inQuery:
		return nil, fault(Malformed, "the request is signed more than once")
	case inQuery:
		return presigned(query)
	}
	s, err := parseAuthorization(header[0])
	if err != nil {
		return nil, err
	}
	if s.time, err = headerTime(r, s); err != nil {
		return s, err
	}
	s.token, err = single(r.Header.Values("X-Amz-Security-Token"), "X-Amz-Security-Token")
	return s, err
}

// presigned takes the authentication in a query string apart.
func presigned(query url.Values) (*signed, error) {
	value := make(map[string]string)
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token"} {
		one, err := single(query[name], name)
		if err != nil {
			return nil, err
		}
		value[name] = one
	}
	if value["X-Amz-Algorithm"] != algorithm {
		return nil, fault(Malformed, "X-Amz-Algorithm is not %s", algorithm)
	}
	s, err := assemble(value["X-Amz-Credential"], value["X-Amz-SignedHeaders"], value["X-Amz-Signature"])
	if err != nil {
		return nil, err
	}
	s.presigned, s.token = true, value["X-Amz-Security-Token"]
	if s.time, err = parseTime(s, value["X-Amz-Date"]); err != nil {
		return s, err
	}
	if query.Has("X-Amz-Expires") {
		text := value["X-Amz-Expires"]
		seconds, err := strconv.ParseUint(text, 10, 32)
		s.expires = time.Duration(seconds) * time.Second
		if err != nil || seconds == 0 || s.expires > LongestExpiry {
			return s, fault(Malformed, "X-Amz-Expires is not a number of seconds from 1 to %d", int(LongestExpiry.Seconds()))
		}
	}
	return s, nil
}

// headerTime returns the time of signing from X-Amz-Date or, failing that, from
// Date. Either must be covered.
func headerTime(r *http.Request, s *signed) (time.Time, error) {
	text, err := single(r.Header.Values("X-Amz-Date"), "X-Amz-Date")
	if err != nil {
		return time.Time{}, err
	}
	if text != "" {
		return parseTime(s, text)
	}
	if text, err = single(r.Header.Values("Date"), "Date"); err != nil {
		return time.Time{}, err
	}
	if text == "" || !s.signs("date") {
		return time.Time{}, fault(Malformed, "neither X-Amz-Date nor a signed Date says when the request was signed")
	}
	if t, err := http.ParseTime(text); err == nil {
		text = t.UTC().Format(timeLayout)
	}
	return parseTime(s, text)
}

// parseTime reads the time of signing, whose day the scope must name too.
func parseTime(s *signed, text string) (time.Time, error) {
	t, err := time.Parse(timeLayout, text)
	if err != nil || len(text) != len(timeLayout) {
		return time.Time{}, fault(Malformed, "the time of signing is not of the form YYYYMMDDTHHMMSSZ")
	}
	if text[:8] != s.Date {
		return time.Time{}, fault(Malformed, "the day of the credential is not that of the time of signing")
	}
	return t, nil
}

// single returns the only value, "" for none. Two of a kind are refused: it
// would be open which one counts.
func single(values []string, name string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return strings.TrimSpace(values[0]), nil
	}
	return "", fault(Malformed, "%s was given more than once", name)
}

// coversAmz demands that every header with a meaning to us is signed.
func coversAmz(r *http.Request, s *signed) error {
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") {
			continue
		}
		if !s.signs(lower) {
			return fault(Malformed, "the header %s is not signed", lower)
		}
		if len(values) > 1 {
			return fault(Malformed, "%s was given more than once", lower)
		}
	}
	return nil
}

// payloadHash returns the hash of the body and refuses a request that names
// another one, or says that it does not cover its body.
func payloadHash(r *http.Request, query url.Values, body []byte) (string, error) {
	sum := hash(body)
	for _, given := range [][]string{r.Header.Values("X-Amz-Content-Sha256"), query["X-Amz-Content-Sha256"]} {
		for _, g := range given {
			if strings.TrimSpace(g) != sum {
				return "", fault(BodyHash, "X-Amz-Content-Sha256 is not the hash of the body")
			}
		}
	}
	return sum, nil
}

// timely reports whether a good signature is to be accepted now.
func (v *Verifier) timely(s *signed) error {
	now, last := v.now(), s.time.Add(v.window)
	if s.expires > 0 {
		last = s.time.Add(s.expires)
	}
	if now.Before(s.time.Add(-v.window)) {
		return fault(Expired, "signed at %s, which is in the future", s.time.Format(timeLayout))
	}
	if now.After(last) {
		return fault(Expired, "signed at %s, good until %s", s.time.Format(timeLayout), last.Format(timeLayout))
	}
	return nil
}
