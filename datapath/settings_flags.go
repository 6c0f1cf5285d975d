// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"flag"
	"fmt"
	"strings"
)

// Flags declares a flag for each setting that an operator may want to be otherwise
// (docs/packets.md), for every program that opens a datapath. s is what they are set
// in; its values are the defaults.
func (s *Settings) Flags(f *flag.FlagSet) {
	f.Var(&choice{&s.NoRelated, "on", "off"}, "icmp-related",
		"`on|off`: let ICMP errors about tracked flows pass without a rule")
	f.Var(&choice{&s.NoPathMTU, "on", "off"}, "icmp-path-mtu",
		"`on|off`: let path-MTU errors about untracked flows pass without a rule")
	f.Var(&choice{&s.FragmentContext, "reassemble", "context"}, "fragments",
		"`reassemble|context`: what a fragment that comes before its first one does: wait for it, or pass only where rules allow all ports")
	f.IntVar(&s.FragmentLimit, "fragment-limit", s.FragmentLimit,
		"fragments that an interface may send in a `second`; 0 is no limit")
	f.DurationVar(&s.Grace, "ct-grace", s.Grace,
		"for how long after tracked flows were lost TCP data that rules admit may go on without a new handshake")
}

// choice is a flag with two words, of which the second sets what it is about.
type choice struct {
	set      *bool
	no, word string
}

func (c *choice) String() string {
	switch {
	case c.set == nil: // package flag asks a zero value
		return ""
	case *c.set:
		return c.word
	}
	return c.no
}

func (c *choice) Set(word string) error {
	if word != c.no && word != c.word {
		return fmt.Errorf("%q is not one of %s", word, strings.Join([]string{c.no, c.word}, ", "))
	}
	*c.set = word == c.word
	return nil
}
