// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"strings"
	"time"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	terminator  = "aws4_request"
	timeLayout  = "20060102T150405Z"
	longestName = 128 // of an access key id, a Region, a service
)

// Scope is what a signature is bound to besides the request itself.
type Scope struct {
	AccessKey string
	Date      string // YYYYMMDD
	Region    string
	Service   string
}

// signed is the parsed authentication of a request, from its Authorization
// header or its query string.
type signed struct {
	Scope
	headers   []string // names as listed: lower case, ascending, "host" among them
	signature string   // 64 lower-case hexadecimal digits
	time      time.Time
	presigned bool
	expires   time.Duration // of a presigned request; 0 when it does not say
	token     string        // session token, "" for none
}

// parseAuthorization takes an Authorization header apart. Every fault is
// Malformed: nothing is guessed.
func parseAuthorization(header string) (*signed, error) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return nil, fault(Malformed, "the Authorization header does not start with %s", algorithm)
	}
	var credential, list, signature *string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.Trim(part, " "), "=")
		var slot **string
		switch name {
		case "Credential":
			slot = &credential
		case "SignedHeaders":
			slot = &list
		case "Signature":
			slot = &signature
		}
		if !ok || slot == nil || *slot != nil {
			return nil, fault(Malformed, "the Authorization header has an unknown, repeated or valueless part")
		}
		*slot = &value
	}
	if credential == nil || list == nil || signature == nil {
		return nil, fault(Malformed, "the Authorization header lacks Credential, SignedHeaders or Signature")
	}
	return assemble(*credential, *list, *signature)
}

// assemble checks the three parts that both forms of authentication have.
func assemble(credential, list, signature string) (*signed, error) {
	s := &signed{signature: signature}
	part := strings.Split(credential, "/")
	if len(part) != 5 || part[4] != terminator {
		return nil, fault(Malformed, "the credential is not KEY/DATE/REGION/SERVICE/%s", terminator)
	}
	s.Scope = Scope{AccessKey: part[0], Date: part[1], Region: part[2], Service: part[3]}
	if !isWord(s.AccessKey) || !isWord(s.Region) || !isWord(s.Service) || len(s.Date) != 8 || !isWord(s.Date) {
		return nil, fault(Malformed, "the credential has an empty, overlong or illegible part")
	}
	if len(signature) != 64 || strings.Trim(signature, "0123456789abcdef") != "" {
		return nil, fault(Malformed, "the signature is not 64 lower-case hexadecimal digits")
	}
	s.headers = strings.Split(list, ";")
	host := false
	for i, name := range s.headers {
		if !isHeaderName(name) || i > 0 && name <= s.headers[i-1] {
			return nil, fault(Malformed, "the signed headers are not distinct lower-case names in ascending order")
		}
		host = host || name == "host"
	}
	if !host {
		return nil, fault(Malformed, "the host header is not signed")
	}
	return s, nil
}

// signs reports whether the header, in lower case, is covered.
func (s *signed) signs(name string) bool {
	for _, h := range s.headers {
		if h == name {
			return true
		}
	}
	return false
}

// isWord reports whether s is made of letters, digits, '-', '_' and '.' and is
// neither empty nor long.
func isWord(s string) bool {
	if s == "" || len(s) > longestName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// isHeaderName reports whether s is a header's name in lower case.
func isHeaderName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return true
}
