// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// Scenario is a world and what happens in it.
type Scenario struct {
	World  *oracle.World // as it is before the first event; never judged in
	Names  Names         // hosts outside
	Events []Event
}

// New returns an empty scenario.
func New() *Scenario {
	return &Scenario{
		World: &oracle.World{
			VPCs:        map[string]*oracle.VPC{},
			Groups:      map[string]*oracle.Group{},
			PrefixLists: map[string][]netip.Prefix{},
			Interfaces:  map[string]*oracle.Interface{},
			Instances:   map[string]*oracle.Instance{},
		},
		Names: Names{},
	}
}

// Clone copies a world that nothing was judged in: everything but the entries.
func Clone(w *oracle.World) *oracle.World {
	c := *w
	c.VPCs = make(map[string]*oracle.VPC, len(w.VPCs))
	for name, v := range w.VPCs {
		v := *v
		c.VPCs[name] = &v
	}
	c.Instances = make(map[string]*oracle.Instance, len(w.Instances))
	for name, i := range w.Instances {
		c.Instances[name] = &oracle.Instance{Allowance: i.Allowance}
	}
	c.PrefixLists = maps.Clone(w.PrefixLists)
	c.Groups = make(map[string]*oracle.Group, len(w.Groups))
	for name, g := range w.Groups {
		g := *g
		c.Groups[name] = &g
	}
	c.Interfaces = make(map[string]*oracle.Interface, len(w.Interfaces))
	for name, e := range w.Interfaces {
		c.Interfaces[name] = &oracle.Interface{
			Name: e.Name, VPC: e.VPC, Instance: e.Instance, MAC: e.MAC, Addresses: e.Addresses, Groups: e.Groups,
			SourceDestCheck: e.SourceDestCheck, Timeouts: e.Timeouts,
		}
	}
	return &c
}

// Parse reads a scenario (see the package comment).
func Parse(text string) (*Scenario, error) {
	s := New()
	var last Packet
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.line(line, &last); err != nil {
			return nil, fmt.Errorf("line %d, %q: %w", i+1, line, err)
		}
	}
	return s, nil
}

func (s *Scenario) line(line string, last *Packet) error {
	words := strings.Fields(line)
	verb, args := words[0], words[1:]
	if n, ok := map[string]int{"vpc": 2, "host": 2, "prefixlist": 1, "group": 2, "rule": 3, "interface": 4}[verb]; ok && len(args) < n {
		return fmt.Errorf("%s wants %d words", verb, n)
	}
	switch verb {
	case "vpc":
		if !strings.Contains(args[1], "/") {
			return fmt.Errorf("%q is no block", args[1])
		}
		return s.vpc(args)
	case "host":
		a, err := s.Names.addr(args[1])
		s.Names[args[0]] = a
		return err
	case "group":
		s.World.Groups[args[0]] = &oracle.Group{Name: args[0], VPC: args[1]}
		return nil
	case "rule":
		return s.apply("authorize " + strings.Join(args, " "))
	case "switch", "link", "multicast", "allowance":
		if len(s.Events) == 0 {
			return s.apply(line)
		}
	case "interface":
		return s.iface(args)
	case "prefixlist":
		var err error
		s.World.PrefixLists[args[0]], err = parsePrefixes(args[1:], s.Names)
		return err
	}
	ev, err := ParseEvent(line, s.World, s.Names, *last)
	if err != nil {
		return err
	}
	if ev.Packet != nil {
		*last = *ev.Packet
	}
	s.Events = append(s.Events, ev)
	return nil
}

// apply makes a change of the world before its history.
func (s *Scenario) apply(text string) error {
	ev, err := ParseEvent(text, s.World, s.Names, Packet{})
	if err != nil {
		return err
	}
	return ev.Change.Apply(s.World)
}

func (s *Scenario) vpc(args []string) error {
	v := &oracle.VPC{Name: args[0]}
	cut := slices.Index(args, "subnets")
	if cut < 0 {
		cut = len(args)
	}
	var err error
	if v.CIDRs, err = parsePrefixes(args[1:cut], s.Names); err != nil {
		return err
	}
	if cut < len(args) {
		v.Subnets, err = parsePrefixes(args[cut+1:], s.Names)
	}
	s.World.VPCs[v.Name] = v
	return err
}

func (s *Scenario) iface(args []string) error {
	e := &oracle.Interface{Name: args[0], VPC: args[1], SourceDestCheck: true}
	mac, err := net.ParseMAC(args[2])
	if err != nil {
		return err
	}
	if len(mac) != 6 {
		return fmt.Errorf("%s is no Ethernet address", mac)
	}
	e.MAC = flow.MAC(mac)
	var addrs []string
	for args = args[3:]; len(args) > 0; args = args[1:] {
		if len(args) > 1 && args[0] == "groups" {
			e.Groups = strings.Split(args[1], ",")
			args = args[1:]
			continue
		}
		if len(args) > 1 && args[0] == "instance" {
			e.Instance = args[1]
			args = args[1:]
			continue
		}
		if len(args) > 1 && args[0] == "check" {
			e.SourceDestCheck = args[1] == "on"
			args = args[1:]
			continue
		}
		if len(args) > 3 && args[0] == "timeouts" {
			if e.Timeouts, err = parseTimeouts(args[1:4]); err != nil {
				return err
			}
			args = args[3:]
			continue
		}
		addrs = append(addrs, args[0])
	}
	e.Addresses, err = parsePrefixes(addrs, s.Names)
	if err == nil && len(e.Addresses) == 0 {
		err = fmt.Errorf("interface %s has no address", e.Name)
	}
	if err != nil {
		return err
	}
	s.World.Interfaces[e.Name] = e
	s.Names[e.Name] = e.Addresses[0].Addr()
	return nil
}

// String returns the scenario as Parse reads it, names resolved.
func (s *Scenario) String() string {
	var b strings.Builder
	w := s.World
	for _, name := range slices.Sorted(maps.Keys(w.VPCs)) {
		v := w.VPCs[name]
		fmt.Fprintf(&b, "vpc %s %s subnets %s\n", name, formatPrefixes(v.CIDRs, " "), formatPrefixes(v.Subnets, " "))
	}
	for _, name := range slices.Sorted(maps.Keys(w.PrefixLists)) {
		fmt.Fprintf(&b, "prefixlist %s %s\n", name, formatPrefixes(w.PrefixLists[name], " "))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Groups)) {
		g := w.Groups[name]
		fmt.Fprintf(&b, "group %s %s\n", name, g.VPC)
		for _, r := range g.Rules {
			fmt.Fprintf(&b, "rule %s %s\n", name, FormatRule(r))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Interfaces)) {
		e := w.Interfaces[name]
		fmt.Fprintf(&b, "interface %s %s %s %s", name, e.VPC, net.HardwareAddr(e.MAC[:]), formatPrefixes(e.Addresses, " "))
		if len(e.Groups) > 0 {
			fmt.Fprintf(&b, " groups %s", strings.Join(e.Groups, ","))
		}
		if e.Instance != "" {
			fmt.Fprintf(&b, " instance %s", e.Instance)
		}
		fmt.Fprintf(&b, " check %s timeouts %s\n", onOff(e.SourceDestCheck), formatTimeouts(e.Timeouts))
	}
	for _, line := range formatSwitches(w.Switches) {
		fmt.Fprintln(&b, line)
	}
	for _, l := range w.Links {
		refs := ""
		if !l.References {
			refs = " norefs"
		}
		fmt.Fprintf(&b, "link %s %s %s %s%s\n", l.A, l.B, l.Class, onOff(l.Active), refs)
	}
	for _, name := range slices.Sorted(maps.Keys(w.VPCs)) {
		if w.VPCs[name].MulticastDomain {
			fmt.Fprintf(&b, "multicast %s on\n", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Interfaces)) {
		if i := w.Instances[w.Interfaces[name].Instance]; i != nil {
			fmt.Fprintf(&b, "allowance %s %d\n", name, i.Allowance)
		}
	}
	for _, ev := range s.Events {
		fmt.Fprintln(&b, ev)
	}
	return b.String()
}
