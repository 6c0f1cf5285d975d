// SPDX-License-Identifier: Apache-2.0

package threeway

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/inforce"
	"github.com/hedgeward/hedgeward/internal/testworld"
)

// framesFile has the world that FuzzFrames is in, and packets to begin with.
const framesFile = "testdata/frames.txt"

// FuzzFrames gives frames that are real packets, mutated, to the loaded programs: what
// they answer is what the specification says, and nothing is read out of bounds, which
// the kernel would refuse. Three frames follow each other, so that the last may meet
// what the first has left. how has eight bits for each: which of four interfaces,
// whether it comes from outside, how many segments it stands for; and last, how
// long passes in between.
func FuzzFrames(f *testing.F) {
	s := readFrames(f)
	var seeds [][]byte
	var how []uint32
	for _, ev := range s.Events {
		if ev.Packet != nil {
			seeds = append(seeds, ev.Packet.Frame(s.World))
			how = append(how, howOf(*ev.Packet))
		}
	}
	for i := range seeds {
		j, k := (i+1)%len(seeds), (i+2)%len(seeds)
		f.Add(how[i]|how[j]<<8|how[k]<<16, seeds[i], seeds[j], seeds[k])
	}
	k := inforce.New(f)
	k.Load(s.World)
	tables := compile(s.World)
	var one sync.Mutex
	f.Fuzz(func(t *testing.T, how uint32, a, b, c []byte) {
		one.Lock()
		defer one.Unlock()
		k.Join(t)
		k.Forget()
		w, now := testworld.Clone(s.World), time.Duration(0)
		for i, frame := range [][]byte{a, b, c} {
			if len(frame) < 14 || len(frame) > 2000 { // what the kernel runs a program on
				continue
			}
			p := mutated(byte(how>>(8*i)), frame)
			if i > 0 {
				step := time.Duration(how>>24) * 200 * time.Millisecond
				now += step
				k.Advance(step)
			}
			if err := packet(k, w, tables, p, p.Deliver(w, now)); err != nil {
				t.Fatalf("frame %d, %s: %v", i+1, p, err)
			}
		}
	})
}

func readFrames(t testing.TB) *testworld.Scenario {
	t.Helper()
	text, err := os.ReadFile(framesFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := testworld.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// frameGates are the interfaces of framesFile.
var frameGates = [...]string{"a", "b", "c", "n"}

// mutated returns a frame as a packet: the lowest two bits say where it is judged, the
// next whether it comes from outside, the other five how many segments it has.
func mutated(how byte, frame []byte) testworld.Packet {
	p := testworld.Packet{Gate: frameGates[how&3], Outside: how&4 != 0, Raw: frame}
	p.Offload.Segments = int(how >> 3)
	return p
}

func howOf(p testworld.Packet) uint32 {
	how := uint32(0)
	for i, name := range frameGates {
		if name == p.Gate {
			how = uint32(i)
		}
	}
	if p.Outside {
		how |= 4
	}
	return how | uint32(min(p.Offload.Segments, 31))<<3
}
