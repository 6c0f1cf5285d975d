// SPDX-License-Identifier: Apache-2.0

package services

import (
	"encoding/binary"
	"testing"
	"time"
)

// The tree has folders where paths have slashes, and nothing else.
func TestFoldersOfTheTree(t *testing.T) {
	tree := map[string]string{"meta-data/mac": "02:00", "meta-data/network/interfaces/macs/02:00/vpc-id": "vpc-1", "user-data": "#!"}
	for path, want := range map[string]string{
		"": "meta-data/\nuser-data", "meta-data": "mac\nnetwork/", "meta-data/": "mac\nnetwork/", "meta-data/mac": "02:00",
		"meta-data/network/interfaces/macs/": "02:00/", "meta-data/network/interfaces/macs/02:00/vpc-id": "vpc-1",
	} {
		if got, found := look(tree, path); got != want || !found {
			t.Errorf("%q has %q, %v; want %q", path, got, found, want)
		}
	}
	for _, path := range []string{"meta-data/ma", "meta", "dynamic/"} {
		if got, found := look(tree, path); found {
			t.Errorf("%q has %q", path, got)
		}
	}
}

// A token is good for its instance until its time, and for no other.
func TestTokensAreOneInstances(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := newMetadata(nil, func() time.Time { return now })
	token := m.token("i-1", now.Add(time.Minute))
	if !m.valid(token, "i-1") || m.valid(token, "i-2") || m.valid(token[:len(token)-1]+"!", "i-1") || m.valid("", "i-1") {
		t.Error("a token is good for what it is not, or not for what it is")
	}
	if newMetadata(nil, m.now).valid(token, "i-1") {
		t.Error("another service takes the token")
	}
	if now = now.Add(time.Minute); m.valid(token, "i-1") {
		t.Error("a token outlives its time")
	}
}

// An answer to a client of SNTP carries the time and the client's own, and nothing
// else is answered (RFC 4330).
func TestTheTimeOfDay(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 500_000_000, time.UTC)
	request := make([]byte, 48)
	request[0] = 4<<3 | 3
	binary.BigEndian.PutUint64(request[40:], 77)
	b := answerTime(request, now)
	if len(b) != 48 || b[0] != 4<<3|4 || binary.BigEndian.Uint64(b[24:]) != 77 {
		t.Fatalf("the answer is %x", b)
	}
	if at := binary.BigEndian.Uint64(b[40:]); int64(at>>32)-2208988800 != now.Unix() || at&0xffffffff != 1<<31 {
		t.Errorf("the time is %x", at)
	}
	request[0] = 4<<3 | 4
	if answerTime(request, now) != nil || answerTime(request[:47], now) != nil {
		t.Error("what is no request is answered")
	}
}
