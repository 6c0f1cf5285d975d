// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"slices"

	"github.com/hedgeward/hedgeward/oracle"
)

// Shrink returns a smaller scenario that still fails: it takes away events, then
// rules, then groups and interfaces that nothing names, until nothing more can
// go. fails must judge a scenario afresh; one whose changes no longer apply does
// not fail. s itself must fail.
func Shrink(s *Scenario, fails func(*Scenario) bool) *Scenario {
	for {
		before := s.size()
		s = shrinkEvents(s, fails)
		s = shrinkRules(s, fails)
		s = shrinkInterfaces(s, fails)
		s = shrinkGroups(s, fails)
		if s.size() == before {
			return s
		}
	}
}

func (s *Scenario) size() int {
	n := len(s.Events) + len(s.World.Interfaces) + len(s.World.Groups)
	for _, g := range s.World.Groups {
		n += len(g.Rules)
	}
	return n
}

// shrinkEvents takes away runs of events, long ones first.
func shrinkEvents(s *Scenario, fails func(*Scenario) bool) *Scenario {
	for run := len(s.Events); run > 0; run /= 2 {
		for i := 0; i < len(s.Events); {
			t := *s
			t.Events = slices.Delete(slices.Clone(s.Events), i, min(i+run, len(s.Events)))
			if fails(&t) {
				s = &t
			} else {
				i += run
			}
		}
	}
	return s
}

func shrinkRules(s *Scenario, fails func(*Scenario) bool) *Scenario {
	for name := range s.World.Groups {
		for i := 0; i < len(s.World.Groups[name].Rules); {
			t := s.with(func(w *oracle.World) {
				g := w.Groups[name]
				g.Rules = slices.Delete(slices.Clone(g.Rules), i, i+1)
			})
			if fails(t) {
				s = t
			} else {
				i++
			}
		}
	}
	return s
}

func shrinkInterfaces(s *Scenario, fails func(*Scenario) bool) *Scenario {
	for name := range s.World.Interfaces {
		if slices.ContainsFunc(s.Events, func(ev Event) bool {
			return ev.Packet != nil && ev.Packet.Gate == name || ev.Change != nil && ev.Change.Name == name
		}) {
			continue
		}
		if t := s.with(func(w *oracle.World) { delete(w.Interfaces, name) }); fails(t) {
			s = t
		}
	}
	return s
}

func shrinkGroups(s *Scenario, fails func(*Scenario) bool) *Scenario {
	for name := range s.World.Groups {
		t := s.with(func(w *oracle.World) {
			delete(w.Groups, name)
			for _, e := range w.Interfaces {
				if len(e.Groups) > 1 {
					e.Groups = slices.DeleteFunc(slices.Clone(e.Groups), func(g string) bool { return g == name })
				}
			}
		})
		if !t.dangling() && fails(t) {
			s = t
		}
	}
	return s
}

// dangling reports a world whose interfaces or events name groups that it lacks.
func (s *Scenario) dangling() bool {
	lacks := func(g string) bool { return s.World.Groups[g] == nil }
	for _, e := range s.World.Interfaces {
		if slices.ContainsFunc(e.Groups, lacks) {
			return true
		}
	}
	return slices.ContainsFunc(s.Events, func(ev Event) bool {
		c := ev.Change
		return c != nil && (slices.ContainsFunc(c.Groups, lacks) ||
			(c.Verb == "authorize" || c.Verb == "revoke") && lacks(c.Name))
	})
}

func (s *Scenario) with(change func(*oracle.World)) *Scenario {
	t := *s
	t.World = Clone(s.World)
	change(t.World)
	return &t
}
