// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"slices"
	"strings"
)

// Tag is a key with a value, which may be empty.
type Tag struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}

// Reserved reports whether only the service itself sets the tag: its key begins
// with aws: (docs/spec/ec2-api.md section 10).
func (t Tag) Reserved() bool { return ReservedKey(t.Key) }

// ReservedKey reports whether clients may not use the key for tags of theirs.
func ReservedKey(key string) bool {
	return len(key) >= len(reservedKey) && strings.EqualFold(key[:len(reservedKey)], reservedKey)
}

const reservedKey = "aws:"

// Tags are a resource's tags in order of insertion; keys are unique. Methods
// never change their receiver.
type Tags []Tag

// Get returns the value of key and whether it is there.
func (t Tags) Get(key string) (string, bool) {
	for _, tag := range t {
		if tag.Key == key {
			return tag.Value, true
		}
	}
	return "", false
}

// With returns the tags with add merged in: existing keys are overwritten in
// place, new ones appended.
func (t Tags) With(add ...Tag) Tags {
	out := slices.Clone(t)
	for _, tag := range add {
		if i := slices.IndexFunc(out, func(o Tag) bool { return o.Key == tag.Key }); i >= 0 {
			out[i].Value = tag.Value
		} else {
			out = append(out, tag)
		}
	}
	return out
}

// Without returns the tags less those that drop reports.
func (t Tags) Without(drop func(Tag) bool) Tags {
	return slices.DeleteFunc(slices.Clone(t), drop)
}
