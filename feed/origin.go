// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Origin says where the changes of a delta come from, so that a call of the API
// can be followed into the kernel. It is for people and changes nothing that is
// done. The zero Origin says nothing, as that of a delta that tells everything.
type Origin struct {
	// Requests are the newest calls since the last delta, oldest first, at most
	// MaxRequests; some may be about what the host need not know. More is how many
	// others there were, those of our own work included.
	Requests []RequestID
	More     int
	// Waited is how long the oldest of the changes took since the telling server saw
	// it committed.
	Waited time.Duration
}

// MaxRequests bounds the calls that a delta names: it is told to many hosts.
const MaxRequests = 16

// RequestID names one call of the API.
type RequestID [16]byte

// String returns the id as clients are shown it: a UUID.
func (r RequestID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", r[:4], r[4:6], r[6:8], r[8:10], r[10:])
}

// ParseRequestID reads what String returns.
func ParseRequestID(text string) (r RequestID, ok bool) {
	digits := strings.ReplaceAll(text, "-", "")
	if len(digits) != 2*len(r) {
		return r, false
	}
	_, err := hex.Decode(r[:], []byte(digits))
	return r, err == nil && r.String() == text
}

// LogValue implements slog.LogValuer: the ids, and how many there are besides.
func (o Origin) LogValue() slog.Value {
	ids := make([]string, len(o.Requests), len(o.Requests)+1)
	for i, r := range o.Requests {
		ids[i] = r.String()
	}
	if o.More > 0 {
		ids = append(ids, fmt.Sprintf("and %d more", o.More))
	}
	return slog.StringValue(strings.Join(ids, " "))
}
