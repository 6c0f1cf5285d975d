// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/datapath"
)

// Status is what an agent was told and how far it got. Its form is part of what
// `hedgeward status` prints.
type Status struct {
	Revision   int64             `json:"revision"` // in force on every interface; 0 before the first delta
	Interfaces []InterfaceStatus `json:"interfaces"`
	Faults     []Fault           `json:"faults,omitempty"` // empty when everything is in line
	Failures   uint64            `json:"failures"`         // attempts to bring something in line that failed since the agent began
}

// InterfaceStatus is one interface that is wanted on the host.
type InterfaceStatus struct {
	ID        string   `json:"id"`
	Instance  string   `json:"instance"`
	Device    string   `json:"device,omitempty"` // that the host has claimed it for; it has no Instance then
	Addresses []string `json:"addresses"`
	Groups    []string `json:"groups"`
	Enforced  bool     `json:"enforced"` // programs on its device, judged by its groups' policy
}

// Word says in a word how an interface of the kernel stands to what is wanted of it:
// closed, behind or enforced. i is the zero InterfaceStatus for one that is not wanted;
// untold says that nobody knows what is wanted.
func (i InterfaceStatus) Word(k datapath.InterfaceStatus, untold bool) string {
	switch {
	case k.Policy == 0:
		return "closed"
	case !untold && !i.Enforced:
		return "behind"
	}
	return "enforced"
}

// Fault is one thing that could not be brought in line and is tried again.
type Fault struct {
	Object string `json:"object"`
	Error  string `json:"error"`
}

// Status reports how far the agent got, ordered by instance and id.
func (a *Agent) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Revision: a.applied, Failures: a.failures}
	for id, want := range a.interfaces {
		i := InterfaceStatus{
			ID: id, Instance: want.Instance, Device: want.Device, Groups: want.Groups,
			Enforced: a.isJudged(id),
		}
		for _, p := range want.Addresses {
			i.Addresses = append(i.Addresses, p.Addr().String())
		}
		s.Interfaces = append(s.Interfaces, i)
	}
	slices.SortFunc(s.Interfaces, func(a, b InterfaceStatus) int {
		return cmp.Or(strings.Compare(a.Instance, b.Instance), strings.Compare(a.ID, b.ID))
	})
	for _, object := range slices.Sorted(maps.Keys(a.faults)) {
		s.Faults = append(s.Faults, Fault{object, a.faults[object].Error()})
	}
	return s
}
