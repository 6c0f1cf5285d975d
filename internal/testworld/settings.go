// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/oracle"
)

// set makes the changes that are about whole worlds, VPCs and instances:
//
//	switch icmp_related off        see switches
//	link V1 V2 peering on          also off; "on norefs": without referencing
//	block V1 10.8.0.0/16           another block of the VPC
//	multicast V1 on                its subnets are in a multicast domain
//	allowance A 3                  of the instance that interface A is attached to
//	purge A                        it was detached, or its instance stopped
func (c *Change) set(w *oracle.World) error {
	v, e := w.VPCs[c.Name], w.Interfaces[c.Name]
	switch {
	case c.Verb == "switch" && len(c.Words) == 1:
		return setSwitch(&w.Switches, c.Name, c.Words[0])
	case c.Verb == "link" && len(c.Words) >= 3:
		class, ok := oracle.ParsePathClass(c.Words[1])
		if !ok {
			return fmt.Errorf("%s: %q is no class of paths", c, c.Words[1])
		}
		l := oracle.Link{A: c.Name, B: c.Words[0], Class: class, Active: c.Words[2] == "on", References: !slices.Contains(c.Words, "norefs")}
		w.Links = slices.DeleteFunc(slices.Clone(w.Links), func(o oracle.Link) bool { return o.A == l.A && o.B == l.B })
		w.Links = append(w.Links, l)
	case c.Verb == "block" && v != nil:
		v.CIDRs = append(slices.Clone(v.CIDRs), c.Prefixes...)
	case c.Verb == "multicast" && v != nil && len(c.Words) == 1:
		v.MulticastDomain = c.Words[0] == "on"
	case c.Verb == "allowance" && e != nil && len(c.Words) == 1:
		n, err := strconv.Atoi(c.Words[0])
		if e.Instance == "" {
			e.Instance = "i-" + e.Name
		}
		w.Instances[e.Instance] = &oracle.Instance{Allowance: n}
		return err
	case c.Verb == "purge" && e != nil:
		e.Purge()
	default:
		return fmt.Errorf("%s: there is no such thing", c)
	}
	return nil
}

// setSwitch sets a switch by its name in the specification. The value of ct_grace
// is in seconds since the beginning of the history.
func setSwitch(s *oracle.Switches, name, value string) (err error) {
	off := value == "off"
	switch name {
	case "icmp_related":
		s.NoRelated = off
	case "icmp_path_mtu":
		s.NoPathMTU = off
	case "frag_mode":
		s.FragmentContext = value == "context"
	case "frag_limit":
		s.FragmentLimit, err = strconv.Atoi(value)
	case "purge_remote":
		s.KeepOrphans = off
	case "peer_identity":
		s.AddressIdentity = value == "address"
	case "ct_grace":
		var n int
		n, err = strconv.Atoi(value)
		s.GraceUntil = time.Duration(n) * time.Second
	default:
		class, ok := oracle.ParsePathClass(name)
		if !ok {
			return fmt.Errorf("there is no switch %s", name)
		}
		forced := map[oracle.PathClass]bool{class: !off}
		for c, v := range s.ForceTracking {
			if c != class {
				forced[c] = v
			}
		}
		s.ForceTracking = forced
	}
	return err
}

// formatSwitches returns the switches that are not at their defaults, one a line.
func formatSwitches(s oracle.Switches) (lines []string) {
	add := func(set bool, line string) {
		if set {
			lines = append(lines, "switch "+line)
		}
	}
	add(s.NoRelated, "icmp_related off")
	add(s.NoPathMTU, "icmp_path_mtu off")
	add(s.FragmentContext, "frag_mode context")
	add(s.FragmentLimit > 0, fmt.Sprintf("frag_limit %d", s.FragmentLimit))
	add(s.KeepOrphans, "purge_remote off")
	add(s.AddressIdentity, "peer_identity address")
	add(s.GraceUntil > 0, fmt.Sprintf("ct_grace %d", s.GraceUntil/time.Second))
	for class := range oracle.NumPathClasses {
		if forced, set := s.ForceTracking[class]; set {
			add(true, class.String()+" "+onOff(forced))
		}
	}
	return lines
}
