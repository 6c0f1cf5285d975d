// SPDX-License-Identifier: Apache-2.0

// Package metrics shows Prometheus what an installation does: calls, what is in
// force and how far behind it is, and every interface's packets by direction and
// reason. docs/metrics.md lists the metrics; a test holds the list against the
// code.
//
// Counters live where they count, in the kernel and in the agent, and are read
// when they are asked for, so a scrape costs what there is and nothing is counted
// twice or lost with a process.
package metrics
