// SPDX-License-Identifier: Apache-2.0

// Package why answers which rule admits a packet between two ends, or why none
// does: what a host would be told of both ends (package feed/teller) and the matcher of
// the compiled tables (package policy), asked about the packet that begins a
// connection (docs/spec/packet-semantics.md sections 1.2 to 1.6).
//
// It reads a snapshot and nothing else: no kernel, no state of connections. What
// it answers is what is wanted; `hedgeward wait` tells when that is in force.
package why
