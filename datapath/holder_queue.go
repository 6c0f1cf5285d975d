// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// Bounds of what is held (docs/spec/packet-semantics.md section 4.5). What is over
// them is dropped, so that one interface's fragments take no other's room.
const (
	heldLife      = 30 * time.Second
	heldFragments = 256     // of one interface
	heldBytes     = 1 << 20 // of one interface
	heldTotal     = 16 << 20
)

// tooLong is HELD_TOO_LONG of bpf/hedgeward.c, in the second byte of the
// destination address of a frame.
const tooLong = 2

// datagram names a datagram at one gate.
type datagram struct {
	place    uint32 // of the interface
	dir      flow.Direction
	src, dst netip.Addr
	protocol uint8
	id       uint32
}

// heldFragment is a frame as the programs handed it over.
type heldFragment struct {
	of     datagram
	offset uint16
	frame  []byte
	since  time.Time
}

// readHeld reads the frame of a fragment behind the first, with where it is held in
// its destination address (see hold in bpf/fragment.h).
func readHeld(frame []byte, now time.Time) (heldFragment, bool) {
	p := flow.Decode(frame)
	if p.Reason != flow.ReasonUnset || p.Fragment.Offset == 0 || p.DstMAC[0] != 0x02 || p.DstMAC[1] > 1 {
		return heldFragment{}, false
	}
	of := datagram{
		place: binary.BigEndian.Uint32(p.DstMAC[2:]), dir: flow.Direction(p.DstMAC[1]),
		src: p.Src, dst: p.Dst, protocol: p.Protocol, id: p.Fragment.ID,
	}
	if of.src.Is6() { // as in bpf/fragment.h
		of.protocol = 0
	}
	return heldFragment{of, p.Fragment.Offset, slices.Clone(frame), now}, true
}

// holderQueue keeps fragments until their first one was judged. It is used by one
// goroutine.
type holderQueue struct {
	judged  func(datagram) bool // whether the first fragment was judged by now
	waiting map[datagram][]heldFragment
	count   map[uint32]int // fragments, by place
	bytes   map[uint32]int // their octets
	total   int            // octets
}

func newHolderQueue(judged func(datagram) bool) holderQueue {
	return holderQueue{judged, map[datagram][]heldFragment{}, map[uint32]int{}, map[uint32]int{}, 0}
}

// hold keeps a fragment and returns nil, or returns it to be given back at once:
// because its first one was judged while it was on its way here, or marked as not to
// go on, for want of room.
func (q *holderQueue) hold(f heldFragment) []byte {
	if q.judged(f.of) {
		return f.frame
	}
	at, size := f.of.place, len(f.frame)
	if q.count[at] >= heldFragments || q.bytes[at]+size > heldBytes || q.total+size > heldTotal {
		f.frame[1] |= tooLong
		return f.frame
	}
	q.waiting[f.of] = append(q.waiting[f.of], f)
	q.count[at]++
	q.bytes[at] += size
	q.total += size
	return nil
}

// release returns the fragments that waited for a datagram's first, in order. One
// that is still on its way here will be given back when it comes.
func (q *holderQueue) release(of datagram) (frames [][]byte) {
	fragments := q.waiting[of]
	slices.SortStableFunc(fragments, func(a, b heldFragment) int { return cmp.Compare(a.offset, b.offset) })
	for _, f := range fragments {
		q.forget(f)
		frames = append(frames, f.frame)
	}
	delete(q.waiting, of)
	return frames
}

func (q *holderQueue) forget(f heldFragment) {
	at, size := f.of.place, len(f.frame)
	q.total -= size
	q.bytes[at] -= size
	if q.count[at]--; q.count[at] == 0 {
		delete(q.count, at)
		delete(q.bytes, at)
	}
}

// expire returns the fragments that were held too long, marked so.
func (q *holderQueue) expire(now time.Time) (frames [][]byte) {
	for of, fragments := range q.waiting {
		q.waiting[of] = slices.DeleteFunc(fragments, func(f heldFragment) bool {
			if now.Sub(f.since) < heldLife {
				return false
			}
			q.forget(f)
			f.frame[1] |= tooLong
			frames = append(frames, f.frame)
			return true
		})
		if len(q.waiting[of]) == 0 {
			delete(q.waiting, of)
		}
	}
	return frames
}
