// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testrand"
)

// scatter sets each thing in v, whatever it is made of, or leaves it zero.
func scatter(t *testing.T, rng *rand.Rand, v reflect.Value) {
	if rng.IntN(4) == 0 {
		return
	}
	switch v.Interface().(type) {
	case netip.Prefix:
		v.Set(reflect.ValueOf([]netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("2001:db8::/32"),
		}[rng.IntN(3)]))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(rng.Int64N(1<<32), rng.Int64N(1e9)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			scatter(t, rng, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rng.IntN(4), 4))
		for i := range v.Len() {
			scatter(t, rng, v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scatter(t, rng, v.Elem())
	case reflect.String:
		v.SetString([]string{"plain", `a "quote" and a \`, "<&>", "Ä\u2028", "line\nend", "bad \xff", " "}[rng.IntN(7)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int16, reflect.Int32:
		v.SetInt(rng.Int64N(70000) - 1)
	default:
		t.Fatalf("no value for %s", v.Type())
	}
}

// The stored form is encoding/json's, whatever a group holds: a field that is
// added to a group or rule and forgotten in AppendJSON fails here.
func TestStoredFormIsJSON(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	for range 2000 {
		g := new(Group)
		scatter(t, rng, reflect.ValueOf(g).Elem())
		want, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(g.AppendJSON(nil)); got != string(want) {
			t.Fatalf("stored as\n%s\nwant\n%s", got, want)
		}
	}
}
