// SPDX-License-Identifier: Apache-2.0

// Package policy compiles the union of the rules of an interface's groups into
// tables that answer "which rule admits this packet" in a few steps, whatever
// the number of rules (docs/spec/packet-semantics.md sections 1.4, 1.5, 2.1).
//
// Protocol and port are one ordered key of 24 bits, so every rule is one range
// of keys, and everything a peer may do is one step function over them: a Row.
// A Row is found by the remote address (longest prefix; each prefix's row holds
// the rules of the prefixes around it too) and by the groups that own the
// address. The lowest numbered rule that matches is the one that is named.
//
// The package is pure: no clock, no kernel, no store. A Policy never changes
// after Compile and may be shared.
package policy
