// SPDX-License-Identifier: Apache-2.0

package join

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// tokenForm is how every token begins; the number is the version of its form.
const tokenForm = "hedgeward-join-1"

const maxToken = 256 // bytes

// Token is what lets one machine become a host. Its secret goes to nobody but a
// server that proves to be of the Authority.
type Token struct {
	ID        string // 16 hexadecimal digits
	Secret    [32]byte
	Authority [sha256.Size]byte // SHA-256 of the certificate of the installation's authority
}

// errToken is for whoever pasted something else, or not all of it.
var errToken = errors.New("this is not a join token: it is one word that begins with " + tokenForm + "; make one on a server with: hedgeward host token create")

// newToken returns a token that names an authority.
func newToken(authority [sha256.Size]byte) Token {
	var id [8]byte
	rand.Read(id[:])
	t := Token{ID: hex.EncodeToString(id[:]), Authority: authority}
	rand.Read(t.Secret[:])
	return t
}

// String returns the token as operators carry it.
func (t Token) String() string {
	code := base64.RawURLEncoding
	return strings.Join([]string{tokenForm, t.ID, code.EncodeToString(t.Secret[:]), code.EncodeToString(t.Authority[:])}, ".")
}

// digest is what a server keeps of the secret. The secret has 256 random bits, so
// a plain hash does not give it away.
func (t Token) digest() []byte {
	sum := sha256.Sum256(t.Secret[:])
	return sum[:]
}

// ParseToken reads what String wrote. Blanks around it are no part of it.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	parts := strings.Split(text, ".")
	if len(text) > maxToken || len(parts) != 4 || parts[0] != tokenForm {
		return Token{}, errToken
	}
	t := Token{ID: parts[1]}
	if id, err := hex.DecodeString(t.ID); err != nil || len(id) != 8 {
		return Token{}, errToken
	}
	for i, into := range [][]byte{t.Secret[:], t.Authority[:]} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(parts[2+i])
		if err != nil || len(b) != len(into) {
			return Token{}, errToken
		}
		copy(into, b)
	}
	if t.String() != text { // upper case, line breaks: one token has one form
		return Token{}, errToken
	}
	return t, nil
}
