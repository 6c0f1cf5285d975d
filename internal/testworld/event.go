// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/oracle"
)

// Event is one step of a history: a packet, a pause, or a change of the world.
// Exactly one of Packet, Wait and Change says which.
type Event struct {
	Packet *Packet
	Wait   time.Duration
	Change *Change
}

// Change alters the world (section 2.5). Its verb is the word of its text form.
type Change struct {
	Verb string // authorize, revoke, groups, check, timeouts, addresses, relist, and those of settings.go
	Name string // the group, interface or prefix list

	Rule     oracle.Rule     // authorize, revoke
	Groups   []string        // groups
	On       bool            // check
	Timeouts oracle.Timeouts // timeouts
	Prefixes []netip.Prefix  // addresses, relist, block
	Words    []string        // what the verbs of settings.go say
}

func (ev Event) String() string {
	switch {
	case ev.Packet != nil:
		return ev.Packet.String()
	case ev.Change != nil:
		return ev.Change.String()
	}
	return "wait " + ev.Wait.String()
}

func (c *Change) String() string {
	head := c.Verb + " " + c.Name + " "
	switch c.Verb {
	case "authorize", "revoke":
		return head + FormatRule(c.Rule)
	case "groups":
		return head + strings.Join(c.Groups, ",")
	case "check":
		return head + onOff(c.On)
	case "timeouts":
		return head + formatTimeouts(c.Timeouts)
	case "switch", "link", "purge", "allowance", "multicast":
		return strings.TrimSpace(head + strings.Join(c.Words, " "))
	}
	return head + formatPrefixes(c.Prefixes, ",")
}

// Apply makes the change.
func (c *Change) Apply(w *oracle.World) error {
	g, e := w.Groups[c.Name], w.Interfaces[c.Name]
	switch {
	case c.Verb == "authorize" && g != nil:
		g.Rules = append(slices.Clone(g.Rules), c.Rule)
	case c.Verb == "revoke" && g != nil:
		i := slices.IndexFunc(g.Rules, func(r oracle.Rule) bool { return r.ID == c.Rule.ID })
		if i < 0 {
			return fmt.Errorf("%s: there is no such rule", c)
		}
		g.Rules = slices.Delete(slices.Clone(g.Rules), i, i+1)
	case c.Verb == "groups" && e != nil:
		e.Groups = c.Groups
	case c.Verb == "check" && e != nil:
		e.SourceDestCheck = c.On
	case c.Verb == "timeouts" && e != nil:
		e.Timeouts = c.Timeouts
	case c.Verb == "addresses" && e != nil:
		w.Reassign(e, c.Prefixes)
	case c.Verb == "relist":
		w.PrefixLists[c.Name] = c.Prefixes
	default:
		return c.set(w)
	}
	return nil
}

// ParseEvent reads one line of a history. last is the packet before, which a
// packet may refer to.
func ParseEvent(text string, w *oracle.World, names Names, last Packet) (Event, error) {
	verb, rest, _ := strings.Cut(text, " ")
	name, arg, _ := strings.Cut(rest, " ")
	c := Change{Verb: verb, Name: name}
	var err error
	switch verb {
	case "wait":
		d, err := time.ParseDuration(rest)
		return Event{Wait: d}, err
	case "authorize", "revoke":
		c.Rule, err = ParseRule(name, arg, names)
	case "groups":
		c.Groups = strings.Split(arg, ",")
	case "check":
		c.On = arg == "on"
	case "timeouts":
		c.Timeouts, err = parseTimeouts(strings.Fields(arg))
	case "addresses", "relist":
		c.Prefixes, err = parsePrefixes(strings.Split(arg, ","), names)
	case "block":
		c.Prefixes, err = parsePrefixes(strings.Split(arg, ","), names)
	case "switch", "link", "purge", "allowance", "multicast":
		c.Words = strings.Fields(arg)
	default:
		p, err := ParsePacket(text, w, names, last)
		return Event{Packet: &p}, err
	}
	return Event{Change: &c}, err
}

// Deliver gives the packet to the world: sent by its gate, or arriving at it.
func (p Packet) Deliver(w *oracle.World, now time.Duration) oracle.Delivery {
	if p.Outside {
		return w.Arrive(w.Interfaces[p.Gate], p.Decode(w), oracle.Path{From: w.Interfaces[p.From], Class: p.Via}, now)
	}
	return w.Send(w.Interfaces[p.Gate], p.Decode(w), p.Via, now)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func formatTimeouts(t oracle.Timeouts) string {
	return fmt.Sprintf("%v %v %v", t.TCPEstablished, t.UDP, t.UDPStream)
}

func parseTimeouts(words []string) (t oracle.Timeouts, err error) {
	if len(words) != 3 {
		return t, fmt.Errorf("want three timeouts: TCP established, UDP, UDP stream")
	}
	for i, d := range []*time.Duration{&t.TCPEstablished, &t.UDP, &t.UDPStream} {
		if *d, err = time.ParseDuration(words[i]); err != nil {
			return t, err
		}
	}
	return t, nil
}

func formatPrefixes(ps []netip.Prefix, sep string) string {
	words := make([]string, len(ps))
	for i, p := range ps {
		words[i] = p.String()
		if p.IsSingleIP() {
			words[i] = p.Addr().String()
		}
	}
	return strings.Join(words, sep)
}

func parsePrefixes(words []string, names Names) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range words {
		if s == "" {
			continue
		}
		if a, err := names.addr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := names.prefix(s)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
