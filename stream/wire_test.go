// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/testrand"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// same compares as receivers do: no entries and none at all are one.
var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// fillAny sets every field of a value at random, none to its zero value.
func fillAny(rng *rand.Rand, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[netip.Addr]():
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], rng.Uint64())
		a := netip.AddrFrom4([4]byte(b[:4]))
		if rng.IntN(2) == 0 {
			b[0] = 0x20
			a = netip.AddrFrom16(b)
		}
		v.Set(reflect.ValueOf(a))
		return
	case reflect.TypeFor[netip.Prefix]():
		var a netip.Addr
		fillAny(rng, reflect.ValueOf(&a).Elem())
		v.Set(reflect.ValueOf(netip.PrefixFrom(a, 1+rng.IntN(a.BitLen()))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("name-%d", rng.IntN(1000)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + rng.Int64N(250))
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(1 + rng.Uint64N(250))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(3), 3))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fillAny(rng, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fillAny(rng, v.Field(i))
		}
	default:
		panic(fmt.Sprintf("a field of kind %v: teach the test about it, and the wire", v.Kind()))
	}
}

// randomState returns a state of about n objects of each kind.
func randomState(rng *rand.Rand, n int) *feed.State {
	s := &feed.State{Revision: 1 + rng.Int64N(1<<40)}
	s.Merge(&feed.Delta{Revision: s.Revision})
	for range n {
		mutate(rng, s, n)
	}
	return s
}

// mutate changes one object of each kind.
func mutate(rng *rand.Rand, s *feed.State, n int) {
	id := func() string { return fmt.Sprintf("id-%017x", rng.IntN(2*n)) }
	mutateIn(rng, s.Instances, id(), func(i *feed.Instance, id string) { i.ID = id })
	mutateIn(rng, s.Interfaces, id(), func(i *feed.Interface, id string) { i.ID = id })
	mutateIn(rng, s.Groups, id(), func(g *feed.Group, id string) { g.ID = id })
	key := feed.AddressKey{VPC: fmt.Sprint("vpc-", rng.IntN(3)), Addr: netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(n)), byte(rng.IntN(2))})}
	if rng.IntN(3) == 0 {
		key.Bits = 28
	}
	mutateIn(rng, s.Addresses, key, func(*feed.Address, feed.AddressKey) {})
	mutateIn(rng, s.Routes, id(), func(*feed.Routes, string) {})
}

func mutateIn[K comparable, V any](rng *rand.Rand, all map[K]*V, key K, name func(*V, K)) {
	if rng.IntN(5) == 0 {
		delete(all, key)
		return
	}
	v := new(V)
	fillAny(rng, reflect.ValueOf(v).Elem())
	name(v, key)
	all[key] = v
}

// over sends a delta over the wire.
func over(t *testing.T, d *feed.Delta, n *namer, c *decoder) *feed.Delta {
	t.Helper()
	var out *feed.Delta
	for part := range encode(d, n, nil) {
		if out != nil {
			t.Fatal("more follows a delta that was complete")
		}
		text, err := proto.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 2*partSize {
			t.Errorf("a part of %d bytes", len(text))
		}
		m := &pb.Delta{}
		if err := proto.Unmarshal(text, m); err != nil {
			t.Fatal(err)
		}
		if out, _, err = c.add(m); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// texts returns a delta as a stream of its own would have it.
func texts(t *testing.T, d *feed.Delta) []string {
	var out []string
	for part := range encode(d, newNamer(), nil) {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

// TestEveryFieldSurvivesTheWire: a field that is added to what hosts are told and
// not to the messages is found here, not on a host.
func TestEveryFieldSurvivesTheWire(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	n, c := newNamer(), &decoder{}
	for range 50 {
		d := randomState(rng, 1+rng.IntN(300)).Delta()
		fillAny(rng, reflect.ValueOf(&d.Origin).Elem())
		for id := range d.Groups { // gone
			if rng.IntN(3) == 0 {
				d.Groups[id] = nil
			}
		}
		for key := range d.Addresses {
			if rng.IntN(3) == 0 {
				d.Addresses[key] = nil
			}
		}
		if diff := cmp.Diff(d, over(t, d, n, c), same); diff != "" {
			t.Fatalf("sent and received differ (-sent +received):\n%s", diff)
		}
	}
}

// TestNamesBeginAnewWhenThereAreTooMany: a stream lives for months; groups come
// and go.
func TestNamesBeginAnewWhenThereAreTooMany(t *testing.T) {
	n, c := newNamer(), &decoder{}
	most := 0
	for i := range 5 * maxNames / 100 {
		d := &feed.Delta{Revision: int64(i + 1), Addresses: map[feed.AddressKey]*feed.Address{}}
		a := &feed.Address{Interface: "eni-1"}
		for g := range 100 {
			a.Groups = append(a.Groups, fmt.Sprintf("sg-%d-%d", i, g))
		}
		key := feed.AddressKey{VPC: "vpc-1", Addr: netip.MustParseAddr("10.0.0.1")}
		d.Addresses[key] = a
		got := over(t, d, n, c).Addresses[key]
		if !slices.Equal(got.Groups, a.Groups) {
			t.Fatalf("delta %d: received %v, sent %v", i, got.Groups, a.Groups)
		}
		most = max(most, len(n.numbers), len(c.names.names))
	}
	if most > maxNames+200 {
		t.Errorf("%d names were kept", most)
	}
}

// FuzzDecode: whatever a peer sends, the decoder refuses it or makes of it a delta
// that can be told on.
func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole := randomState(rng, 5).Delta()
	whole.Origin = feed.Origin{Requests: []feed.RequestID{{1}, {2}}, More: 3, Waited: time.Second}
	for part := range encode(whole, newNamer(), nil) {
		text, err := proto.Marshal(part)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		m := &pb.Delta{}
		if proto.Unmarshal(text, m) != nil {
			return
		}
		d, _, err := (&decoder{}).add(m)
		if err != nil {
			if d != nil {
				t.Fatal("refused and accepted")
			}
			return
		}
		if d == nil {
			return // more follows
		}
		if again := over(t, d, newNamer(), &decoder{}); !slices.Equal(texts(t, again), texts(t, d)) {
			t.Fatalf("told on, it is another:\n%v\n%v", d, again)
		}
	})
}

// TestTheDecoderRefuses: one row per thing that no server of ours says.
func TestTheDecoderRefuses(t *testing.T) {
	address := func(a *pb.Address) *pb.Delta {
		return &pb.Delta{Revision: 1, Names: []string{"vpc-1"}, Addresses: []*pb.Address{a}}
	}
	ipv4 := []byte{10, 0, 0, 1}
	for what, m := range map[string]*pb.Delta{
		"no revision":               {},
		"a revision below zero":     {Revision: -1},
		"an empty name":             {Revision: 1, Names: []string{""}},
		"a name with a line break":  {Revision: 1, Names: []string{"a\nb"}},
		"a name without end":        {Revision: 1, Names: []string{string(make([]byte, maxName+1))}},
		"a kind that is none":       {Revision: 1, Whole: []*pb.Whole{{Kind: 99}}},
		"too many buckets":          {Revision: 1, Whole: []*pb.Whole{{Kind: pb.Kind_GROUP, Bits: 30}}},
		"an instance without id":    {Revision: 1, Instances: []*pb.Instance{{State: "running"}}},
		"an instance without state": {Revision: 1, Instances: []*pb.Instance{{Id: "i-1"}}},
		"an absent instance":        {Revision: 1, Instances: []*pb.Instance{nil}},
		"an address of 5 bytes":     address(&pb.Address{Network: 1, Address: make([]byte, 5), Interface: "eni-1"}),
		"an address in no network":  address(&pb.Address{Address: ipv4, Interface: "eni-1"}),
		"an unknown name":           address(&pb.Address{Network: 7, Address: ipv4, Interface: "eni-1"}),
		"an unknown group":          address(&pb.Address{Network: 1, Address: ipv4, Interface: "eni-1", Groups: []uint32{2}}),
		"an empty group":            address(&pb.Address{Network: 1, Address: ipv4, Interface: "eni-1", Groups: []uint32{0}}),
		"a prefix that is too long": address(&pb.Address{Network: 1, Address: ipv4, Bits: 33, Interface: "eni-1"}),
		"a far end that is none":    address(&pb.Address{Network: 1, Address: ipv4, Interface: "eni-1", Underlay: 1}),
		"a rule with 200 bits":      {Revision: 1, Groups: []*pb.Group{{Id: "sg-1", Ingress: []*pb.Rule{{Id: "sgr-1", Prefix: []byte{10, 0, 0, 0, 200}}}}}},
		"a rule with no such list":  {Revision: 1, Groups: []*pb.Group{{Id: "sg-1", Ingress: []*pb.Rule{{Id: "sgr-1", List: 1}}}}},
		"a call's id of 15 bytes":   {Revision: 1, Origin: &pb.Origin{Requests: [][]byte{make([]byte, 15)}}},
		"a call's id as text":       {Revision: 1, Origin: &pb.Origin{Requests: [][]byte{[]byte("01234567-89ab-4def-8123-456789abcdef")}}},
		"too many calls":            {Revision: 1, Origin: &pb.Origin{Requests: slices.Repeat([][]byte{make([]byte, 16)}, feed.MaxRequests+1)}},
		"calls without number":      {Revision: 1, Origin: &pb.Origin{More: 1 << 31}},
		"a commit before all times": {Revision: 1, Origin: &pb.Origin{Waited: 1 << 63}},
		"a route to nowhere":        {Revision: 1, Routes: []*pb.Routes{{Network: "vpc-1", Routes: []*pb.Route{{}}}}},
	} {
		if d, _, err := (&decoder{}).add(m); err == nil || d != nil {
			t.Errorf("%s: error %v, delta %v", what, err, d)
		}
	}
}
