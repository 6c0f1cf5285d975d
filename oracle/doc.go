// SPDX-License-Identifier: Apache-2.0

// Package oracle is docs/spec/packet-semantics.md as slow, obvious code: the
// reference that the compiler and the data path are compared with, packet by
// packet. Every clause cites its section.
//
// It shares the words of package flow with the rest and nothing else. It indexes
// nothing, caches nothing and is not safe for concurrent use. Only tests import
// it.
//
// Not yet here, each with its place in Judge marked: exempt services other than
// the VPC router (4.1), judged fragments (4.5), related ICMP errors and the
// path-MTU exception (3.4), allowances (3.8), paths that force tracking (2.4),
// reachability beyond one VPC (1.6), multicast domains (4.3).
package oracle
