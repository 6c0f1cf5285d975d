// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The canonical form is written here and not got by signing again with the
// SDK's signer, because that signer chooses what it signs: it leaves out headers
// that a client may well have signed (User-Agent), adds some that it may not
// have, and encodes paths its own way. A verifier must cover exactly what the
// client says it covered. The SDK's signer is the witness in the tests instead.

// canonicalRequest returns the text whose hash is signed.
func canonicalRequest(r *http.Request, s *signed, query url.Values, payloadHash string) (string, error) {
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(canonicalPath(r.URL))
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(query))
	b.WriteByte('\n')
	for _, name := range s.headers {
		values := headerValues(r, name)
		if values == nil {
			return "", fault(Mismatch, "the signed header %s did not arrive", name)
		}
		b.WriteString(name)
		b.WriteByte(':')
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(trim(v))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(s.headers, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String(), nil
}

// headerValues returns what arrived under a lower-case name, nil for nothing.
// The HTTP server keeps two headers apart from the others.
func headerValues(r *http.Request, name string) []string {
	switch name {
	case "host":
		return []string{r.Host}
	case "content-length":
		if r.ContentLength < 0 {
			return nil
		}
		return []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	return r.Header[http.CanonicalHeaderKey(name)]
}

// canonicalPath is the path as it was sent, encoded once more; services other
// than S3 demand that. The only path that we serve encodes to itself.
func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = encode(p)
	}
	return strings.Join(parts, "/")
}

// canonicalQuery encodes the parameters anew and orders them by encoded name,
// then by encoded value, leaving the signature itself out.
func canonicalQuery(query url.Values) string {
	pairs := make([]string, 0, len(query))
	for name, values := range query {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, v := range values {
			// '=' sorts after the digits and '-', so pairs are compared with a
			// separator below everything that encode leaves standing.
			pairs = append(pairs, encode(name)+"\x00"+encode(v))
		}
	}
	slices.Sort(pairs)
	return strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "=")
}

// encode percent-encodes everything but RFC 3986's unreserved characters.
func encode(s string) string {
	const digits = "0123456789ABCDEF"
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
	}
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// trim drops spaces around a header's value and folds those inside.
func trim(s string) string {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "  ") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] == ' ' && s[i-1] == ' ' {
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// signature computes the signature of a canonical request.
func signature(secret string, s *signed, canonical string) string {
	toSign := algorithm + "\n" + s.time.Format(timeLayout) + "\n" +
		s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator + "\n" + hash([]byte(canonical))
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, terminator, toSign} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// hash returns the SHA-256 of b in hexadecimal.
func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
