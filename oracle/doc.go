// SPDX-License-Identifier: Apache-2.0

// Package oracle is docs/spec/packet-semantics.md as slow, obvious code: the
// reference that the compiler and the data path are compared with, packet by
// packet. Every clause cites its section.
//
// It shares the words of package flow with the rest and nothing else. It indexes
// nothing, caches nothing and is not safe for concurrent use. Only tests import
// it.
//
// What the fabric decides, it is told: by which path a packet came and from whom
// (Path), and what the device said of it (flow.Offload).
package oracle
