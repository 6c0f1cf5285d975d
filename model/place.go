// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"encoding/binary"
	"strings"
)

// Place is where a row is in every listing: by creation, then by id
// (docs/spec/ec2-api.md section 1.8). It never changes. The zero Place is before
// every row's.
type Place struct {
	Born int64 // nanoseconds since 1970, not before; 0 where nobody said
	ID   string
}

// Compare orders places.
func (p Place) Compare(other Place) int {
	if c := cmp.Compare(p.Born, other.Born); c != 0 {
		return c
	}
	return strings.Compare(p.ID, other.ID)
}

// Key returns a text that orders as the place does.
func (p Place) Key() string {
	b := make([]byte, 8, 8+len(p.ID))
	binary.BigEndian.PutUint64(b, uint64(p.Born)^1<<63)
	return string(append(b, p.ID...))
}

// PlaceOf returns the place of a Key; ok is false for what is none.
func PlaceOf(key string) (p Place, ok bool) {
	if len(key) <= 8 {
		return Place{}, false
	}
	return Place{Born: int64(binary.BigEndian.Uint64([]byte(key)) ^ 1<<63), ID: key[8:]}, true
}
