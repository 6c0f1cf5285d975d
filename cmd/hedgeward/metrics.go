// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/hedgeward/hedgeward/metrics"

// newMetrics returns the metrics of this process.
func (in *installation) newMetrics() *metrics.Metrics {
	s := metrics.Sources{Stored: func() int64 { return in.model.Snapshot().Revision }}
	if in.host != nil {
		s.Agent, s.Interfaces = in.host.agent.Status, in.host.datapath.Interfaces
	}
	return metrics.New(s)
}
