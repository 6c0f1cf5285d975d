// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/metrics"
	"github.com/hedgeward/hedgeward/metrics/numbers"
)

// newMetrics returns the metrics of this process.
func (in *installation) newMetrics() *metrics.Metrics {
	s := metrics.Sources{Stored: func() int64 { return in.model.Snapshot().Revision }}
	if in.host != nil {
		s.Local = &numbers.Host{
			Agent: in.host.agent.Status, Interfaces: in.host.datapath.Interfaces, Strays: in.host.datapath.Strays, Delays: in.host.delays,
		}
	}
	if in.remote != nil {
		s.Hosts = func() metrics.Hosts { return in.countHosts(time.Now()) }
	}
	return metrics.New(s)
}

// countHosts returns what this server knows of the hosts.
func (in *installation) countHosts(now time.Time) metrics.Hosts {
	out := metrics.Hosts{States: map[string]int{hostConnected: 0, hostAway: 0, hostDisabled: 0}}
	known := &in.model.Snapshot().Hosts
	for h := range known.All() {
		out.States[hostState(h, &in.remote.present)]++
	}
	for name, p := range in.remote.stream.Peers() {
		if !p.Connected || known.Get(name) == nil {
			continue
		}
		h := metrics.Host{Name: name, Revision: p.Revision, Behind: len(p.Behind)}
		if !p.Owes.IsZero() {
			h.Lag = now.Sub(p.Owes)
		}
		out.Here = append(out.Here, h)
	}
	slices.SortFunc(out.Here, func(a, b metrics.Host) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
