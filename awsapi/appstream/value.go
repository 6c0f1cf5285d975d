// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"strconv"
	"time"
)

// deref returns what value points to, or the zero value.
func deref[T any](value *T) (v T) {
	if value != nil {
		v = *value
	}
	return v
}

// optional returns a pointer to value, nil for the zero value.
func optional[T comparable](value T) *T {
	if value == *new(T) {
		return nil
	}
	return &value
}

// each converts every element; none stay none.
func each[A, B any](in []A, convert func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = convert(in[i])
	}
	return out
}

func text[N int32 | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// wholeSeconds is a duration as results have it.
func wholeSeconds(d time.Duration) *int32 { return new(int32(d / time.Second)) }
