// SPDX-License-Identifier: Apache-2.0

// Package testworld makes worlds of VPCs, groups and interfaces and histories of
// packets and changes in them: random ones, and ones written as text in the
// notation of docs/spec/packet-semantics.md section 7. It prints what it makes,
// reads it back, and shrinks what fails.
//
// A scenario is text, one thing a line; blank lines and lines that begin with #
// do not count:
//
//	vpc v1 10.0.0.0/16 subnets 10.0.1.0/24 2001:db8:1:1::/64
//	host H1 203.0.113.1
//	prefixlist pl1 203.0.113.0/24
//	group g1 v1
//	rule g1 in tcp/22 H1/32
//	interface A v1 02:00:00:00:00:0a 10.0.1.10 10.0.1.64/28 groups g1 check on
//	H1:50000>A:22 S
//	wait 59s
//	revoke g1 in tcp/22 H1/32
//	A@10.0.1.10:22>203.0.113.1:50000 SA
package testworld
