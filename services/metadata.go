// SPDX-License-Identifier: Apache-2.0

package services

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/feed"
)

// The headers of the token-based way (IMDSv2).
const (
	tokenHeader = "X-aws-ec2-metadata-token"
	lifeHeader  = "X-aws-ec2-metadata-token-ttl-seconds"
	longestLife = 21600 // seconds
)

// metadata is the metadata service.
type metadata struct {
	asker func(netip.Addr) *Facts
	now   func() time.Time
	key   [32]byte // of tokens: they hold as long as the process
}

func newMetadata(asker func(netip.Addr) *Facts, now func() time.Time) *metadata {
	m := &metadata{asker: asker, now: now}
	rand.Read(m.key[:])
	return m
}

// token returns a token of an instance that holds until a time.
func (m *metadata) token(instance string, until time.Time) string {
	mac := hmac.New(sha256.New, m.key[:])
	b := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	mac.Write(b)
	io.WriteString(mac, instance)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(b))
}

func (m *metadata) valid(token, instance string) bool {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 8 {
		return false
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	return m.now().Before(until) && hmac.Equal([]byte(token), []byte(m.token(instance, until)))
}

// ServeHTTP implements http.Handler.
func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	f := m.asker(from.Addr())
	if f == nil || f.Metadata != feed.MetadataOpen && f.Metadata != feed.MetadataTokens {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	w.Header().Set("Server", "EC2ws")
	w.Header().Set("Content-Type", "text/plain")
	version, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPut && path == "api/token":
		m.give(w, r, f)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "", http.StatusMethodNotAllowed)
	case r.Header.Get(tokenHeader) != "" && !m.valid(r.Header.Get(tokenHeader), f.Instance.ID),
		r.Header.Get(tokenHeader) == "" && f.Metadata != feed.MetadataOpen:
		http.Error(w, "", http.StatusUnauthorized)
	case version == "":
		io.WriteString(w, "latest")
	default:
		text, found := look(f.tree(), path)
		if !found {
			http.Error(w, "", http.StatusNotFound)
			return
		}
		io.WriteString(w, text)
	}
}

// give answers a request for a token.
func (m *metadata) give(w http.ResponseWriter, r *http.Request, f *Facts) {
	life, err := strconv.Atoi(r.Header.Get(lifeHeader))
	switch {
	case r.Header.Get("X-Forwarded-For") != "": // it came by a proxy, which may be open
		http.Error(w, "", http.StatusForbidden)
	case err != nil || life < 1 || life > longestLife:
		http.Error(w, "", http.StatusBadRequest)
	default:
		w.Header().Set(lifeHeader, strconv.Itoa(life))
		io.WriteString(w, m.token(f.Instance.ID, m.now().Add(time.Duration(life)*time.Second)))
	}
}
