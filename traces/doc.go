// SPDX-License-Identifier: Apache-2.0

// Package traces shows OpenTelemetry what becomes of a call of the API: the call, its
// commit, what each host is told of it, and how long that took there.
//
// A trace is a call: its id is the id of the request, which clients see, and the ids
// of spans follow from that. So every server adds its spans to the right trace
// without being told of one, and what comes from a host is no more than a duration.
// Spans are made when they are over. Agents link nothing of this.
package traces
