// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/bits"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/hedgeward/hedgeward/feed"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// A host that comes back says what it holds in sums: the objects of a kind fall
// into buckets by their key, and a bucket has one sum. Any replica can compare
// them with those of what the host shall hold now and tells the buckets that
// differ, whoever told the host what it holds. Nobody keeps a history for it.
const (
	sumSize     = 16 // bytes of the SHA-256 of a bucket
	bucketLoad  = 32 // objects per bucket, about
	maxDigest   = 12 // bits; more buckets than 4,096 save nothing
	objectKinds = int(pb.Kind_ROUTES)
)

// digest returns the sums of all kinds of which the state has objects.
func digest(s *feed.State) []*pb.Digest {
	d := s.Delta()
	sizes := map[pb.Kind]int{
		pb.Kind_INSTANCE: len(d.Instances), pb.Kind_INTERFACE: len(d.Interfaces), pb.Kind_GROUP: len(d.Groups),
		pb.Kind_ADDRESS: len(d.Addresses), pb.Kind_ROUTES: len(d.Routes),
	}
	var out []*pb.Digest
	for kind := pb.Kind_INSTANCE; int(kind) <= objectKinds; kind++ {
		if sizes[kind] > 0 {
			out = append(out, &pb.Digest{Kind: kind, Bits: uint32(min(maxDigest, bits.Len(uint(sizes[kind]/bucketLoad))))})
		}
	}
	fill(out, d)
	return out
}

// fill computes the sums of digests of which kind and bits are set.
func fill(digests []*pb.Digest, d *feed.Delta) {
	sums := map[pb.Kind][]hash.Hash{}
	of := map[pb.Kind]*pb.Digest{}
	for _, g := range digests {
		sums[g.Kind], of[g.Kind] = make([]hash.Hash, 1<<g.Bits), g
	}
	var text []byte
	for o := range objects(d) { // in the order of their keys, so a bucket's sum does not depend on how it came to be
		g := of[o.kind]
		if g == nil {
			continue
		}
		n, alone := newNamer(), &pb.Delta{}
		o.put(alone, n)
		_, alone.Names = n.take() // the sum must not depend on what a stream calls them
		var err error
		if text, err = (proto.MarshalOptions{Deterministic: true}).MarshalAppend(text[:0], alone); err != nil {
			panic(fmt.Sprintf("marshal an object made here: %v", err)) // names are ASCII: nothing can fail
		}
		b := bucket(o.key, g.Bits)
		if sums[o.kind][b] == nil {
			sums[o.kind][b] = sha256.New()
		}
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		sums[o.kind][b].Write(size[:])
		sums[o.kind][b].Write(text)
	}
	for _, g := range digests {
		g.Sums = make([]byte, sumSize<<g.Bits)
		for b, h := range sums[g.Kind] {
			if h != nil {
				copy(g.Sums[b*sumSize:], h.Sum(nil)[:sumSize])
			}
		}
	}
}

// bucket returns the bucket of an object.
func bucket(key string, bits uint32) uint32 {
	sum := sha256.Sum256([]byte(key))
	return uint32(uint64(binary.BigEndian.Uint32(sum[:])) >> (32 - bits))
}

// differ compares what a host holds, by its digests, with what it shall hold. It
// returns the delta that tells it the rest and the buckets that this is all of.
func differ(want *feed.Delta, held []*pb.Digest) (*feed.Delta, []*pb.Whole, error) {
	mine := make([]*pb.Digest, 0, len(held))
	seen := map[pb.Kind]bool{}
	for _, g := range held {
		if err := checkBits(g.Kind, g.Bits); err != nil {
			return nil, nil, err
		}
		if seen[g.Kind] || len(g.Sums) != sumSize<<g.Bits {
			return nil, nil, fmt.Errorf("digest of kind %v has %d bytes for %d bits, or comes twice", g.Kind, len(g.Sums), g.Bits)
		}
		seen[g.Kind] = true
		mine = append(mine, &pb.Digest{Kind: g.Kind, Bits: g.Bits})
	}
	fill(mine, want)
	var whole []*pb.Whole
	told := map[pb.Kind]func(key string) bool{}
	for i, g := range held {
		w := &pb.Whole{Kind: g.Kind, Bits: g.Bits}
		tell := make([]bool, 1<<g.Bits)
		for b := range tell {
			at := b * sumSize
			if !bytes.Equal(g.Sums[at:at+sumSize], mine[i].Sums[at:at+sumSize]) {
				tell[b] = true
				w.Buckets = append(w.Buckets, uint32(b))
			}
		}
		if len(w.Buckets) > 0 {
			whole = append(whole, w)
		}
		told[g.Kind] = func(key string) bool { return tell[bucket(key, g.Bits)] }
	}
	return only(want, func(kind pb.Kind, key string) bool { return told[kind] == nil || told[kind](key) }), whole, nil
}

// only returns the objects of a delta that keep keeps.
func only(d *feed.Delta, keep func(kind pb.Kind, key string) bool) *feed.Delta {
	return &feed.Delta{
		Revision:   d.Revision,
		Instances:  filter(d.Instances, func(k string) bool { return keep(pb.Kind_INSTANCE, k) }),
		Interfaces: filter(d.Interfaces, func(k string) bool { return keep(pb.Kind_INTERFACE, k) }),
		Groups:     filter(d.Groups, func(k string) bool { return keep(pb.Kind_GROUP, k) }),
		Addresses:  filter(d.Addresses, func(k feed.AddressKey) bool { return keep(pb.Kind_ADDRESS, addressKey(k)) }),
		Routes:     filter(d.Routes, func(k string) bool { return keep(pb.Kind_ROUTES, k) }),
	}
}

func filter[K comparable, V any](all map[K]*V, keep func(K) bool) map[K]*V {
	out := map[K]*V{}
	for key, v := range all {
		if keep(key) {
			out[key] = v
		}
	}
	return out
}

// complete makes a delta that tells whole buckets one that tells what changed: what
// the host holds of the buckets and the delta does not have is gone, and what it
// holds as it is told is left out.
func complete(d *feed.Delta, whole []*pb.Whole, held *feed.State) {
	in := map[pb.Kind]func(key string) bool{}
	for _, w := range whole {
		buckets := map[uint32]bool{}
		for _, b := range w.Buckets {
			buckets[b] = true
		}
		in[w.Kind] = func(key string) bool { return buckets[bucket(key, w.Bits)] }
	}
	covered := only(held.Delta(), func(kind pb.Kind, key string) bool { return in[kind] != nil && in[kind](key) })
	bury(d.Instances, covered.Instances)
	bury(d.Interfaces, covered.Interfaces)
	bury(d.Groups, covered.Groups)
	bury(d.Addresses, covered.Addresses)
	bury(d.Routes, covered.Routes)
}

func bury[K comparable, V any](told, held map[K]*V) {
	for key, was := range held {
		if now, there := told[key]; !there {
			told[key] = nil
		} else if now != nil && reflect.DeepEqual(was, now) {
			delete(told, key)
		}
	}
}

func checkWhole(w *pb.Whole) error { return checkBits(w.GetKind(), w.GetBits()) }

func checkBits(kind pb.Kind, bits uint32) error {
	if kind <= pb.Kind_NONE || int(kind) > objectKinds {
		return fmt.Errorf("kind %d is none", kind)
	}
	if bits > maxDigest {
		return fmt.Errorf("a digest of %d bits", bits)
	}
	return nil
}
