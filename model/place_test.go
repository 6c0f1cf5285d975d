// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Listings are by age, then by id, wherever they begin, and keys order as places.
func TestIndexesListByAge(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	_, m := start(t)
	tx := m.Begin()
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var want []Place
	for n := range 200 {
		g := group(fmt.Sprintf("sg-%03d", rng.IntN(1000)), "vpc-1", fmt.Sprint(n))
		if tx.Groups.Get(g.ID) != nil {
			continue
		}
		g.Created = epoch.Add(time.Duration(rng.IntN(20)) * time.Hour)
		tx.Groups.Put(g)
		want = append(want, tx.Groups.Place(g))
	}
	slices.SortFunc(want, Place.Compare)
	for from := range want {
		after := Place{}
		if from > 0 {
			after = want[from-1]
		}
		var got []Place
		for g := range tx.Groups.After(ByVPC, "vpc-1", after) {
			got = append(got, tx.Groups.Place(g))
		}
		if !slices.Equal(got, want[from:]) {
			t.Fatalf("after %v come %v, want %v", after, got, want[from:])
		}
		key := want[from].Key()
		if back, ok := PlaceOf(key); !ok || back != want[from] {
			t.Errorf("place %v comes back as %v", want[from], back)
		}
		if from > 0 && key <= want[from-1].Key() {
			t.Errorf("the key of %v is not behind that of %v", want[from], want[from-1])
		}
	}
	for _, bad := range []string{"", "short", "8 bytes!"} {
		if p, ok := PlaceOf(bad); ok {
			t.Errorf("%q is the place %v", bad, p)
		}
	}
}

// A row that changed its age or its values is found where it is now and nowhere
// else.
func TestIndexesForgetWhatWas(t *testing.T) {
	_, m := start(t)
	tx := m.Begin()
	g := group("sg-1", "vpc-1", "a", "sg-2", "sg-3", "sg-4")
	g.Rules[0].Peer = secgroup.Peer{Prefix: prefix("10.0.0.0/8")}
	g.Tags = secgroup.Tags{{Key: "a", Value: "1"}}
	tx.Groups.Put(g)
	next := *g
	next.Created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	next.Rules = append(slices.Clone(g.Rules[1:2]), g.Rules[0])
	next.Tags = secgroup.Tags{{Key: "a", Value: "2"}}
	tx.Groups.Put(&next)
	var got []string
	for i, ix := range tx.Groups.indexes {
		ix.Scan(func(e entry) bool {
			got = append(got, groupSchema.indexes[i].name+" "+e.value)
			if e.place != tx.Groups.Place(&next) {
				t.Errorf("index %s leads to %v", groupSchema.indexes[i].name, e.place)
			}
			return true
		})
	}
	want := "scope 1/r; tag 1/r/a=2; block 1/r/10.0.0.0/8; vpc vpc-1; name vpc-1/a; referenced sg-3; rule sgr-sg-1-0; rule sgr-sg-1-1"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("the indexes hold\n%s\nwant\n%s", text, want)
	}
}
