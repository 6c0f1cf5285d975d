// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Kinds of names in the names map, and marks of our own there.
const (
	vpcName     = "v/"
	groupName   = "g/"
	layoutMark  = "#layout" // LAYOUT of bpf/layout.h; written last, so it also means complete
	highestMark = "#local"  // the highest id of a local address ever given
	layout      = 5
	maxName     = 31 // bytes, so that the text ends with a zero
	maxLocal    = 1<<24 - 1
	maxHandle   = 1<<24 - 2 // the last one would look like a buried flow
)

// numbers gives names numbers that outlive the process. A number is never given
// to another name.
type numbers struct {
	m      *ebpf.Map
	byName map[string]uint32
	next   map[string]uint32 // by kind
}

func loadNumbers(m *ebpf.Map) (*numbers, error) {
	n := &numbers{m: m, byName: make(map[string]uint32), next: make(map[string]uint32)}
	var key bpfobj.HedgewardName
	var number uint32
	it := m.Iterate()
	for it.Next(&key, &number) {
		name := goString(key.Text[:])
		n.byName[name] = number
		if kind := name[:min(2, len(name))]; kind == vpcName || kind == groupName {
			n.next[kind] = max(n.next[kind], number)
		}
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read pinned names: %w", err)
	}
	return n, nil
}

// number returns the number of a name of some kind, giving it one if need be.
func (n *numbers) number(kind, name string) (uint32, error) {
	if v, ok := n.byName[kind+name]; ok {
		return v, nil
	}
	v := n.next[kind] + 1
	if err := n.mark(kind+name, v); err != nil {
		return 0, err
	}
	n.next[kind] = v
	return v, nil
}

// mark sets the number of a name.
func (n *numbers) mark(name string, v uint32) error {
	var key bpfobj.HedgewardName
	if len(name) > maxName {
		return fmt.Errorf("name %q is longer than %d bytes", name, maxName)
	}
	cString(key.Text[:], name)
	if err := n.m.Put(key, v); err != nil {
		return fmt.Errorf("remember the number of %s: %w", name, err)
	}
	n.byName[name] = v
	return nil
}

// local returns a new id for a local address in flow keys.
func (n *numbers) local() (uint32, error) {
	v := n.byName[highestMark] + 1
	if v > maxLocal {
		return 0, fmt.Errorf("all %d ids of local addresses have been used: run `hedgeward down` and start again", maxLocal)
	}
	return v, n.mark(highestMark, v)
}

func cString(dst []int8, s string) {
	for i := range dst {
		dst[i] = 0
		if i < len(s) && i < len(dst)-1 {
			dst[i] = int8(s[i])
		}
	}
}

func goString(src []int8) string {
	b := make([]byte, 0, len(src))
	for _, c := range src {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
