// SPDX-License-Identifier: Apache-2.0

package control

import (
	"crypto/rand"
	"encoding/hex"
)

// newID returns a fresh identifier: the prefix, a hyphen and 17 random
// hexadecimal digits (docs/spec/ec2-api.md section 0.3). They never repeat in
// practice: 68 bits.
func newID(prefix string) string {
	var b [9]byte
	rand.Read(b[:])
	return prefix + "-" + hex.EncodeToString(b[:])[:17]
}

const keyAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newKeyID returns an access key id or a principal id: prefix and 16 characters.
func newKeyID(prefix string) string {
	var b [16]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = keyAlphabet[b[i]&31]
	}
	return prefix + string(b[:])
}

// newSecret returns a secret access key: 40 characters, 200 random bits.
func newSecret() string {
	var b [40]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = keyAlphabet[b[i]&31]
	}
	return string(b[:])
}
