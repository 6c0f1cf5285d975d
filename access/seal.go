// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// KeySize is the length of a sealing key, in bytes.
const KeySize = 32

// Seal encrypts what must be unreadable and unchangeable at rest or in others'
// hands: secrets of access keys, session tokens, reasons of refusals. It is
// AES-256-GCM with random nonces, safe for concurrent use.
type Seal struct {
	aead cipher.AEAD
}

// sealVersion is the first byte of everything sealed.
const sealVersion = 1

// ErrSeal reports that something was not sealed with this key for this purpose,
// or was changed since.
var ErrSeal = errors.New("not sealed with this key")

// NewSeal returns the seal of a key of KeySize random bytes.
func NewSeal(key []byte) (*Seal, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a sealing key has %d bytes, not %d", KeySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Seal{aead}, nil
}

// RandomSeal returns a seal whose key nobody knows: what it seals cannot be
// opened once it is gone.
func RandomSeal() *Seal {
	key := make([]byte, KeySize)
	rand.Read(key)
	s, err := NewSeal(key)
	if err != nil {
		panic(err) // the key is right by construction
	}
	return s
}

// Close encrypts plain. It opens only for the same purpose.
func (s *Seal) Close(purpose string, plain []byte) []byte {
	out := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	rand.Read(out[1:])
	return s.aead.Seal(out, out[1:], plain, []byte(purpose))
}

// Open decrypts what Close made. The error is ErrSeal.
func (s *Seal) Open(purpose string, sealed []byte) ([]byte, error) {
	head := 1 + s.aead.NonceSize()
	if len(sealed) < head || sealed[0] != sealVersion {
		return nil, ErrSeal
	}
	plain, err := s.aead.Open(nil, sealed[1:head], sealed[head:], []byte(purpose))
	if err != nil {
		return nil, ErrSeal
	}
	return plain, nil
}
