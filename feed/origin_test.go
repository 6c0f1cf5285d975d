// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"strings"
	"testing"
)

// TestRequestIDsAreWhatClientsSee: text to bytes and back, and nothing else.
func TestRequestIDsAreWhatClientsSee(t *testing.T) {
	const text = "01234567-89ab-4def-8123-456789abcdef"
	id, ok := ParseRequestID(text)
	if !ok || id.String() != text || id[0] != 0x01 || id[15] != 0xef {
		t.Errorf("%s is read as %s, %v", text, id, ok)
	}
	for _, bad := range []string{"", "no-uuid", strings.ToUpper(text), strings.ReplaceAll(text, "-", ""), text + "00", "g" + text[1:], strings.Repeat("0", 36), "0-1234567" + text[9:]} {
		if id, ok := ParseRequestID(bad); ok {
			t.Errorf("%q is read as %s", bad, id)
		}
	}
	o := Origin{Requests: []RequestID{id, {1}}, More: 3}
	if got, want := o.LogValue().String(), text+" 01000000-0000-0000-0000-000000000000 and 3 more"; got != want {
		t.Errorf("logged as %q, want %q", got, want)
	}
}
