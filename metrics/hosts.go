// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"maps"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/metrics/numbers"
)

// Hosts is what a server knows of the machines that run instances. What they count
// at their interfaces they show themselves: a server has a few series for each
// host and none for an interface.
type Hosts struct {
	States map[string]int // how many are connected to any server, away, disabled
	Here   []Host         // that follow this server
}

// Host is one host that follows this server.
type Host struct {
	Name     string
	Revision int64         // in force on all of its interfaces but those that are behind; 0: not known yet
	Lag      time.Duration // since the oldest delta was told that it has not acknowledged; 0: there is none
	Behind   int           // interfaces that are judged by an older revision, or by none
}

// families returns what Prometheus is shown. Each host is shown by the server that
// it follows, so that the servers' series do not repeat each other.
func (h Hosts) families() []numbers.Family {
	hosts := numbers.Family{Name: "hedgeward_hosts", Kind: numbers.Gauge, Labels: []string{"state"},
		Help: "Hosts by state: connected (to any server), away, disabled."}
	for _, state := range slices.Sorted(maps.Keys(h.States)) {
		hosts.Samples = append(hosts.Samples, numbers.Sample{Labels: []string{state}, Value: float64(h.States[state])})
	}
	each := func(name, help string, of func(Host) float64) numbers.Family {
		f := numbers.Family{Name: name, Help: help, Kind: numbers.Gauge, Labels: []string{"host"}}
		for _, one := range h.Here {
			f.Samples = append(f.Samples, numbers.Sample{Labels: []string{one.Name}, Value: of(one)})
		}
		return f
	}
	return []numbers.Family{
		hosts,
		each("hedgeward_host_enforced_revision", "Revision of the store that a host that follows this server has in force.",
			func(h Host) float64 { return float64(h.Revision) }),
		each("hedgeward_host_lag_seconds", "Since when a host that follows this server owes an acknowledgement, 0 if it owes none.",
			func(h Host) float64 { return h.Lag.Seconds() }),
		each("hedgeward_host_interfaces_behind", "Interfaces of a host that follows this server which are judged by an older revision than the host's, or by none.",
			func(h Host) float64 { return float64(h.Behind) }),
	}
}
