// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"fmt"
)

// Names of networks and groups are told once per stream and then go by number,
// from 1; 0 is the empty name. A member that joins a group costs tens of bytes so.
const (
	maxNames = 1 << 16 // on a stream at a time; then it begins anew
	maxName  = 128     // bytes of any name or id
)

// namer numbers names as they are first used.
type namer struct {
	numbers map[string]uint32
	fresh   []string // numbered since the last take
	forgot  bool     // since the last take
}

func newNamer() *namer { return &namer{numbers: map[string]uint32{}} }

func (n *namer) number(name string) uint32 {
	if name == "" {
		return 0
	}
	if known, ok := n.numbers[name]; ok {
		return known
	}
	number := uint32(len(n.numbers) + 1)
	n.numbers[name] = number
	n.fresh = append(n.fresh, name)
	return number
}

func (n *namer) all(names []string) []uint32 {
	out := make([]uint32, len(names))
	for i, name := range names {
		out[i] = n.number(name)
	}
	return out
}

// take returns the names that the peer must be told with what was numbered since
// the last take.
func (n *namer) take() (forget bool, names []string) {
	forget, names = n.forgot, n.fresh
	n.forgot, n.fresh = false, nil
	return forget, names
}

// trim forgets all names if there are too many. Nothing may be numbered and not
// taken yet.
func (n *namer) trim() {
	if len(n.numbers) >= maxNames {
		n.numbers, n.forgot = map[string]uint32{}, true
	}
}

// named is the other end of a namer.
type named struct{ names []string }

// add takes names that a message tells.
func (n *named) add(forget bool, names []string) error {
	if forget {
		n.names = nil
	}
	if len(n.names)+len(names) > 2*maxNames {
		return fmt.Errorf("more than %d names", 2*maxNames)
	}
	for _, name := range names {
		if err := checkName(name); err != nil {
			return err
		}
	}
	n.names = append(n.names, names...)
	return nil
}

func (n *named) name(number uint32) (string, error) {
	if number == 0 {
		return "", nil
	}
	if int(number) > len(n.names) {
		return "", fmt.Errorf("name %d of %d", number, len(n.names))
	}
	return n.names[number-1], nil
}

func (n *named) all(numbers []uint32) ([]string, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	out := make([]string, len(numbers))
	for i, number := range numbers {
		name, err := n.name(number)
		if err != nil {
			return nil, err
		}
		if name == "" {
			return nil, errEmptyName
		}
		out[i] = name
	}
	return out, nil
}

var errEmptyName = errors.New("an empty name")

// checkName refuses what no id of ours is.
func checkName(name string) error {
	if name == "" {
		return errEmptyName
	}
	if len(name) > maxName {
		return fmt.Errorf("a name of %d bytes", len(name))
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("name %q", name)
		}
	}
	return nil
}
