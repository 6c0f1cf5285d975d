// SPDX-License-Identifier: Apache-2.0

package numbers

import (
	"maps"
	"slices"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
)

// Host is what is asked about the enforcement of one machine. All fields must be
// set.
type Host struct {
	Agent      func() agent.Status
	Interfaces func() ([]datapath.InterfaceStatus, error)
	Strays     func() (datapath.Strays, error)
	Delays     *Distribution // from a change's commit until it was in force
}

// Read returns the numbers of now. It fails if the kernel cannot be read: numbers
// that are missing would look like a quiet host.
func (h *Host) Read() ([]Family, error) {
	all, err := h.Interfaces()
	if err != nil {
		return nil, err
	}
	strays, err := h.Strays()
	if err != nil {
		return nil, err
	}
	wanted := h.Agent()
	return slices.Concat(progress(wanted, h.Delays), states(wanted, all), interfaces(all), overlay(strays)), nil
}

// progress is how far the agent got.
func progress(s agent.Status, delays *Distribution) []Family {
	return []Family{
		{Name: "hedgeward_enforced_revision", Kind: Gauge, Samples: []Sample{{Value: float64(s.Revision)}},
			Help: "Revision of the store that this host has in force."},
		{Name: "hedgeward_enforcement_delay_seconds", Kind: Histogram, Samples: []Sample{{Counts: delays.Counts()}},
			Help: "Time from the oldest change of a delta being committed, as its server saw it, until it was in force on this host."},
		{Name: "hedgeward_faults", Kind: Gauge, Samples: []Sample{{Value: float64(len(s.Faults))}},
			Help: "Objects that could not be brought in line; what was in force for them stays, and they are tried again."},
		{Name: "hedgeward_apply_errors_total", Kind: Counter, Samples: []Sample{{Value: float64(s.Failures)}},
			Help: "Attempts to bring an object in line that failed, repeated ones included."},
	}
}

// states counts the interfaces by what judges them.
func states(wanted agent.Status, all []datapath.InterfaceStatus) []Family {
	inLine := map[string]bool{}
	for _, i := range wanted.Interfaces {
		inLine[i.ID] = i.Enforced
	}
	count := map[string]int{"enforced": 0, "behind": 0, "closed": 0}
	for i := range all {
		switch {
		case all[i].Policy == 0:
			count["closed"]++
		case inLine[all[i].ID]:
			count["enforced"]++
		default:
			count["behind"]++
		}
	}
	f := Family{Name: "hedgeward_interfaces", Kind: Gauge, Labels: []string{"state"},
		Help: "Network interfaces of this host by state: enforced, behind (judged by an older state than is wanted), closed (nothing passes)."}
	for _, state := range slices.Sorted(maps.Keys(count)) {
		f.add(float64(count[state]), state)
	}
	return []Family{f}
}

// interfaces is what passes each interface and what does not.
func interfaces(all []datapath.InterfaceStatus) []Family {
	flows := Family{Name: "hedgeward_interface_flows", Kind: Gauge, Labels: []string{"interface"},
		Help: "Live tracked flows."}
	used := Family{Name: "hedgeward_instance_conntrack_allowance_used", Kind: Gauge, Labels: []string{"instance"},
		Help: "Flows that the interfaces of an instance track, together, of its allowance."}
	available := Family{Name: "hedgeward_instance_conntrack_allowance_available", Kind: Gauge, Labels: []string{"instance"},
		Help: "Flows that the interfaces of an instance may still begin to track, together."}
	exceeded := Family{Name: "hedgeward_interface_conntrack_allowance_exceeded_total", Kind: Counter, Labels: []string{"interface"},
		Help: "Packets refused because the instance's allowance of tracked flows was used up."}
	packets := Family{Name: "hedgeward_interface_packets_total", Kind: Counter, Labels: []string{"direction", "interface", "reason", "verdict"},
		Help: "Packets judged since the interface was attached, by direction, verdict and reason."}
	shared := map[string]*datapath.InterfaceStatus{} // by instance: its interfaces share one allowance
	for n := range all {
		i := &all[n]
		flows.add(float64(i.Flows), i.ID)
		if i.Instance != "" {
			shared[i.Instance] = i
		}
		exceeded.add(float64(i.Packets[flow.Ingress][flow.ReasonAllowance]+i.Packets[flow.Egress][flow.ReasonAllowance]), i.ID)
		for d := range flow.Direction(flow.NumDirections) {
			for r, count := range i.Packets[d] {
				if reason := flow.Reason(r); count > 0 {
					packets.add(float64(count), d.String(), i.ID, reason.String(), reason.Verdict().String())
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(shared)) {
		used.add(float64(shared[id].Used), id)
		available.add(float64(max(0, shared[id].Allowance-shared[id].Used)), id)
	}
	return []Family{flows, used, available, exceeded, packets}
}

// overlay is what came from other hosts for nobody.
func overlay(s datapath.Strays) []Family {
	f := Family{Name: "hedgeward_overlay_strays_total", Kind: Counter, Labels: []string{"reason"},
		Help: "Packets from other hosts that were for nobody here, by reason: malformed, vni (no VPC of this host), destination (no interface of this host)."}
	f.add(float64(s.Destination), "destination")
	f.add(float64(s.Malformed), "malformed")
	f.add(float64(s.VNI), "vni")
	return []Family{f}
}
